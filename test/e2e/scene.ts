// The stage of an end-to-end test: a registry, the product, one edge Envoy on a Gateway of its own port, and backends.
import { type Backend, startBackend } from '../support/backends.ts';
import { ask, type Load, type LoadOptions, type RequestOptions, startLoad } from '../support/load.ts';
import { type Product, startProduct } from '../support/product.ts';
import { eventually, freePort, type RunningEnvoy } from '../support/real-parts.ts';
import type { RegistryRig, RunningRegistry, TestInstance } from './registry-rigs.ts';

export interface Scene extends AsyncDisposable {
  readonly registry: RunningRegistry;
  readonly product: Product;
  readonly edge: RunningEnvoy;
  /** The edge's HTTP listener. */
  readonly port: number;
  /** Starts a backend and registers it. */
  instance(service: string, id: string, more?: Partial<TestInstance>): Promise<Backend>;
  /** The backend that answered, or `status N`, or the error's code. */
  who(host: string, options?: Partial<RequestOptions>): Promise<string>;
  /** Who answered `count` requests in a row, and how often. */
  tally(host: string, count: number, options?: Partial<RequestOptions>): Promise<Record<string, number>>;
  /** Waits until `count` requests in a row succeed. */
  settled(host: string, count?: number): Promise<void>;
  load(host: string, options?: Partial<LoadOptions>): Load;
}

export interface SceneOptions {
  readonly rig: RegistryRig;
  /** Envoy binary: default the newest; `oldest`. */
  readonly bin?: string | undefined;
  readonly config?: Readonly<Record<string, unknown>>;
}

export async function startScene({ rig, bin, config }: SceneOptions): Promise<Scene> {
  const registry = await rig.start();
  const product = await startProduct({ registries: [registry.config], ...(config === undefined ? {} : { config }) });
  const port = await freePort();
  product.write(
    'edge.yaml',
    `apiVersion: chancery/v1\nkind: Gateway\nmetadata: {name: edge}\nspec:\n  listeners: [{name: http, port: ${port}, protocol: http}]\n`,
  );
  const edge = await product.envoy('edge-1', ['--gateway', 'edge'], bin === undefined ? {} : { bin });
  const backends: Backend[] = [];
  const scene: Scene = {
    registry,
    product,
    edge,
    port,
    async instance(service, id, more = {}) {
      const backend = await startBackend(id);
      backends.push(backend);
      await registry.put({ service, id, port: backend.port, ...more });
      return backend;
    },
    async who(host, options = {}) {
      const reply = await ask({ port, host, ...options }).catch(
        (error: NodeJS.ErrnoException) => error.code ?? error.message,
      );
      if (typeof reply === 'string') return reply;
      return reply.status === 200 ? String(reply.headers['x-backend']) : `status ${reply.status}`;
    },
    async tally(host, count, options = {}) {
      const seen: Record<string, number> = {};
      for (let i = 0; i < count; i++) {
        const name = await scene.who(host, options);
        seen[name] = (seen[name] ?? 0) + 1;
      }
      return seen;
    },
    async settled(host, count = 10) {
      await eventually(async () =>
        Object.keys(await scene.tally(host, count)).every((name) => !/^status|^E/.test(name)),
      );
    },
    load: (host, options = {}) => startLoad({ port, host, perSecond: 200, maxSeconds: 60, ...options }),
    async [Symbol.asyncDispose]() {
      await product[Symbol.asyncDispose]();
      await registry[Symbol.asyncDispose]();
      for (const backend of backends) await backend.crash();
    },
  };
  return scene;
}
