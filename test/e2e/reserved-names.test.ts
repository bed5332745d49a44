// Services whose names are Chancery's own, or differ by case alone, on real Envoy: each request reaches its service, and
// none the control plane. Someone who registers Chancery itself in Consul makes the first of them.
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Backend, startBackend } from '../support/backends.ts';
import { ask } from '../support/load.ts';
import { type Product, startProduct } from '../support/product.ts';
import { describeWith, eventuallyPasses, freePort } from '../support/real-parts.ts';

const names = ['chancery', 'chancery_admin', 'inbound', 'Cart', 'cart'] as const;

describeWith(['envoy'], 'names that meet those of Chancery', () => {
  const backends: Backend[] = [];
  let product: Product;
  let port: number;

  beforeAll(async () => {
    port = await freePort();
    product = await startProduct();
    const objects = [`kind: Gateway, metadata: {name: edge}, spec: {listeners: [{port: ${port}}]}`];
    for (const name of names) {
      const backend = await startBackend(name);
      backends.push(backend);
      objects.push(
        `kind: Service, metadata: {name: ${name}}, spec: {endpoints: [{address: 127.0.0.1, port: ${backend.port}}]}`,
        `kind: Route, metadata: {name: to-${name}}, spec: {hosts: [${name.replace('_', '-')}-route.example], rules: [{to: [{service: ${name}}]}]}`,
      );
    }
    product.write('all.yaml', objects.map((rest) => `{apiVersion: chancery/v1, ${rest}}\n`).join('---\n'));
    await product.envoy('edge-1', ['--gateway', 'edge']);
  }, 60_000);
  afterAll(async () => {
    await product?.[Symbol.asyncDispose]();
    for (const backend of backends) await backend.crash();
  });

  it('reach their services by name and by Route', async () => {
    const who = async (host: string): Promise<unknown> => (await ask({ port, host })).headers['x-backend'];
    for (const name of ['chancery', 'chancery_admin', 'inbound'])
      await eventuallyPasses(async () => expect(await who(name)).toBe(name));
    expect(await who('chancery-route.example')).toBe('chancery');
    expect(await who('chancery-admin-route.example')).toBe('chancery_admin');
  });

  it('of two that differ by case the first is reached by the name, and the other one is told', async () => {
    expect((await ask({ port, host: 'CART' })).headers['x-backend']).toBe('Cart');
    const { problems, rejections } = await product.status();
    expect(rejections).toEqual([]);
    expect(problems.filter(({ code }) => code === 'CH1211')).toMatchObject([
      { severity: 'warning', at: { object: 'Service default/cart', line: expect.any(Number) as number } },
    ]);
  });

  it('two Routes for one host that differs by case alone are one virtual host', async () => {
    const { problems } = await product.status();
    expect(problems.filter(({ code }) => code === 'CH1220')).toMatchObject([
      { at: { object: 'Route default/to-cart' } },
    ]);
    expect((await ask({ port, host: 'cart-route.example' })).headers['x-backend']).toBe('Cart');
  });
});
