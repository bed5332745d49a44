// Instance lists and objects in a directory, held to the contracts of sources and stores.
import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { createFileObjects } from '../../src/sources/files/file-objects.ts';
import { createFileRegistry } from '../../src/sources/files/file-registry.ts';
import { createTempDir } from '../support/temp-dir.ts';
import { objectStoreConformance } from './source-objects-suite.ts';
import { registryConformance } from './source-registry-suite.ts';
import { type RigInstance, rigDeps } from './source-rig.ts';

registryConformance({
  name: 'instance lists in files',
  parts: [],
  traits: { health: true, weights: true, metadata: true, outage: true, reset: false, suspectAfterOutage: false },
  async start() {
    const place = createTempDir('lists');
    const directory = join(place.path, 'services');
    mkdirSync(directory);
    const registered = new Map<string, Map<string, RigInstance>>();
    const write = (service: string): void => {
      const instances = [...(registered.get(service)?.values() ?? [])].map(({ service: _, ...instance }) => instance);
      const path = join(directory, `${service}.yaml`);
      if (instances.length === 0) rmSync(path, { force: true });
      else writeFileSync(path, stringify({ service, instances }));
    };
    return {
      source: () => createFileRegistry(rigDeps(), { name: 'lists', directory }),
      async register(instance) {
        const { service, id } = instance;
        registered.set(service, (registered.get(service) ?? new Map<string, RigInstance>()).set(id, instance));
        write(service);
      },
      async deregister(service, id) {
        registered.get(service)?.delete(id);
        write(service);
      },
      down: async () => renameSync(directory, `${directory}.away`),
      up: async () => renameSync(`${directory}.away`, directory),
      stop: async () => place.remove(),
    };
  },
});

objectStoreConformance({
  name: 'a directory',
  parts: [],
  traits: { outage: true, created: false },
  async start() {
    const place = createTempDir('objects');
    const directory = join(place.path, 'objects');
    mkdirSync(directory);
    return {
      store: () => createFileObjects(rigDeps(), { name: 'objects', directory }),
      write: async (path, text) => writeFileSync(join(directory, path), text),
      erase: async (path) => rmSync(join(directory, path)),
      down: async () => renameSync(directory, `${directory}.away`),
      up: async () => renameSync(`${directory}.away`, directory),
      stop: async () => place.remove(),
    };
  },
});
