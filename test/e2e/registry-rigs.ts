// The registries of the end-to-end suite, each with the few writes the suite needs.
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type PartName, startConsul, startEtcd } from '../support/real-parts.ts';
import { createTempDir } from '../support/temp-dir.ts';

export interface TestInstance {
  readonly service: string;
  readonly id: string;
  readonly port: number;
  readonly weight?: number;
  readonly metadata?: Readonly<Record<string, string>>;
  readonly critical?: boolean;
  /** A sidecar before it, on this port. */
  readonly proxyPort?: number;
}

export interface RunningRegistry extends AsyncDisposable {
  /** Its entry under `registries` in chancery.yaml. */
  readonly config: Readonly<Record<string, unknown>>;
  /** Registers, or replaces what is registered under the id. */
  put(instance: TestInstance): Promise<void>;
  remove(service: string, id: string): Promise<void>;
  /** SIGKILL; data kept. Nothing to do for files. */
  kill(): Promise<void>;
  /** Starts it again after `kill`, on the same address and data. */
  revive(): Promise<void>;
  /** `kill`, a second of silence, `revive`. */
  restart(): Promise<void>;
}

export interface RegistryRig {
  readonly name: string;
  readonly needs: readonly PartName[];
  start(): Promise<RunningRegistry>;
}

const consul: RegistryRig = {
  name: 'Consul',
  needs: ['consul'],
  async start() {
    const dir = createTempDir('consul-data');
    let agent = await startConsul({ dataDir: dir.path });
    const sidecar = (id: string): string => `${id}-sidecar-proxy`;
    const registry: RunningRegistry = {
      config: { kind: 'consul', address: agent.url },
      async put({ service, id, port, weight = 1, metadata = {}, critical = false, proxyPort }) {
        await agent.call('PUT', '/v1/agent/service/register', {
          Name: service,
          ID: id,
          Address: '127.0.0.1',
          Port: port,
          Meta: metadata,
          Weights: { Passing: weight, Warning: 1 },
          Check: { CheckID: `ttl-${id}`, TTL: '10m', Status: critical ? 'critical' : 'passing' },
        });
        // A service registered again keeps the state of its check; only the check's own call changes it.
        await agent.call('PUT', `/v1/agent/check/${critical ? 'fail' : 'pass'}/ttl-${id}`);
        if (proxyPort === undefined) return;
        await agent.call('PUT', '/v1/agent/service/register', {
          Kind: 'connect-proxy',
          Name: `${service}-sidecar-proxy`,
          ID: sidecar(id),
          Address: '127.0.0.1',
          Port: proxyPort,
          Proxy: {
            DestinationServiceName: service,
            DestinationServiceID: id,
            LocalServiceAddress: '127.0.0.1',
            LocalServicePort: port,
          },
        });
      },
      remove: async (_service, id) => void (await agent.call('PUT', `/v1/agent/service/deregister/${id}`)),
      kill: () => agent.kill(),
      async revive() {
        agent = await agent.again();
      },
      restart: () => restart(registry),
      async [Symbol.asyncDispose]() {
        await agent.stop();
        dir.remove();
      },
    };
    return registry;
  },
};

const record = ({ id, port, weight = 1, metadata = {}, critical = false, proxyPort }: TestInstance): object => ({
  id,
  address: '127.0.0.1',
  port,
  weight,
  metadata,
  health: critical ? 'critical' : 'healthy',
  ...(proxyPort === undefined ? {} : { proxyPort }),
});

const etcd: RegistryRig = {
  name: 'etcd',
  needs: ['etcd'],
  async start() {
    let store = await startEtcd();
    const key = (service: string, id: string): string => `/services/v1/services/${service}/instances/${id}`;
    const registry: RunningRegistry = {
      config: { kind: 'etcd', endpoints: [store.url], prefix: '/services/' },
      put: (instance) => store.put(key(instance.service, instance.id), JSON.stringify(record(instance))),
      remove: (service, id) => store.remove(key(service, id)),
      kill: () => store.kill(),
      async revive() {
        store = await store.again();
      },
      restart: () => restart(registry),
      [Symbol.asyncDispose]: () => store.stop(),
    };
    return registry;
  },
};

const files: RegistryRig = {
  name: 'files',
  needs: [],
  async start() {
    const dir = createTempDir('registry');
    const folder = join(dir.path, 'services');
    mkdirSync(folder);
    const file = (service: string, id: string): string => join(folder, `${service}-${id}.yaml`);
    return {
      config: { kind: 'files', path: folder },
      async put(instance) {
        writeFileSync(
          file(instance.service, instance.id),
          JSON.stringify({ service: instance.service, instances: [record(instance)] }),
        );
      },
      remove: async (service, id) => rmSync(file(service, id)),
      kill: async () => {},
      revive: async () => {},
      restart: async () => {},
      [Symbol.asyncDispose]: async () => dir.remove(),
    };
  },
};

async function restart(registry: RunningRegistry): Promise<void> {
  await registry.kill();
  await new Promise((resolve) => setTimeout(resolve, 1000));
  await registry.revive();
}

export const registryRigs: readonly RegistryRig[] = [consul, etcd, files];
