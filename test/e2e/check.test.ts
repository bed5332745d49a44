// `chancery check` on a running mesh in permissive mutual TLS that a real Prometheus scrapes: strict is safe until somebody calls
// a sidecar in plaintext; and where nothing was counted, nothing is known.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { ensurePrometheus } from '../../scripts/provision-prometheus.mjs';
import { plaintextQuery } from '../../src/cli/plaintext-queries.ts';
import { startBackend } from '../support/backends.ts';
import { describeWith, eventually, eventuallyPasses, freePorts, startProcess } from '../support/real-parts.ts';
import { startTrustRig, type TrustRig, through } from './trust-rig.ts';

const prometheus = await ensurePrometheus();

interface Report {
  readonly result: string;
  readonly checks: readonly {
    readonly check: string;
    readonly result: string;
    readonly message: string;
    readonly next?: string;
  }[];
}

describeWith(['envoy'], 'chancery check', () => {
  const stack = new AsyncDisposableStack();
  let rig: TrustRig;
  let [outbound, inbound] = [0, 0];

  const check = async (...args: readonly string[]) => {
    const { code, stdout, stderr } = await rig.product.cli('check', '-o', 'json', ...args);
    expect(stderr).toBe('');
    const report = JSON.parse(stdout) as Report;
    const by = Object.fromEntries(report.checks.map((one) => [one.check, one]));
    return { code, report, by };
  };

  beforeAll(async () => {
    rig = stack.use(await startTrustRig());
    const apiOutbound = await freePorts(4);
    [outbound = 0, inbound = 0] = apiOutbound.splice(0, 2);
    rig.product.write(
      'mesh.yaml',
      '{apiVersion: chancery/v1, kind: Mesh, metadata: {name: mesh}, spec: {mtls: permissive}}\n',
    );
    const api = stack.use(await startBackend('api-1'));
    const web = stack.use(await startBackend('web-1'));
    await rig.registry.put({ service: 'api', id: 'api-1', port: api.port, proxyPort: inbound });
    await rig.registry.put({ service: 'web', id: 'web-1', port: web.port, proxyPort: apiOutbound[0] ?? 0 });
    const sidecar = (node: string, service: string, port: number) =>
      rig.envoy(node, { services: [service] }, ['--service', service, '--outbound', `127.0.0.1:${port}`]);
    await sidecar('api-1', 'api', apiOutbound[1] ?? 0);
    await sidecar('web-1', 'web', outbound);
    await eventually(async () => {
      const { proxies } = await rig.product.status();
      return proxies.filter(({ state }) => state === 'synced').length === 2;
    });
    await eventuallyPasses(async () => void (await through(outbound, 'api')));
  }, 60_000);
  afterAll(() => stack.disposeAsync());

  it('says what it knows, and whom to ask for the rest', async () => {
    await eventuallyPasses(async () => {
      const { code, by } = await check();
      expect(code).toBe(0);
      for (const name of ['server', 'registries', 'objects', 'proxies', 'node credentials', 'certificates', 'root'])
        expect(by[name]).toMatchObject({ result: 'ok' });
      expect(by['mutual TLS']).toMatchObject({ result: 'ok', message: 'permissive for every service' });
      expect(by['sidecars']).toMatchObject({ result: 'ok' });
      expect(by['strict']).toMatchObject({ result: 'warn', next: expect.stringContaining(plaintextQuery('1d')) });
    });
    const { stdout } = await rig.product.cli('check');
    expect(stdout).toMatch(/^ok {4}proxies: 2 of 2 in sync$/m);
  });

  it('knows nothing of a Prometheus that does not answer', async () => {
    const [nobody = 0] = await freePorts(1);
    const { code, by } = await check('--prometheus', `http://127.0.0.1:${nobody}`);
    expect(code).toBe(1);
    expect(by['strict']).toMatchObject({ result: 'FAIL', message: expect.stringMatching(/^not known: \[CH1861\]/) });
  });

  it.skipIf(prometheus.path === undefined)(
    `says for certain by what sidecars counted${prometheus.path === undefined ? ` (${prometheus.missing})` : ''}`,
    { timeout: 60_000 },
    async () => {
      const [port = 0] = await freePorts(1);
      const url = `http://127.0.0.1:${port}`;
      const sd = `http://127.0.0.1:${rig.product.httpPort}/sd/prometheus`;
      writeFileSync(
        join(rig.folder, 'prometheus.yml'),
        JSON.stringify({
          global: { scrape_interval: '500ms', scrape_timeout: '400ms' },
          scrape_configs: [{ job_name: 'mesh', http_sd_configs: [{ url: sd, refresh_interval: '1s' }] }],
        }),
      );
      const server = await startProcess('prometheus', [
        prometheus.path ?? '',
        ...[`--config.file=${join(rig.folder, 'prometheus.yml')}`, `--storage.tsdb.path=${join(rig.folder, 'data')}`],
        ...[`--web.listen-address=127.0.0.1:${port}`, '--log.level=warn'],
      ]);
      stack.defer(() => server.stop());
      await eventually(async () => (await fetch(`${url}/-/ready`)).ok, { deadlineMs: 30_000 });
      const asked = ['--prometheus', url];

      // It has not been there for a day.
      await eventuallyPasses(async () => {
        const { code, by } = await check(...asked);
        expect(code).toBe(1);
        expect(by['strict']?.message).toBe('not known: nothing was counted yet 1d ago for api, web');
      });
      await through(outbound, 'api');
      await eventuallyPasses(async () => {
        const { code, report, by } = await check(...asked, '--since', '4s');
        expect(by['strict']).toEqual({
          ...{ check: 'strict', result: 'ok' },
          message: 'is safe: no request in plaintext to any of 2 sidecars in 4s',
        });
        expect([code, report.result]).toEqual([0, 'ok']);
      });

      await through(inbound, 'api');
      await eventuallyPasses(async () => {
        const { code, by } = await check(...asked, '--since', '1h');
        expect(code).toBe(1);
        expect(by['strict']).toMatchObject({ result: 'FAIL', message: 'is not safe: plaintext to api (1 in 1h)' });
      });

      // A sidecar that nobody scrapes is no sidecar without callers.
      await rig.registry.put({ service: 'db', id: 'db-1', port: 1, proxyPort: 2 });
      await eventuallyPasses(async () => {
        const { by } = await check(...asked, '--since', '1s');
        expect(by['strict']?.message).toBe('not known: it counts too few sidecars: 0 of 1 of db');
      });
    },
  );
});
