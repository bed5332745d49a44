// The gRPC methods we serve, and which variant and type each carries. Messages pass as raw bytes in both directions.
// It must not know sessions. Invariant: every path is a method of Envoy's or gRPC's published services (a test checks).
import type { MethodDefinition, ServiceDefinition } from '@grpc/grpc-js';
import { type TypeUrl, typeUrls } from '../../resources/type-urls.ts';

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
];

const asIs = (bytes: Buffer): Buffer => bytes;

/** One method of a grpc-js service definition; `requestStream` and `responseStream` as its proto says. */
export function methodDefinition(
  path: string,
  { requestStream, responseStream }: { readonly requestStream: boolean; readonly responseStream: boolean },
): MethodDefinition<Buffer, Buffer> {
  return {
    path,
    requestStream,
    responseStream,
    requestSerialize: asIs,
    requestDeserialize: asIs,
    responseSerialize: asIs,
    responseDeserialize: asIs,
  };
}

/** grpc-js service definitions by service name. */
export function serviceDefinitions(): ReadonlyMap<string, ServiceDefinition> {
  const services = new Map<string, Record<string, MethodDefinition<Buffer, Buffer>>>();
  for (const { service, method } of streamMethods) {
    const methods = services.get(service) ?? {};
    methods[method] = methodDefinition(`/${service}/${method}`, { requestStream: true, responseStream: true });
    services.set(service, methods);
  }
  return services;
}
