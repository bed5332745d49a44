// From plaintext to mutual TLS without a lost request: the Mesh goes from off over permissive to strict while an edge and a
// sidecar carry load, and an instance joins by getting a sidecar. Who still speaks plaintext is reached, then withheld and
// named; who is excepted stays reachable.
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Backend, startBackend } from '../support/backends.ts';
import { ask, type Load, startLoad } from '../support/load.ts';
import { describeWith, eventually, eventuallyPasses, freePorts, type RunningEnvoy } from '../support/real-parts.ts';
import { startTrustRig, type TrustRig, through } from './trust-rig.ts';

for (const bin of [undefined, 'oldest'])
  describeWith(['envoy', 'envoy-oldest'], `from plaintext to mutual TLS, ${bin ?? 'newest'} Envoy`, () => {
    const stack = new AsyncDisposableStack();
    let rig: TrustRig;
    let backends: Backend[];
    let api: RunningEnvoy;
    let web: RunningEnvoy;
    let edge: RunningEnvoy;
    let [outbound, inbound, joining, webInbound, edgePort] = [0, 0, 0, 0, 0];

    const mesh = (mtls: string): void =>
      rig.product.write(
        'mesh.yaml',
        `{apiVersion: chancery/v1, kind: Mesh, metadata: {name: mesh}, spec: {mtls: ${mtls}}}\n`,
      );
    const synced = (count: number): Promise<unknown> =>
      eventually(async () => {
        const { proxies } = await rig.product.status();
        return proxies.filter(({ state }) => state === 'synced').length === count;
      });
    const answered = async (port: number, host: string): Promise<Set<string>> => {
      const names = new Set<string>();
      for (let n = 0; n < 12; n++) names.add((await through(port, host)).name);
      return names;
    };
    const options = bin === undefined ? {} : { bin };

    beforeAll(async () => {
      rig = stack.use(await startTrustRig());
      [outbound = 0, inbound = 0, joining = 0, webInbound = 0, edgePort = 0] = await freePorts(5);
      const [apiOutbound = 0, lateOutbound = 0] = await freePorts(2);
      mesh('off');
      rig.product.write(
        'edge.yaml',
        `apiVersion: chancery/v1\nkind: Gateway\nmetadata: {name: edge}\nspec:\n  listeners: [{name: http, port: ${edgePort}, protocol: http}]\n`,
      );
      rig.product.write(
        'legacy.yaml',
        '{apiVersion: chancery/v1, kind: Service, metadata: {name: legacy}, spec: {tls: none}}\n',
      );
      backends = [];
      for (const name of ['api-1', 'api-2', 'web-1', 'legacy-1']) backends.push(stack.use(await startBackend(name)));
      const [one, two, webApp, legacy] = backends.map(({ port }) => port);
      await rig.registry.put({ service: 'api', id: 'api-1', port: one ?? 0, proxyPort: inbound });
      await rig.registry.put({ service: 'api', id: 'api-2', port: two ?? 0 });
      await rig.registry.put({ service: 'web', id: 'web-1', port: webApp ?? 0, proxyPort: webInbound });
      await rig.registry.put({ service: 'legacy', id: 'legacy-1', port: legacy ?? 0 });
      const sidecar = (node: string, service: string, port: number): Promise<RunningEnvoy> =>
        rig.envoy(node, { services: [service] }, ['--service', service, '--outbound', `127.0.0.1:${port}`], options);
      api = await sidecar('api-1', 'api', apiOutbound);
      web = await sidecar('web-1', 'web', outbound);
      edge = await rig.envoy('edge-1', { gateways: ['edge'] }, ['--gateway', 'edge'], options);
      // It has its sidecar already, and nobody knows of it.
      await sidecar('api-2', 'api', lateOutbound);
      await synced(4);
    }, 90_000);
    afterAll(() => stack.disposeAsync());

    it('loses no request on the way, and reaches who it can', { timeout: 60_000 }, async () => {
      const everybody = new Set(['api-1', 'api-2']);
      await eventuallyPasses(async () => {
        for (const port of [outbound, edgePort])
          for (const host of ['api', 'legacy']) expect((await ask({ port, host })).status).toBe(200);
      });
      const loads: Load[] = [outbound, edgePort].flatMap((port) =>
        ['api', 'legacy'].map((host) => startLoad({ port, host, perSecond: 40, maxSeconds: 55 })),
      );
      const handshakes = (): Promise<number[]> =>
        Promise.all([web, edge].map((envoy) => envoy.stat('cluster.api.ssl.handshake')));

      // Off: plaintext everywhere, whoever has a certificate.
      expect(await answered(outbound, 'api')).toEqual(everybody);
      expect(await handshakes()).toEqual([0, 0]);
      expect((await ask({ port: inbound, host: 'api' })).status).toBe(200);

      mesh('permissive');
      await eventuallyPasses(async () => expect(Math.min(...(await handshakes()))).toBeGreaterThan(0));
      for (const port of [outbound, edgePort]) expect(await answered(port, 'api')).toEqual(everybody);
      // Who calls in plaintext gets through to the sidecar, as nobody; who has a certificate is seen.
      expect(await through(inbound, 'api')).toEqual({ name: 'api-1', caller: '' });
      // What `chancery status` says to look at, as Prometheus sees it: those requests and no others.
      const counted = async (): Promise<number> => {
        const text = await api.adminGet('/stats/prometheus');
        const prefix = `envoy_http_conn_manager_prefix="inbound_${inbound}_plaintext"`;
        return Number(text.match(new RegExp(`^envoy_http_downstream_rq_total\\{${prefix}\\} (\\d+)$`, 'm'))?.[1]);
      };
      await eventuallyPasses(async () => {
        const before = await counted();
        await through(inbound, 'api');
        expect((await counted()) - before).toBe(1);
      });
      await eventuallyPasses(async () => {
        const seen = await Promise.all(Array.from({ length: 8 }, () => through(outbound, 'api')));
        expect(seen.filter(({ name }) => name === 'api-1').map(({ caller }) => caller)).toContainEqual(
          expect.stringContaining('URI=spiffe://service.local/svc/web'),
        );
        expect(seen.filter(({ name }) => name === 'api-2').every(({ caller }) => caller === '')).toBe(true);
      });

      // Its sidecar is registered, and from then on carries what goes to it.
      await rig.registry.put({ service: 'api', id: 'api-2', port: backends[1]?.port ?? 0, proxyPort: joining });
      await eventuallyPasses(async () => {
        const seen = await Promise.all(Array.from({ length: 8 }, () => through(edgePort, 'api')));
        const late = seen.filter(({ name }) => name === 'api-2');
        expect(late.length).toBeGreaterThan(0);
        expect(late.every(({ caller }) => caller.includes('URI=spiffe://service.local/gateway/edge'))).toBe(true);
      });
      await rig.registry.put({ service: 'api', id: 'api-2', port: backends[1]?.port ?? 0 });
      await eventuallyPasses(async () => {
        const seen = await Promise.all(Array.from({ length: 8 }, () => through(edgePort, 'api')));
        expect(seen.filter(({ name }) => name === 'api-2').map(({ caller }) => caller)).toContain('');
      });

      mesh('strict');
      await eventuallyPasses(async () => {
        for (const port of [outbound, edgePort]) expect(await answered(port, 'api')).toEqual(new Set(['api-1']));
      });
      // T24: from now on nobody gets to the sidecar in plaintext.
      await eventuallyPasses(async () => expect(ask({ port: inbound, host: 'api' })).rejects.toThrow());
      const { problems } = await rig.product.status();
      expect(problems.map(({ message }) => message)).toContainEqual(expect.stringMatching(/api-2/));
      for (const port of [outbound, edgePort])
        expect(await through(port, 'legacy')).toMatchObject({ name: 'legacy-1' });

      // And all the way back.
      mesh('permissive');
      await eventuallyPasses(async () => expect(await answered(edgePort, 'api')).toEqual(everybody));
      mesh('off');
      await eventuallyPasses(async () =>
        expect(await Promise.all([through(inbound, 'api'), through(outbound, 'api')])).toEqual([
          { name: 'api-1', caller: '' },
          expect.objectContaining({ caller: '' }),
        ]),
      );
      await eventually(() => loads.every((load) => load.soFar().sent > 150));
      for (const load of loads) {
        const result = await load.stop();
        expect(result.failures).toEqual({});
      }
    });
  });
