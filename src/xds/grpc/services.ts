// The gRPC methods we serve, and which variant and type each carries. Messages pass as raw bytes in both directions.
// It must not know sessions. Invariant: every path is a method of Envoy's or gRPC's published services (a test checks).
import type { MethodDefinition, ServiceDefinition } from '@grpc/grpc-js';
import services from '../../gen/services.json' with { type: 'json' };
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

/**
 * grpc-js service definitions by service name, as proto-loader read them from the descriptor set at build time. Throws
 * when a service or a method is missing there, or is not a stream both ways.
 */
export function serviceDefinitions(): ReadonlyMap<string, ServiceDefinition> {
  const built: Readonly<Record<string, BuiltService>> = services;
  const definitions = new Map<string, Record<string, MethodDefinition<Buffer, Buffer>>>();
  for (const { service, method } of streamMethods) {
    const found = built[service]?.[method];
    if (found?.requestStream !== true || !found.responseStream)
      throw new Error(`${service}/${method} is no stream both ways; build the generated code anew`);
    const methods = definitions.get(service) ?? {};
    methods[method] = methodDefinition(found.path, found);
    definitions.set(service, methods);
  }
  return definitions;
}

type BuiltService = Readonly<
  Record<string, { readonly path: string; readonly requestStream: boolean; readonly responseStream: boolean }>
>;
