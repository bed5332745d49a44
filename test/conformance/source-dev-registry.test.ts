// The Consul sources under the common suites, over the dev registry: the same code as over a real Consul.
import { createConsulObjects } from '../../src/sources/consul/objects.ts';
import { createConsulRegistry } from '../../src/sources/consul/registry.ts';
import { createDevRegistry, type DevRegistry } from '../../src/sources/dev-registry/dev-registry.ts';
import { freePort } from '../support/free-port.ts';
import { createConsulHttp } from './consul-http.ts';
import { objectStoreConformance } from './source-objects-suite.ts';
import { registryConformance } from './source-registry-suite.ts';
import { rigDeps } from './source-rig.ts';

interface Running {
  readonly url: string;
  down(): Promise<void>;
  up(): Promise<void>;
  upEmpty(): Promise<void>;
}

async function startDevRegistry(): Promise<Running> {
  const port = await freePort();
  let registry = createDevRegistry(rigDeps(), { port });
  let abort = new AbortController();
  let done = registry.run(abort.signal);
  await registry.ready;
  const start = async (next: DevRegistry): Promise<void> => {
    registry = next;
    abort = new AbortController();
    done = registry.run(abort.signal);
    await registry.ready;
  };
  return {
    url: `http://127.0.0.1:${port}`,
    async down() {
      abort.abort();
      await done;
    },
    up: () => start(registry),
    upEmpty: () => start(createDevRegistry(rigDeps(), { port })),
  };
}

registryConformance({
  name: 'the dev registry',
  parts: [],
  traits: { health: true, weights: true, metadata: true, outage: true, reset: true, suspectAfterOutage: true },
  async start() {
    const running = await startDevRegistry();
    const http = createConsulHttp(() => running.url);
    return {
      source: () =>
        createConsulRegistry(rigDeps(), { name: 'dev', address: running.url, waitMs: 2000, confirmMs: 100 }),
      register: http.register,
      deregister: (_service, id) => http.deregister(id),
      down: running.down,
      up: running.up,
      upEmpty: running.upEmpty,
      stop: running.down,
    };
  },
});

objectStoreConformance({
  name: 'the dev registry',
  parts: [],
  traits: { outage: true, created: true },
  async start() {
    const running = await startDevRegistry();
    const http = createConsulHttp(() => running.url);
    return {
      store: () =>
        createConsulObjects(rigDeps(), {
          name: 'dev',
          address: running.url,
          prefix: 'chancery/objects',
          waitMs: 2000,
          confirmMs: 100,
        }),
      write: (path, text) => http.call('PUT', `/v1/kv/chancery/objects/${path}`, text),
      erase: (path) => http.call('DELETE', `/v1/kv/chancery/objects/${path}`),
      down: running.down,
      up: running.up,
      stop: running.down,
    };
  },
});
