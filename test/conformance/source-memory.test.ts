// The memory sources under the common suites.
import { createMemoryObjects } from '../../src/sources/memory/memory-objects.ts';
import { createMemoryRegistry } from '../../src/sources/memory/memory-registry.ts';
import { objectStoreConformance } from './source-objects-suite.ts';
import { registryConformance } from './source-registry-suite.ts';
import { rigDeps } from './source-rig.ts';

registryConformance({
  name: 'memory',
  parts: [],
  traits: { health: true, weights: false, metadata: true, outage: true, reset: false, suspectAfterOutage: false },
  async start() {
    const registry = createMemoryRegistry(rigDeps(), { name: 'memory', up: true });
    return {
      source: () => registry,
      register: async ({ service, ...instance }) => registry.register(service, instance),
      deregister: async (service, id) => registry.deregister(service, id),
      down: async () => registry.down(),
      up: async () => registry.up(),
      stop: async () => {},
    };
  },
});

objectStoreConformance({
  name: 'memory',
  parts: [],
  traits: { outage: true, created: true },
  async start() {
    const store = createMemoryObjects(rigDeps(), { name: 'memory' });
    let up = true;
    return {
      store: () => store,
      write: async (path, text) => store.put({ path, text }),
      erase: async (path) => store.remove(path),
      down: async () => {
        up = false;
        store.down();
      },
      up: async () => {
        up = true;
        store.up();
      },
      stop: async () => {
        if (!up) store.up();
      },
    };
  },
});
