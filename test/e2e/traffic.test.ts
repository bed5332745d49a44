// The main job on real parts: register a service, reach it through Envoy, and see every change take effect.
// One suite, every registry, the newest Envoy; the oldest supported Envoy runs it on Consul.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { describeWith, eventuallyPasses } from '../support/real-parts.ts';
import { type RegistryRig, registryRigs } from './registry-rigs.ts';
import { type Scene, startScene } from './scene.ts';

const seed = readFileSync(fileURLToPath(new URL('../../examples/seed/objects.yaml', import.meta.url)), 'utf8');

const shop = `apiVersion: chancery/v1
kind: Service
metadata: {name: cart}
spec:
  subsets: [{name: v1, where: {version: v1}}, {name: v2, where: {version: v2}}]
---
apiVersion: chancery/v1
kind: Route
metadata: {name: shop}
spec:
  hosts: [shop.service.local]
  rules:
  - match: [{path: {prefix: /cart}, headers: [{name: x-group, exact: beta}]}]
    to: [{service: cart, subset: v2}]
  - match: [{path: {prefix: /cart}, query: [{name: v, exact: "2"}]}]
    to: [{service: cart, subset: v2}]
  - match: [{path: {prefix: /cart}}]
    to: [{service: cart, subset: v1}]
`;

function suite(rig: RegistryRig, bin?: string): void {
  const needs = ['envoy' as const, ...(bin === 'oldest' ? ['envoy-oldest' as const] : []), ...rig.needs];
  describeWith(needs, `${rig.name}, Envoy ${bin ?? 'newest'}`, () => {
    let scene: Scene;
    beforeAll(async () => {
      scene = await startScene({ rig, bin });
    }, 60_000);
    afterAll(() => scene[Symbol.asyncDispose]());

    it('reaches a registered service by every name it has, with and without port', async () => {
      await scene.instance('web', 'web-1');
      for (const host of [
        'web',
        'web.default',
        'web.service.local',
        'web.default.service.local',
        'web.service.consul',
        'web.service.local:80',
        'web:8080',
      ]) {
        await eventuallyPasses(async () => expect([host, await scene.who(host)]).toEqual([host, 'web-1']));
      }
    });

    it('answers 404 for a host nobody has, and 503 for a service without instances', async () => {
      scene.product.write('empty.yaml', 'apiVersion: chancery/v1\nkind: Service\nmetadata: {name: empty}\nspec: {}\n');
      await eventuallyPasses(async () => expect(await scene.who('empty')).toBe('status 503'));
      expect(await scene.who('nobody.example')).toBe('status 404');
    });

    it('uses an added instance, takes a critical one out, brings it back, and forgets a deregistered one', async () => {
      const two = await scene.instance('web', 'web-2');
      const put = (critical: boolean): Promise<void> =>
        scene.registry.put({ service: 'web', id: 'web-2', port: two.port, critical });
      await eventuallyPasses(async () =>
        expect(Object.keys(await scene.tally('web', 10)).sort()).toEqual(['web-1', 'web-2']),
      );
      await put(true);
      await eventuallyPasses(async () => expect(await scene.tally('web', 20)).toEqual({ 'web-1': 20 }));
      await put(false);
      await eventuallyPasses(async () =>
        expect(Object.keys(await scene.tally('web', 10)).sort()).toEqual(['web-1', 'web-2']),
      );
      await scene.registry.remove('web', 'web-2');
      await eventuallyPasses(async () => expect(await scene.tally('web', 20)).toEqual({ 'web-1': 20 }));
    });

    it('shifts traffic with the weights of the registry', async () => {
      await scene.instance('scale', 'scale-1');
      const heavy = await scene.instance('scale', 'scale-2');
      await eventuallyPasses(async () =>
        expect(await scene.tally('scale', 20)).toEqual({ 'scale-1': 10, 'scale-2': 10 }),
      );
      await scene.registry.put({ service: 'scale', id: 'scale-2', port: heavy.port, weight: 9 });
      await eventuallyPasses(async () => {
        const seen = await scene.tally('scale', 50);
        expect(seen['scale-2']).toBeGreaterThanOrEqual(42);
        expect(seen['scale-1']).toBeGreaterThanOrEqual(2);
      });
    });

    it('lets header and query rules decide', async () => {
      await scene.instance('cart', 'cart-v1', { metadata: { version: 'v1' } });
      await scene.instance('cart', 'cart-v2', { metadata: { version: 'v2' } });
      scene.product.write('shop.yaml', shop);
      const host = 'shop.service.local';
      await eventuallyPasses(async () => expect(await scene.who(host, { path: '/cart' })).toBe('cart-v1'));
      for (let i = 0; i < 5; i++) {
        expect(await scene.who(host, { path: '/cart/1', headers: { 'x-group': 'beta' } })).toBe('cart-v2');
        expect(await scene.who(host, { path: '/cart/1?v=2' })).toBe('cart-v2');
        expect(await scene.who(host, { path: '/cart/1?v=1', headers: { 'x-group': 'alpha' } })).toBe('cart-v1');
      }
      expect(await scene.who(host, { path: '/carts' })).toBe('status 404');
    });

    it('serves the seed objects as they stand', async () => {
      await scene.instance('order-service', 'order-1');
      scene.product.write('seed.yaml', seed);
      for (const host of ['user-to-order.service.local', 'order-service.service.local']) {
        await eventuallyPasses(async () => expect([host, await scene.who(host)]).toEqual([host, 'order-1']));
      }
    });

    it('keeps what is good when a file turns bad, and says which line', async () => {
      const bad = `${shop}---\napiVersion: chancery/v1\nkind: Route\nmetadata: {name: bad}\nspec: {hosts: [bad.local], rulez: []}\n`;
      const line = bad.trimEnd().split('\n').length;
      scene.product.write('shop.yaml', bad);
      await eventuallyPasses(
        async () => {
          const { problems } = await scene.product.status();
          const found = problems.filter(({ at }) => at.file.endsWith('shop.yaml') && at.object === 'Route default/bad');
          expect(found.map(({ code, at }) => `${code} line ${at.line}`)).toContain(`CH1004 line ${line}`);
        },
        { deadlineMs: 5000 },
      );
      expect(await scene.who('shop.service.local', { path: '/cart' })).toBe('cart-v1');
    });

    it('shows every proxy in sync', async () => {
      await eventuallyPasses(async () => {
        const { proxies, ready } = await scene.product.status();
        expect(ready).toBe(true);
        expect(proxies.map(({ node, state, note }) => ({ node, state, note }))).toEqual([
          { node: 'edge-1', state: 'synced', note: '' },
        ]);
      });
    });
  });
}

for (const rig of registryRigs) suite(rig);
const [oldest] = registryRigs;
if (oldest !== undefined) suite(oldest, 'oldest');
