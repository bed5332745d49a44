// Objects through the API into each store: applied, effective at once, seen by get, refused with the file's own errors,
// deleted, and still there after a restart.
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Backend, startBackend } from '../support/backends.ts';
import { ask } from '../support/load.ts';
import { type Product, startProduct } from '../support/product.ts';
import {
  describeWith,
  eventuallyPasses,
  freePort,
  type PartName,
  startConsul,
  startEtcd,
} from '../support/real-parts.ts';

interface StoreRig {
  readonly name: string;
  readonly needs: readonly PartName[];
  start(): Promise<AsyncDisposable & { readonly objects?: readonly Readonly<Record<string, unknown>>[] }>;
}

const rigs: readonly StoreRig[] = [
  { name: 'directory', needs: [], start: async () => ({ [Symbol.asyncDispose]: async () => {} }) },
  {
    name: 'Consul KV',
    needs: ['consul'],
    async start() {
      const agent = await startConsul();
      return { objects: [{ kind: 'consul', address: agent.url }], [Symbol.asyncDispose]: () => agent.stop() };
    },
  },
  {
    name: 'etcd',
    needs: ['etcd'],
    async start() {
      const store = await startEtcd();
      return { objects: [{ kind: 'etcd', endpoints: [store.url] }], [Symbol.asyncDispose]: () => store.stop() };
    },
  },
];

for (const rig of rigs) {
  describeWith(['envoy', ...rig.needs], `objects in ${rig.name}`, () => {
    let backend: Backend;
    let product: Product;
    let port: number;
    let store: AsyncDisposable;

    beforeAll(async () => {
      const started = await rig.start();
      store = started;
      backend = await startBackend('one');
      port = await freePort();
      product = await startProduct(
        started.objects === undefined ? { registries: [] } : { registries: [], objects: started.objects },
      );
    }, 60_000);
    afterAll(async () => {
      await product[Symbol.asyncDispose]();
      await backend.crash();
      await store[Symbol.asyncDispose]();
    });

    const apply = async (yaml: string, query = ''): Promise<{ status: number; body: string }> => {
      const response = await product.api('POST', `/api/v1/objects${query}`, yaml);
      return { status: response.status, body: await response.text() };
    };
    const service = (): string =>
      `apiVersion: chancery/v1\nkind: Service\nmetadata: {name: one}\nspec:\n  endpoints: [{address: 127.0.0.1, port: ${backend.port}}]\n`;
    const gateway = (): string =>
      `apiVersion: chancery/v1\nkind: Gateway\nmetadata: {name: edge}\nspec:\n  listeners: [{name: http, port: ${port}, protocol: http}]\n`;
    const route = (status: number): string =>
      `apiVersion: chancery/v1\nkind: Route\nmetadata: {name: fixed}\nspec:\n  hosts: [fixed.example]\n  rules: [{respond: {status: ${status}}}]\n`;

    it('takes several objects at once, and traffic flows', async () => {
      const { status, body } = await apply(`${gateway()}---\n${service()}---\n${route(201)}`);
      expect([status, body]).toEqual([200, expect.stringContaining('created')]);
      await product.envoy('edge-1', ['--gateway', 'edge']);
      await eventuallyPasses(async () => expect((await ask({ port, host: 'one' })).status).toBe(200));
      expect((await ask({ port, host: 'fixed.example' })).status).toBe(201);
    });

    it('makes a change effective, and says so', async () => {
      const { body } = await apply(route(202));
      expect(body).toContain('changed');
      await eventuallyPasses(async () => expect((await ask({ port, host: 'fixed.example' })).status).toBe(202));
      expect((await apply(route(202))).body).toContain('unchanged');
    });

    it('refuses as a whole or per object, with the errors of a file, and disturbs nothing', async () => {
      const bad = `${route(203)}---\napiVersion: chancery/v1\nkind: Route\nmetadata: {name: bad}\nspec: {hosts: [b.example], rulez: []}\n`;
      const whole = await apply(bad, '?atomic=true');
      expect(whole.body).toContain('CH1004');
      expect((await ask({ port, host: 'fixed.example' })).status).toBe(202);
      const each = await apply(bad, '?atomic=false');
      expect(each.body).toContain('CH1004');
      await eventuallyPasses(async () => expect((await ask({ port, host: 'fixed.example' })).status).toBe(203));
    });

    it('lists by the CLI what was stored, also after a restart', async () => {
      await product.kill();
      await product.start();
      const { code, stdout } = await product.cli('get', 'Route');
      expect([code, stdout]).toEqual([0, expect.stringContaining('fixed')]);
    });

    it('deletes by the CLI', async () => {
      const deleted = await product.cli('delete', 'Route', 'fixed');
      expect([deleted.code, deleted.stderr]).toEqual([0, '']);
      await eventuallyPasses(async () => expect((await ask({ port, host: 'fixed.example' })).status).toBe(404), {
        deadlineMs: 40_000,
      });
    }, 60_000);

    it('refuses a caller without the token', async () => {
      const response = await fetch(`http://127.0.0.1:${product.httpPort}/api/v1/objects`, {
        method: 'POST',
        body: route(204),
      });
      expect(response.status).toBe(401);
    });
  });
}
