// R58: an Envoy on the bootstrap that `chancery bootstrap --rest` prints: traffic by polls alone, changes included, and the
// proxy stands in status like any other.
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Backend, startBackend } from '../support/backends.ts';
import { ask } from '../support/load.ts';
import { type Product, startProduct } from '../support/product.ts';
import { describeWith, eventually, freePort, type RunningEnvoy } from '../support/real-parts.ts';

describeWith(['envoy'], 'R58: a proxy without a stream', () => {
  let product: Product;
  let edge: RunningEnvoy;
  let backends: Backend[] = [];
  let port = 0;
  const objects = (backend: number): string => `apiVersion: chancery/v1
kind: Gateway
metadata: {name: edge}
spec:
  listeners: [{name: http, port: ${port}, protocol: http}]
---
apiVersion: chancery/v1
kind: Service
metadata: {name: cart}
spec:
  endpoints: [{address: 127.0.0.1, port: ${backend}}]
`;

  beforeAll(async () => {
    product = await startProduct();
    backends = await Promise.all(['one', 'two'].map((name) => startBackend(name)));
    port = await freePort();
    product.write('shop.yaml', objects(backends[0]?.port ?? 0));
    edge = await product.envoy('edge-1', ['--gateway', 'edge', '--rest']);
  }, 60_000);
  afterAll(async () => {
    await product[Symbol.asyncDispose]();
    for (const backend of backends) await backend.crash();
  });

  it('serves traffic, follows changes, and is synced', async () => {
    const who = async (): Promise<unknown> => (await ask({ port, host: 'cart' })).headers['x-backend'];
    expect(await eventually(who)).toBe('one');
    product.write('shop.yaml', objects(backends[1]?.port ?? 0));
    await eventually(async () => (await who()) === 'two');
    const proxy = await eventually(async () => {
      const { proxies } = await product.status();
      return proxies.find(({ node, state }) => node === 'edge-1' && state === 'synced');
    });
    expect(proxy).toMatchObject({ role: 'gateway', service: 'edge', types: { CDS: { state: 'acked' }, EDS: {} } });
    expect((await product.status()).refusals).toEqual([]);
    expect((await product.cli('status', 'edge-1', '--resources')).stdout).toMatch(/^EDS +cart +synced /m);
    for (const stat of ['cluster_manager.cds', 'listener_manager.lds'])
      expect([await edge.stat(`${stat}.update_rejected`), await edge.stat(`${stat}.update_failure`)]).toEqual([0, 0]);
  }, 30_000);
});
