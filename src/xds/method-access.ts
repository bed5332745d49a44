// What class of access each gRPC service of the xDS port has. A service that is not here cannot be served.
// It must not know who asks. Invariant: one line a service, and the door decides by it alone.
import type { AccessClass } from '../model/access.ts';

const nodes = [
  'envoy.service.discovery.v3.AggregatedDiscoveryService',
  'envoy.service.cluster.v3.ClusterDiscoveryService',
  'envoy.service.endpoint.v3.EndpointDiscoveryService',
  'envoy.service.listener.v3.ListenerDiscoveryService',
  'envoy.service.route.v3.RouteDiscoveryService',
  'envoy.service.route.v3.ScopedRoutesDiscoveryService',
  'envoy.service.route.v3.VirtualHostDiscoveryService',
  'envoy.service.secret.v3.SecretDiscoveryService',
  'envoy.service.runtime.v3.RuntimeDiscoveryService',
  'envoy.service.extension.v3.ExtensionConfigDiscoveryService',
  'envoy.service.load_stats.v3.LoadReportingService',
];

const tools = [
  // Every proxy's configuration, secrets left out.
  'envoy.service.status.v3.ClientStatusDiscoveryService',
  // What the port speaks; nothing of what is served.
  'grpc.reflection.v1.ServerReflection',
  'grpc.reflection.v1alpha.ServerReflection',
];

const classes: ReadonlyMap<string, AccessClass> = new Map<string, AccessClass>([
  ...nodes.map((service) => [service, 'mesh'] as const),
  ...tools.map((service) => [service, 'inspecting'] as const),
  // Whether it serves: load balancers and probes have no credential.
  ['grpc.health.v1.Health', 'open'],
]);

/** Of `/package.Service/Method`. Throws where the service has no class. */
export function accessOf(path: string): AccessClass {
  const access = classes.get(path.split('/')[1] ?? '');
  if (access === undefined) throw new Error(`${path} has no class of access`);
  return access;
}
