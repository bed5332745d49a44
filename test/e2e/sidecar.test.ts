// Two services with sidecars, found through each registry: web's sidecar carries its calls to api's sidecar, which carries
// them to the application. By Host on the outbound listener, by a declared upstream, and as plain TCP.
import { type AddressInfo, connect, createServer } from 'node:net';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { ask } from '../support/load.ts';
import { describeWith, eventuallyPasses, freePorts, type RunningEnvoy } from '../support/real-parts.ts';
import { type RegistryRig, registryRigs } from './registry-rigs.ts';
import { type Scene, startScene } from './scene.ts';

const routes = `apiVersion: chancery/v1
kind: Service
metadata: {name: api}
spec:
  subsets: [{name: v1, where: {version: v1}}, {name: v2, where: {version: v2}}]
---
apiVersion: chancery/v1
kind: Route
metadata: {name: api}
spec:
  hosts: [api]
  gateways: [mesh]
  rules:
  - match: [{path: {prefix: /next}, from: [web]}]
    to: [{service: api, subset: v2}]
  - to: [{service: api, subset: v1}]
---
apiVersion: chancery/v1
kind: Service
metadata: {name: echo}
spec: {protocol: tcp}
`;

function suite(rig: RegistryRig): void {
  describeWith(['envoy', ...rig.needs], `sidecars, ${rig.name}`, () => {
    let scene: Scene;
    let api: RunningEnvoy;
    let outbound = 0;
    let upstream = 0;
    let tcp = 0;
    let inboundPort = 0;

    beforeAll(async () => {
      scene = await startScene({ rig });
      scene.product.write('api.yaml', routes);
      let apiOutbound = 0;
      [outbound = 0, upstream = 0, tcp = 0, inboundPort = 0, apiOutbound = 0] = await freePorts(5);
      await scene.instance('api', 'api-1', { metadata: { version: 'v1' }, proxyPort: inboundPort });
      await scene.instance('api', 'api-2', { metadata: { version: 'v2' } });
      await scene.instance('web', 'web-1');
      api = await scene.product.envoy('api-1', ['--service', 'api', '--outbound', `127.0.0.1:${apiOutbound}`]);
      await scene.product.envoy('web-1', [
        ...['--service', 'web', '--outbound', `127.0.0.1:${outbound}`],
        ...['--upstream', `api=127.0.0.1:${upstream}`, '--upstream', `echo=127.0.0.1:${tcp}`],
      ]);
    }, 60_000);
    afterAll(() => scene[Symbol.asyncDispose]());

    const through = async (port: number, host: string, path = '/'): Promise<string> => {
      const reply = await ask({ port, host, path });
      return reply.status === 200 ? String(reply.headers['x-backend']) : `status ${reply.status}`;
    };

    it('carries a call by Host through both sidecars', async () => {
      await eventuallyPasses(async () => expect(await through(outbound, 'api')).toBe('api-1'));
      const before = await api.stat('cluster.local_app.upstream_rq_total').catch(() => 0);
      expect(before).toBeGreaterThanOrEqual(0);
      const inbound = await api.adminGet('/listeners');
      expect(inbound).toContain(`127.0.0.1:${inboundPort}`);
      expect(await api.adminGet('/stats?filter=downstream_rq_2xx&format=json')).toContain('inbound');
    });

    it('carries a call by the declared upstream, with the same rules', async () => {
      await eventuallyPasses(async () => expect(await through(upstream, 'whatever.example')).toBe('api-1'));
      expect(await through(upstream, 'api', '/next/1')).toBe('api-2');
    });

    it('lets the calling service decide', async () => {
      expect(await through(outbound, 'api', '/next')).toBe('api-2');
      expect(await through(outbound, 'api', '/nextdoor')).toBe('api-1');
      // The edge is no calling service, and the Route is for the mesh only.
      expect(['api-1', 'api-2']).toContain(await scene.who('api', { path: '/next' }));
    });

    it('carries TCP', async () => {
      const server = createServer((socket) => socket.pipe(socket));
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      await scene.registry.put({ service: 'echo', id: 'echo-1', port: (server.address() as AddressInfo).port });
      const roundTrip = (): Promise<string> =>
        new Promise((resolve, reject) => {
          const socket = connect(tcp, '127.0.0.1', () => socket.write('hello'));
          socket.setTimeout(1000, () => socket.destroy(new Error('timeout')));
          socket.once('data', (data) => {
            resolve(data.toString());
            socket.destroy();
          });
          socket.once('error', reject);
          socket.once('close', () => reject(new Error('closed')));
        });
      await eventuallyPasses(async () => expect(await roundTrip()).toBe('hello'));
      server.close();
    });

    it('names both sidecars in status, in sync', async () => {
      await eventuallyPasses(async () => {
        const { proxies } = await scene.product.status();
        expect(proxies.map(({ node, role, service, state }) => `${node} ${role} ${service} ${state}`)).toEqual([
          'api-1 sidecar api synced',
          'edge-1 gateway edge synced',
          'web-1 sidecar web synced',
        ]);
      });
      const web = (await scene.product.status()).proxies.find(({ node }) => node === 'web-1');
      expect(web?.note).toContain('no sidecar is registered');
    });
  });
}

for (const rig of registryRigs) suite(rig);
