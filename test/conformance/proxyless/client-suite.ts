// What every gRPC library with xDS is to find at the real product: names, balancing, changes, Routes, deletion and return.
// It must not know which library it is. Invariant: each test has services of its own, and none leaves a refusal behind.
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type RunningRegistry, registryRigs } from '../../e2e/registry-rigs.ts';
import { type GrpcBackend, startGrpcBackend } from '../../support/grpc-backends.ts';
import type { GrpcClient } from '../../support/grpc-client.ts';
import { type Product, startProduct } from '../../support/product.ts';
import { eventually, eventuallyPasses, freePort } from '../../support/real-parts.ts';

export interface Library {
  /** As it calls itself. */
  readonly userAgent: string;
  /** How long its set-up may take; undefined: a hook's usual time. */
  readonly setUpMs?: number;
  /** Threads that the product serves it from; 0: the main one. */
  readonly workers: number;
  /** Whether it recovers from a deletion that it takes as one; ours tell it to take none. */
  readonly deletes: boolean;
  start(bootstrap: string): Promise<GrpcClient>;
}

const node = 'caller-1';
const ok = (...names: readonly string[]) => ({ seen: names, failed: {} });

export function proxylessSuite({ userAgent, setUpMs = 60_000, workers, deletes, start }: Library): void {
  let registry: RunningRegistry;
  let product: Product;
  let bootstrap: string;
  let client: GrpcClient;
  const backends: GrpcBackend[] = [];

  beforeAll(async () => {
    const rig = registryRigs.find(({ name }) => name === 'files');
    if (rig === undefined) throw new Error('there is no files rig');
    registry = await rig.start();
    product = await startProduct({ registries: [registry.config], config: { xds: { workers } } });
    product.write('caller.yaml', 'apiVersion: chancery/v1\nkind: Service\nmetadata: {name: caller}\n');
    const printed = await product.cli(
      ...['bootstrap', node, '--grpc', '--service', 'caller', '--xds', `127.0.0.1:${product.xdsPort}`],
    );
    expect(printed.code, printed.stderr).toBe(0);
    bootstrap = printed.stdout;
    client = await start(bootstrap);
  }, setUpMs);

  afterAll(async () => {
    await client?.[Symbol.asyncDispose]();
    await product?.[Symbol.asyncDispose]();
    await registry?.[Symbol.asyncDispose]();
    for (const backend of backends) await backend[Symbol.asyncDispose]();
  });

  async function instance(service: string, id: string, metadata: Readonly<Record<string, string>> = {}): Promise<void> {
    const backend = await startGrpcBackend(id);
    backends.push(backend);
    await registry.put({ service, id, port: backend.port, metadata });
  }

  /** Who answers, sorted, and what fails. */
  async function answers(target: string, options: Parameters<GrpcClient['call']>[1] = {}, by = client) {
    const { seen, failed } = await by.call(target, { count: 20, ...options });
    return { seen: Object.keys(seen).sort(), failed };
  }

  const self = async () => (await product.status()).proxies.find((proxy) => proxy.node === node);

  it('resolves a service by each of its names, with and without port, and balances over its instances', async () => {
    await instance('balanced', 'balanced-1');
    await instance('balanced', 'balanced-2');
    for (const name of ['balanced', 'balanced.service.local', 'balanced.default:8080']) {
      await eventuallyPasses(async () =>
        expect(await answers(`xds:///${name}`)).toEqual(ok('balanced-1', 'balanced-2')),
      );
    }
    const { seen } = await client.call('xds:///balanced', { count: 40 });
    for (const count of Object.values(seen)) expect(count).toBeGreaterThan(10);
  });

  it('follows an instance that comes, one that goes and one that is not well', async () => {
    await instance('moving', 'moving-1');
    await eventuallyPasses(async () => expect(await answers('xds:///moving')).toEqual(ok('moving-1')));
    await instance('moving', 'moving-2');
    await eventuallyPasses(async () => expect(await answers('xds:///moving')).toEqual(ok('moving-1', 'moving-2')));
    const second = backends.find(({ name }) => name === 'moving-2');
    await registry.put({ service: 'moving', id: 'moving-2', port: second?.port ?? 0, critical: true });
    await eventuallyPasses(async () => expect(await answers('xds:///moving')).toEqual(ok('moving-1')));
    await registry.put({ service: 'moving', id: 'moving-2', port: second?.port ?? 0 });
    await eventuallyPasses(async () => expect(await answers('xds:///moving')).toEqual(ok('moving-1', 'moving-2')));
    await registry.remove('moving', 'moving-1');
    await eventuallyPasses(async () => expect(await answers('xds:///moving')).toEqual(ok('moving-2')));
  });

  it('follows a Route: by method, header, caller and weight, and its change', async () => {
    for (const version of ['v1', 'v2']) await instance('routed', `routed-${version}`, { version });
    await instance('other', 'other-1');
    await eventuallyPasses(async () => expect(await answers('xds:///routed')).toEqual(ok('routed-v1', 'routed-v2')));
    await eventuallyPasses(async () => expect(await answers('xds:///other')).toEqual(ok('other-1')));
    const route = (rules: string) => `apiVersion: chancery/v1
kind: Service
metadata: {name: routed}
spec:
  protocol: grpc
  subsets: [{name: v1, where: {version: v1}}, {name: v2, where: {version: v2}}]
---
apiVersion: chancery/v1
kind: Route
metadata: {name: routed}
spec:
  hosts: [routed]
  rules:
${rules}`;
    product.write(
      'routed.yaml',
      route(`  - match: [{path: {exact: /test.Who/Tell}}]
    to: [{service: routed, subset: v2}]
  - match: [{headers: [{name: X-Group, regex: "beta|gamma"}]}]
    to: [{service: routed, subset: v2}]
  - match: [{path: {prefix: /test.Other}, from: [caller], headers: [{name: x-plain, exact: "1", invert: true}]}]
    to: [{service: other}]
  - to: [{service: routed, subset: v1}]
`),
    );
    const target = 'xds:///routed';
    await eventuallyPasses(async () => expect(await answers(target)).toEqual(ok('routed-v1')));
    expect(await answers(target, { method: '/test.Who/Tell' })).toEqual(ok('routed-v2'));
    expect(await answers(target, { headers: { 'x-group': 'gamma' } })).toEqual(ok('routed-v2'));
    expect(await answers(target, { headers: { 'x-group': 'gamma-2' } })).toEqual(ok('routed-v1'));
    expect(await answers(target, { method: '/test.Other/Ask' })).toEqual(ok('other-1'));
    expect(await answers(target, { method: '/test.Other/Ask', headers: { 'x-plain': '2' } })).toEqual(ok('other-1'));
    expect(await answers(target, { method: '/test.Other/Ask', headers: { 'x-plain': '1' } })).toEqual(ok('routed-v1'));
    product.write(
      'routed.yaml',
      route(`  - match: [{path: {exact: /test.Who/Tell}}]
    respond: {status: 403}
  - to: [{service: routed, subset: v1, weight: 1}, {service: routed, subset: v2, weight: 1}]
`),
    );
    await eventuallyPasses(async () =>
      expect(await answers(target, { count: 40 })).toEqual(ok('routed-v1', 'routed-v2')),
    );
    expect(await answers(target, { method: '/test.Who/Tell' })).toEqual({ seen: [], failed: { 14: 20 } });
  });

  it('loses no call while instances and Routes change', async () => {
    const target = 'xds:///steady';
    const versions = (route: string) => `apiVersion: chancery/v1
kind: Service
metadata: {name: steady}
spec:
  protocol: grpc
  subsets: [{name: v1, where: {version: v1}}, {name: v2, where: {version: v2}}]
---
apiVersion: chancery/v1
kind: Route
metadata: {name: steady}
spec:
  hosts: [steady]
  rules:
  - to: ${route}
`;
    await instance('steady', 'steady-1', { version: 'v1' });
    await eventuallyPasses(async () => expect(await answers(target)).toEqual(ok('steady-1')));
    let done = false;
    let phase = 'start';
    const failed: Record<string, number>[] = [];
    const load = (async () => {
      while (!done) {
        const result = await client.call(target, { count: 50, deadlineMs: 5000 });
        if (Object.keys(result.failed).length > 0) failed.push({ ...result.failed, [`${phase}: ${result.last}`]: 1 });
      }
    })();
    const sees = (...names: readonly string[]) =>
      eventuallyPasses(async () => expect(await answers(target, { count: 40 })).toEqual(ok(...names)));
    await instance('steady', 'steady-2', { version: 'v2' });
    await sees('steady-1', 'steady-2');
    phase = 'to one subset';
    product.write('steady.yaml', versions('[{service: steady, subset: v2}]'));
    await sees('steady-2');
    phase = 'to both';
    product.write('steady.yaml', versions('[{service: steady, subset: v1}, {service: steady, subset: v2}]'));
    await sees('steady-1', 'steady-2');
    phase = 'without Route';
    // An instance that goes while half of the calls are still sent to it alone would be missed.
    const { revision } = await product.status();
    product.remove('steady.yaml');
    await eventually(async () => (await product.status()).revision > revision && (await self())?.state === 'synced');
    phase = 'without the first';
    await registry.remove('steady', 'steady-1');
    await sees('steady-2');
    done = true;
    await load;
    expect(failed).toEqual([]);
  }, 30_000);

  it('hears of a service that goes, and of its return', async () => {
    await instance('fleeting', 'fleeting-1');
    await eventuallyPasses(async () => expect(await answers('xds:///fleeting')).toEqual(ok('fleeting-1')));
    await registry.remove('fleeting', 'fleeting-1');
    await eventuallyPasses(async () =>
      expect(await answers('xds:///fleeting', { count: 1 })).toEqual({ seen: [], failed: { 14: 1 } }),
    );
    await instance('fleeting', 'fleeting-2');
    await eventuallyPasses(async () => expect(await answers('xds:///fleeting')).toEqual(ok('fleeting-2')));
  });

  it('waits for a name that nothing has yet, and calls as soon as something has it', async () => {
    const early = answers('xds:///nobody', { count: 1, deadlineMs: 8000 });
    await eventually(async () => (await product.cli('status')).code === 0);
    await instance('nobody', 'somebody');
    expect(await early).toEqual(ok('somebody'));
  });

  it('lets go of what it does not use, and asks for it again', async () => {
    await instance('idle', 'idle-1');
    await eventuallyPasses(async () =>
      expect(await answers('xds:///idle', { count: 1, idleMs: 1000 })).toEqual(ok('idle-1')),
    );
    const names = async (): Promise<number> => {
      const proxy = await self();
      return proxy === undefined || proxy.state === 'offline' ? 0 : (proxy.types['LDS']?.resources ?? 0);
    };
    const before = await names();
    expect(before).toBeGreaterThan(0);
    await eventually(async () => (await names()) < before);
    expect(await answers('xds:///idle', { count: 5 })).toEqual(ok('idle-1'));
  });

  it('follows again after the control plane came back', async () => {
    await instance('lasting', 'lasting-1');
    await eventuallyPasses(async () => expect(await answers('xds:///lasting')).toEqual(ok('lasting-1')));
    await product.stop();
    expect(await answers('xds:///lasting')).toEqual(ok('lasting-1'));
    await product.start();
    await instance('lasting', 'lasting-2');
    await eventuallyPasses(async () => expect(await answers('xds:///lasting')).toEqual(ok('lasting-1', 'lasting-2')), {
      deadlineMs: 20_000,
    });
  }, 40_000);

  it('serves as a listener of its own name says', async () => {
    const address = `127.0.0.1:${await freePort()}`;
    await client.serve(address, 'server-1');
    await registry.put({ service: 'served', id: 'served-1', port: Number(address.split(':')[1]) });
    await eventuallyPasses(async () => expect(await answers('xds:///served')).toEqual(ok('server-1')));
  });

  if (deletes)
    it('hears of the deletion itself, and of the return, where it takes deletions', async () => {
      const document = JSON.parse(bootstrap) as { xds_servers: { server_features: string[] }[]; node: { id: string } };
      for (const server of document.xds_servers) server.server_features = ['xds_v3'];
      document.node.id = 'caller-2';
      await using strict = await start(JSON.stringify(document));
      const ask = (count: number) => answers('xds:///deleted', { count }, strict);
      await instance('deleted', 'deleted-1');
      await eventuallyPasses(async () => expect(await ask(20)).toEqual(ok('deleted-1')));
      await registry.remove('deleted', 'deleted-1');
      await eventuallyPasses(async () =>
        expect((await strict.call('xds:///deleted')).last).toMatch(/not found|removed|does not exist/),
      );
      await instance('deleted', 'deleted-2');
      await eventuallyPasses(async () => expect(await ask(20)).toEqual(ok('deleted-2')));
    });

  it('has refused nothing, and status shows it for what it is', async () => {
    await eventuallyPasses(async () => {
      const status = await product.status();
      expect(status.rejections).toEqual([]);
      expect(await self()).toMatchObject({
        role: 'proxyless',
        service: 'caller',
        variant: 'sotw',
        state: 'synced',
        userAgent,
      });
    });
    expect((await product.cli('status')).stdout).toContain(userAgent);
  });
}
