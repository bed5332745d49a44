// Small Worlds, instances and clients for unit tests; every value can be overridden.
import type { Instance } from '../../src/model/instance.ts';
import { type ServiceId, serviceId } from '../../src/model/names.ts';
import type { Service } from '../../src/model/service.ts';
import type { World } from '../../src/model/world.ts';
import type { ClientInfo } from '../../src/xds/contract.ts';

export function testInstance(id: string, overrides: Partial<Instance> = {}): Instance {
  return {
    key: `memory/${id}`,
    id,
    address: '127.0.0.1',
    port: 8080,
    health: 'healthy',
    weight: 1,
    metadata: {},
    tags: [],
    ...overrides,
  };
}

export function testService(name: string, overrides: Partial<Service> = {}): Service {
  return {
    id: serviceId('default', name),
    name,
    namespace: 'default',
    hosts: [],
    protocol: 'http',
    from: { service: name, metadata: {}, sources: [] },
    subsets: [],
    loadBalancer: { policy: 'round-robin', hashOn: [] },
    connectTimeoutMs: 1000,
    outlier: {
      consecutiveLocalOriginFailures: 2,
      consecutiveGatewayFailures: 3,
      consecutive5xx: 0,
      intervalMs: 1000,
      baseEjectionTimeMs: 5000,
      maxEjectionPercent: 50,
    },
    panicPercent: 1,
    limits: { retryBudgetPercent: 20, retryBudgetMinimum: 10 },
    tls: 'mesh',
    provenance: [],
    ...overrides,
  };
}

export function testWorld(
  services: Readonly<Record<string, readonly Instance[]>>,
  overrides: Partial<World> = {},
): World {
  const names = Object.keys(services).sort();
  return {
    revision: 1,
    mesh: { domain: 'service.local', trustDomain: 'service.local', mtls: 'off', accessLog: true },
    services: new Map(names.map((name) => [serviceId('default', name), testService(name)])),
    endpoints: new Map(
      names.map((name): [ServiceId, readonly Instance[]] => [serviceId('default', name), services[name] ?? []]),
    ),
    upstreams: new Map(),
    routes: [],
    gateways: new Map(),
    authorizations: new Map(),
    certificates: new Map(),
    problems: [],
    sources: new Map(),
    ...overrides,
  };
}

export function testClient(nodeId: string, overrides: Partial<ClientInfo> = {}): ClientInfo {
  return {
    streamId: 1,
    nodeId,
    nodeCluster: 'edge',
    metadata: {},
    locality: { region: '', zone: '', subZone: '' },
    userAgentName: 'envoy',
    userAgentVersion: '1.40.0',
    clientFeatures: [],
    peer: '127.0.0.1:1',
    ...overrides,
  };
}
