// What lies in files and is replaced while everything goes on: the credential of a node, the certificate of the xDS port.
// Under load, with connections to the control plane that end soon, so that what is new is put to use; and over restarts of
// the control plane, whose intermediate and port's certificate are others then.
import { copyFileSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startBackend } from '../support/backends.ts';
import { replaceFile } from '../support/certificates.ts';
import { ask, startLoad } from '../support/load.ts';
import { describeWith, eventually, eventuallyPasses, freePorts, type RunningEnvoy } from '../support/real-parts.ts';
import { startTrustRig, type TrustRig, through, tokenId } from './trust-rig.ts';

describeWith(['envoy'], 'what is replaced under load', () => {
  const stack = new AsyncDisposableStack();
  let rig: TrustRig;
  let api: RunningEnvoy;
  let web: RunningEnvoy;
  let outbound = 0;

  /** The serial of what the xDS port shows. */
  const shownSerial = (): Promise<string> =>
    new Promise((resolve, reject) => {
      const socket = connect({ port: rig.product.xdsPort, host: '127.0.0.1', rejectUnauthorized: false }, () => {
        resolve(socket.getPeerX509Certificate()?.serialNumber ?? '');
        socket.destroy();
      });
      socket.once('error', reject);
    });
  const secretOf = (node: string): string =>
    /Bearer ([^"]+)/.exec(readFileSync(join(rig.folder, node, 'token.json'), 'utf8'))?.[1] ?? expect.fail('no token');
  const synced = (): Promise<unknown> =>
    eventually(
      async () => {
        const { proxies } = await rig.product.status();
        return proxies.filter(({ state }) => state === 'synced').length === 2;
      },
      { deadlineMs: 30_000 },
    );
  const connections = (envoy: RunningEnvoy): Promise<number> => envoy.stat('cluster.chancery.upstream_cx_total');
  const requests = (envoy: RunningEnvoy): Promise<number> => envoy.stat('cluster.chancery.upstream_rq_total');

  beforeAll(async () => {
    rig = stack.use(await startTrustRig({ config: { xds: { maxConnectionAgeSeconds: 5 } } }));
    let [inbound, apiOutbound] = [0, 0];
    [outbound = 0, inbound = 0, apiOutbound = 0] = await freePorts(3);
    const [backend, caller] = [stack.use(await startBackend('api-1')), stack.use(await startBackend('web-1'))];
    await rig.registry.put({ service: 'api', id: 'api-1', port: backend.port, proxyPort: inbound });
    await rig.registry.put({ service: 'web', id: 'web-1', port: caller.port });
    const sidecar = (node: string, service: string, port: number): Promise<RunningEnvoy> =>
      rig.envoy(node, { services: [service], node }, ['--service', service, '--outbound', `127.0.0.1:${port}`]);
    api = await sidecar('api-1', 'api', apiOutbound);
    web = await sidecar('web-1', 'web', outbound);
    await eventuallyPasses(async () => expect((await ask({ port: outbound, host: 'api' })).status).toBe(200));
  }, 90_000);
  afterAll(() => stack.disposeAsync());

  it('T15: tokens of nodes, the earlier of which are worth nothing then', { timeout: 60_000 }, async () => {
    const load = startLoad({ port: outbound, host: 'api', perSecond: 80, maxSeconds: 55 });
    const earlier = new Map<string, string>();
    for (const [node, envoy] of [
      ['api-1', api],
      ['web-1', web],
    ] as const) {
      earlier.set(node, secretOf(node));
      const read = await envoy.stat('sds.xds_token.update_success');
      const renewed = await rig.product.cli('renew', join(rig.folder, node), '--now');
      expect([renewed.code, renewed.stderr]).toEqual([0, expect.any(String)]);
      expect(secretOf(node)).not.toBe(earlier.get(node));
      await eventuallyPasses(async () =>
        expect(await envoy.stat('sds.xds_token.update_success')).toBeGreaterThan(read),
      );
      const before = await requests(envoy);
      await rig.revoke('token', tokenId(earlier.get(node) ?? ''), true);
      await eventually(async () => (await requests(envoy)) > before);
    }
    await synced();
    for (const token of earlier.values())
      expect((await rig.post('/api/v1/trust/renew', {}, { token })).status).toBe(401);

    // Who is let in after a restart is so by what was renewed, and what was revoked stays so.
    await rig.product.kill();
    await rig.product.start();
    await synced();
    for (const token of earlier.values())
      expect((await rig.post('/api/v1/trust/renew', {}, { token })).status).toBe(401);
    expect((await through(outbound, 'api')).caller).toContain('URI=spiffe://service.local/svc/web');
    expect((await load.stop()).failures).toEqual({});
  });

  it('the certificate of the xDS port', { timeout: 60_000 }, async () => {
    const load = startLoad({ port: outbound, host: 'api', perSecond: 80, maxSeconds: 55 });
    const file = (name: string): string => join(rig.product.state, 'xds', name);
    const first = await shownSerial();
    for (const name of ['certificate.pem', 'key.pem']) copyFileSync(file(name), join(rig.folder, name));
    await rig.product.kill();
    await rig.product.start();
    await synced();
    const second = await shownSerial();
    expect(second).not.toBe(first);

    // While it runs: the port takes what lies there, and every proxy comes again.
    for (const name of ['key.pem', 'certificate.pem']) replaceFile(join(rig.folder, name), file(name));
    await eventuallyPasses(async () => expect(await shownSerial()).toBe(first), { deadlineMs: 15_000 });
    const before = await Promise.all([api, web].map(connections));
    await eventuallyPasses(
      async () => {
        const now = await Promise.all([api, web].map(connections));
        expect(now.every((count, index) => count > (before[index] ?? 0))).toBe(true);
      },
      { deadlineMs: 30_000 },
    );
    await synced();
    for (const envoy of [api, web]) expect(await envoy.stat('control_plane.connected_state')).toBe(1);
    expect((await load.stop()).failures).toEqual({});
  });
});
