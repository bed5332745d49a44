// From a line of `registries` or `objects` to the source that reads it. Each kind is loaded only when configured.
// It must not know what sources do. Invariant: every option of chancery.yaml reaches its source; none is dropped.
import { type ObjectsConfig, objectsName, type RegistryConfig, registryName } from '../model/config.ts';
import type { ObjectStore, RegistrySource } from '../model/source.ts';
import type { SourceDeps } from '../sources/source-deps.ts';
import { runAll } from '../util/tasks.ts';

type Given<T> = { [K in keyof T]: Exclude<T[K], undefined> };

/** Without members that are undefined. */
function given<T extends object>(value: T): Given<T> {
  return Object.fromEntries(Object.entries(value).filter(([, member]) => member !== undefined)) as Given<T>;
}

export async function createRegistry(deps: SourceDeps, registry: RegistryConfig): Promise<RegistrySource> {
  const name = registryName(registry);
  switch (registry.kind) {
    case 'consul': {
      const { createConsulRegistry } = await import('../sources/consul/registry.ts');
      return createConsulRegistry(deps, given({ ...registry, name }));
    }
    case 'etcd': {
      const { createEtcdRegistry } = await import('../sources/etcd/etcd-registry.ts');
      return createEtcdRegistry(deps, given({ ...registry, name }));
    }
    case 'files': {
      const { createFileRegistry } = await import('../sources/files/file-registry.ts');
      return createFileRegistry(deps, { name, directory: registry.path });
    }
    case 'dns': {
      const { createDnsRegistry } = await import('../sources/dns/dns-registry.ts');
      const { services, servers, intervalSeconds } = registry;
      const options = { name, servers, services: services.map(given), intervalMs: intervalSeconds * 1000 };
      return createDnsRegistry(deps, given(options));
    }
    case 'dev':
      return createDevSource(deps, { ...registry, name });
  }
}

/** The in-process registry and, over HTTP like to any Consul, the source that reads it. */
async function createDevSource(
  deps: SourceDeps,
  options: { readonly name: string; readonly address: string; readonly port: number },
): Promise<RegistrySource> {
  const [{ createDevRegistry }, { createConsulRegistry }] = await Promise.all([
    import('../sources/dev-registry/dev-registry.ts'),
    import('../sources/consul/registry.ts'),
  ]);
  const { name, address, port } = options;
  return {
    name,
    kind: 'consul',
    async run(signal, emit) {
      const server = createDevRegistry(deps, { address, port });
      const reading = async (inner: AbortSignal): Promise<void> => {
        const bound = await server.ready;
        await createConsulRegistry(deps, { name, address: `http://${bound.address}:${bound.port}` }).run(inner, emit);
      };
      await runAll(signal, [(inner) => server.run(inner), reading]);
    },
  };
}

export async function createObjectStore(deps: SourceDeps, objects: ObjectsConfig): Promise<ObjectStore> {
  const name = objectsName(objects);
  switch (objects.kind) {
    case 'directory': {
      const { createFileObjects } = await import('../sources/files/file-objects.ts');
      return createFileObjects(deps, { name, directory: objects.path });
    }
    case 'consul': {
      const { createConsulObjects } = await import('../sources/consul/objects.ts');
      return createConsulObjects(deps, given({ ...objects, name }));
    }
    case 'etcd': {
      const { createEtcdObjects } = await import('../sources/etcd/etcd-objects.ts');
      return createEtcdObjects(deps, given({ ...objects, name }));
    }
  }
}
