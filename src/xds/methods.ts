// The discovery methods we serve, and which variant and type each carries.
// It must not know sessions or transports. Invariant: every path is a method of Envoy's published services (a test checks).
import services from '../gen/services.json' with { type: 'json' };
import { type TypeUrl, typeUrls } from '../resources/type-urls.ts';

export interface StreamMethod {
  readonly service: string;
  readonly method: string;
  readonly variant: 'sotw' | 'delta';
  /** The one type of a separate stream; undefined on ADS. */
  readonly type: TypeUrl | undefined;
}

const separate: readonly (readonly [service: string, resource: string, type: TypeUrl])[] = [
  ['envoy.service.cluster.v3.ClusterDiscoveryService', 'Clusters', typeUrls.cluster],
  ['envoy.service.endpoint.v3.EndpointDiscoveryService', 'Endpoints', typeUrls.endpoints],
  ['envoy.service.listener.v3.ListenerDiscoveryService', 'Listeners', typeUrls.listener],
  ['envoy.service.route.v3.RouteDiscoveryService', 'Routes', typeUrls.routes],
  ['envoy.service.route.v3.ScopedRoutesDiscoveryService', 'ScopedRoutes', typeUrls.scopedRoutes],
  ['envoy.service.secret.v3.SecretDiscoveryService', 'Secrets', typeUrls.secret],
  ['envoy.service.runtime.v3.RuntimeDiscoveryService', 'Runtime', typeUrls.runtime],
  ['envoy.service.extension.v3.ExtensionConfigDiscoveryService', 'ExtensionConfigs', typeUrls.extension],
];

const aggregatedService = 'envoy.service.discovery.v3.AggregatedDiscoveryService';

/** All discovery methods: four variants (R1). */
export const streamMethods: readonly StreamMethod[] = [
  { service: aggregatedService, method: 'StreamAggregatedResources', variant: 'sotw', type: undefined },
  { service: aggregatedService, method: 'DeltaAggregatedResources', variant: 'delta', type: undefined },
  ...separate.flatMap(([service, resource, type]): StreamMethod[] => [
    { service, method: `Stream${resource}`, variant: 'sotw', type },
    { service, method: `Delta${resource}`, variant: 'delta', type },
  ]),
  // Virtual hosts exist in delta only.
  {
    service: 'envoy.service.route.v3.VirtualHostDiscoveryService',
    method: 'DeltaVirtualHosts',
    variant: 'delta',
    type: typeUrls.virtualHost,
  },
];

/**
 * The gRPC path of a method, as proto-loader read it from the descriptor set at build time. Throws when it is missing
 * there, or is not a stream both ways.
 */
export function methodPath({ service, method }: StreamMethod): string {
  const built: Readonly<Record<string, BuiltService>> = services;
  const found = built[service]?.[method];
  if (found?.requestStream !== true || !found.responseStream)
    throw new Error(`${service}/${method} is no stream both ways; build the generated code anew`);
  return found.path;
}

type BuiltService = Readonly<
  Record<string, { readonly path: string; readonly requestStream: boolean; readonly responseStream: boolean }>
>;
