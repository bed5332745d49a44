// What grpc-js says of a resource: its own decoding and validation, called directly.
// Deep imports: the library does not export them, and its version is pinned.
import { register } from '@grpc/grpc-js-xds';
import { validateBootstrapConfig } from '@grpc/grpc-js-xds/build/src/xds-bootstrap.js';
import { ClusterResourceType } from '@grpc/grpc-js-xds/build/src/xds-resource-type/cluster-resource-type.js';
import { EndpointResourceType } from '@grpc/grpc-js-xds/build/src/xds-resource-type/endpoint-resource-type.js';
import { ListenerResourceType } from '@grpc/grpc-js-xds/build/src/xds-resource-type/listener-resource-type.js';
import { RouteConfigurationResourceType } from '@grpc/grpc-js-xds/build/src/xds-resource-type/route-config-resource-type.js';
import type { Resource } from '../../src/resources/resource.ts';
import { typeUrls } from '../../src/resources/type-urls.ts';
import { grpcBootstrap } from '../../src/translate/proxyless/bootstrap.ts';

const kinds = new Map<string, { get(): Pick<ListenerResourceType, 'decode'> }>([
  [typeUrls.cluster, ClusterResourceType],
  [typeUrls.endpoints, EndpointResourceType],
  [typeUrls.listener, ListenerResourceType],
  [typeUrls.routes, RouteConfigurationResourceType],
]);

let context: Parameters<ListenerResourceType['decode']>[0] | undefined;

/** Why a grpc-js client would reject the resource, or undefined. */
export function grpcJsFault({ type, name, bytes }: Resource): string | undefined {
  if (context === undefined) {
    register();
    const bootstrap = validateBootstrapConfig(grpcBootstrap({ node: 'n', xds: { address: '127.0.0.1', port: 1 } }));
    const [server] = bootstrap.xdsServers;
    if (server === undefined) throw new Error('the bootstrap names no server');
    context = { bootstrap, server };
  }
  const kind = kinds.get(type);
  if (kind === undefined) return `no client asks for ${type}`;
  const decoded = kind.get().decode(context, { type_url: type, value: Buffer.from(bytes) });
  return decoded.error ?? (decoded.name === name ? undefined : `it is called "${decoded.name}"`);
}
