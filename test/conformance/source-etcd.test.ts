// Real etcd, held to the contracts of sources and stores.
import { createEtcdObjects } from '../../src/sources/etcd/etcd-objects.ts';
import { createEtcdRegistry, type EtcdRegistryOptions } from '../../src/sources/etcd/etcd-registry.ts';
import { type RunningEtcd, startEtcd } from '../support/real-parts.ts';
import { objectStoreConformance } from './source-objects-suite.ts';
import { registryConformance } from './source-registry-suite.ts';
import { type RegistryRigSetup, type RegistryTraits, type RigInstance, rigDeps } from './source-rig.ts';

interface LayoutRig {
  readonly layout: EtcdRegistryOptions['layout'];
  readonly traits: Pick<RegistryTraits, 'health' | 'weights' | 'metadata'>;
  readonly key: (service: string, id: string) => string;
  readonly value: (instance: RigInstance) => string;
}

const prefix = '/services/';
const plain = { health: false, weights: false, metadata: true };

const layouts: readonly LayoutRig[] = [
  {
    layout: 'chancery',
    traits: { health: true, weights: true, metadata: true },
    key: (service, id) => `${prefix}${service}/instances/${id}`,
    value: ({ service: _, ...record }) => JSON.stringify(record),
  },
  {
    layout: 'naming',
    traits: plain,
    key: (service, id) => `${prefix}${service}/${id}`,
    value: ({ address, port, metadata }) => JSON.stringify({ Op: 0, Addr: `${address}:${port}`, Metadata: metadata }),
  },
  {
    layout: 'registrator',
    traits: { ...plain, metadata: false },
    key: (service, id) => `${prefix}${service}/${id}`,
    value: ({ address, port }) => `${address}:${port}`,
  },
  {
    layout: 'go-micro',
    traits: plain,
    key: (service, id) => `${prefix}${service}/${id}`,
    value: ({ service, id, address, port, metadata }) =>
      JSON.stringify({ name: service, version: 'v2', nodes: [{ id, address: `${address}:${port}`, metadata }] }),
  },
];

function setupOf({ layout, traits, key, value }: LayoutRig): RegistryRigSetup {
  return {
    name: `real etcd, layout ${layout}`,
    parts: ['etcd'],
    traits: { ...traits, outage: true, reset: true, suspectAfterOutage: true },
    async start() {
      const first = await startEtcd();
      const started: RunningEtcd[] = [first];
      let etcd = first;
      const options = { name: 'etcd', endpoints: [etcd.url], prefix, layout, confirmMs: 200, leaseWarnings: false };
      return {
        source: () => createEtcdRegistry(rigDeps(), options),
        register: (instance) => etcd.put(key(instance.service, instance.id), value(instance)),
        deregister: (service, id) => etcd.remove(key(service, id)),
        down: () => etcd.kill(),
        async up() {
          etcd = await etcd.again();
          started.push(etcd);
        },
        async upEmpty() {
          etcd = await startEtcd({ port: etcd.port });
          started.push(etcd);
        },
        async stop() {
          for (const one of started.reverse()) await one.stop();
        },
      };
    },
  };
}

// Every layout reads through the same mirror: the first is held to all of it, the others to what they say.
for (const [index, rig] of layouts.entries()) {
  const setup = setupOf(rig);
  const alone = { ...setup.traits, outage: false, reset: false, suspectAfterOutage: false };
  registryConformance(index === 0 ? setup : { ...setup, traits: alone });
}

objectStoreConformance({
  name: 'real etcd',
  parts: ['etcd'],
  traits: { outage: true, created: true },
  async start() {
    const first = await startEtcd();
    let etcd = first;
    const objects = '/chancery/objects/';
    return {
      store: () =>
        createEtcdObjects(rigDeps(), { name: 'objects', endpoints: [etcd.url], prefix: objects, confirmMs: 200 }),
      write: (path, text) => etcd.put(objects + path, text),
      erase: (path) => etcd.remove(objects + path),
      down: () => etcd.kill(),
      async up() {
        etcd = await etcd.again();
      },
      async stop() {
        await etcd.stop();
        await first.stop();
      },
    };
  },
});
