// Load reports of a real Envoy: traffic through it shows up by cluster and by the locality of the instances that took it, in
// the API, the command line and the metrics, and goes with the proxy.
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { ClusterLoadStatus } from '../../src/control/contract.ts';
import { type Backend, startBackend } from '../support/backends.ts';
import { ask } from '../support/load.ts';
import { type Product, startProduct } from '../support/product.ts';
import { describeWith, eventually, freePort } from '../support/real-parts.ts';

describeWith(['envoy', 'envoy-oldest'], 'load reports', () => {
  let product: Product;
  let backends: Backend[] = [];
  let port = 0;

  beforeAll(async () => {
    product = await startProduct({ config: { xds: { loadReportSeconds: 1 } } });
    backends = await Promise.all(['near', 'far'].map((name) => startBackend(name)));
    port = await freePort();
    const [near = 0, far = 0] = backends.map((backend) => backend.port);
    product.write(
      'shop.yaml',
      `apiVersion: chancery/v1
kind: Gateway
metadata: {name: edge}
spec:
  listeners: [{name: http, port: ${port}, protocol: http}]
---
apiVersion: chancery/v1
kind: Service
metadata: {name: cart}
spec:
  endpoints:
  - {address: 127.0.0.1, port: ${near}, zone: a}
  - {address: 127.0.0.1, port: ${far}, zone: b}
`,
    );
  }, 60_000);
  afterAll(async () => {
    await product[Symbol.asyncDispose]();
    for (const backend of backends) await backend.crash();
  });

  const load = async (): Promise<readonly ClusterLoadStatus[]> =>
    (await (await product.api('GET', '/api/v1/load')).json()) as readonly ClusterLoadStatus[];

  it.each([undefined, 'oldest'])(
    '(%s) come by cluster and locality, and the rates go with the proxy',
    async (bin) => {
      const args = ['--gateway', 'edge', '--load-reports'];
      const edge = await product.envoy('edge-1', args, bin === undefined ? {} : { bin });
      // What comes before an Envoy's first report of a cluster it leaves out.
      await eventually(async () => {
        await ask({ port, host: 'cart' });
        return ((await load())[0]?.requestsPerSecond ?? 0) > 0;
      });
      const before = (await load())[0]?.total.succeeded ?? 0;
      for (let sent = 0; sent < 40; sent++) expect((await ask({ port, host: 'cart' })).status).toBe(200);
      const seen = await eventually(async () => {
        const [cart] = await load();
        return cart !== undefined && cart.total.succeeded >= before + 40 ? cart : undefined;
      });
      expect(seen).toMatchObject({ cluster: 'cart', proxies: 1, total: { failed: 0, dropped: 0 } });
      expect(seen.localities.map(({ zone }) => zone).sort()).toEqual(['a', 'b']);
      for (const { total } of seen.localities) expect(total.succeeded).toBeGreaterThan(5);
      expect(seen.localities.reduce((sum, { total }) => sum + total.succeeded, 0)).toBe(seen.total.succeeded);
      expect((await load()).map(({ cluster }) => cluster)).toEqual(['cart']);
      const { stdout } = await product.cli('load');
      expect(stdout).toMatch(/^cart +\d/m);
      const metrics = await (await product.api('GET', '/metrics')).text();
      expect(metrics).toMatch(/^chancery_load_requests_total\{cluster="cart"\} \d+$/m);
      await edge.kill();
      await eventually(async () =>
        (await load()).every(({ proxies, requestsPerSecond }) => proxies + requestsPerSecond === 0),
      );
    },
    30_000,
  );
});
