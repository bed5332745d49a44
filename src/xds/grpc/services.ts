// The gRPC methods we serve, and which variant and type each carries. Messages pass as raw bytes in both directions.
// It must not know sessions. Invariant: every path is a method of Envoy's or gRPC's published services (a test checks).
import type { FileRegistry } from '@bufbuild/protobuf';
import type { MethodDefinition, ServiceDefinition } from '@grpc/grpc-js';
import { loadFileDescriptorSetFromObject } from '@grpc/proto-loader';
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
 * grpc-js service definitions by service name. proto-loader makes them from the services of the descriptor set; the
 * messages are left empty on the way (loading all of Envoy's takes a third of a second and 25 MB), because bytes pass as
 * they are. Throws when the set lacks a service, or a method of it is not a stream both ways.
 */
export function serviceDefinitions(registry: FileRegistry): ReadonlyMap<string, ServiceDefinition> {
  const names = new Set(streamMethods.map(({ service }) => service));
  const messages = new Set<string>();
  const files = [...names].map((name) => {
    const service = registry.getService(name);
    if (service === undefined) throw new Error(`the descriptor set has no service ${name}`);
    const method = service.methods.map(({ name: own, input, output, methodKind }) => {
      messages.add(input.typeName).add(output.typeName);
      return {
        name: own,
        inputType: `.${input.typeName}`,
        outputType: `.${output.typeName}`,
        clientStreaming: methodKind === 'bidi_streaming' || methodKind === 'client_streaming',
        serverStreaming: methodKind === 'bidi_streaming' || methodKind === 'server_streaming',
      };
    });
    return { name, package: service.file.proto.package, syntax: 'proto3', service: [{ name: service.name, method }] };
  });
  const empty = [...messages].map((name) => ({
    name: `${name}.message`,
    package: name.slice(0, name.lastIndexOf('.')),
    syntax: 'proto3',
    messageType: [{ name: name.slice(name.lastIndexOf('.') + 1) }],
  }));
  const loaded = loadFileDescriptorSetFromObject({ file: [...empty, ...files] });
  return new Map([...names].map((name) => [name, asBytes(name, loaded[name] as ServiceDefinition)]));
}

/** The methods of a loaded service that we serve, their messages as raw bytes. */
function asBytes(service: string, loaded: ServiceDefinition): ServiceDefinition {
  const methods: Record<string, MethodDefinition<Buffer, Buffer>> = {};
  for (const { method } of streamMethods.filter((served) => served.service === service)) {
    const found = loaded[method];
    if (found?.requestStream !== true || !found.responseStream)
      throw new Error(`${service}/${method} is no stream both ways`);
    methods[method] = methodDefinition(found.path, found);
  }
  return methods;
}
