// The listeners of gRPC clients and servers, which have no ports of ours: a name is all that makes one.
// It must not know routes but by the name of their configuration. Invariant: pure; a listener never changes while its name
// leads to the same routes, because clients drop what they hold when it does.
import type { ListenerJson } from '../../gen/envoy/config/listener/v3/listener_pb.js';
import type { HttpConnectionManagerJson } from '../../gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js';
import { httpFilters } from '../filters/index.ts';
import type { Binding } from '../profile.ts';

const managerType = 'envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager';

/** What `server_listener_resource_name_template` of our bootstraps says before the address. */
export const serverListenerPrefix = 'grpc/server?xds.resource.listening_address=';

function manager(routes: Pick<HttpConnectionManagerJson, 'rds' | 'routeConfig'>) {
  const json: HttpConnectionManagerJson = { statPrefix: 'grpc', ...routes, httpFilters: httpFilters() };
  return { '@type': `type.googleapis.com/${managerType}`, ...json };
}

/** `routes`: the name of its RouteConfiguration. */
export function clientListener(name: string, routes: string): ListenerJson {
  const configSource = { ads: {}, resourceApiVersion: 'V3' as const };
  return { name, apiListener: { apiListener: manager({ rds: { configSource, routeConfigName: routes } }) } };
}

/** Where a gRPC server listens, from the name it asks for; undefined: the name is no server's. */
export function serverBinding(name: string): Binding | undefined {
  if (!name.startsWith(serverListenerPrefix)) return undefined;
  const [, host = '', port = ''] = /^\[?([^[\]]+)\]?:(\d{1,5})$/.exec(name.slice(serverListenerPrefix.length)) ?? [];
  const number = Number(port);
  return host === '' || number < 1 || number > 65_535 ? undefined : { address: host, port: number };
}

/** A gRPC server that takes every call itself (gRFC A36): the address is the very one it asked for. */
export function serverListener(name: string, { address, port }: Binding): ListenerJson {
  const everything = { name: 'inbound', match: { prefix: '/' }, nonForwardingAction: {} };
  const routeConfig = {
    name: 'inbound',
    virtualHosts: [{ name: 'inbound', domains: ['*'], routes: [everything] }],
  };
  return {
    name,
    address: { socketAddress: { address, portValue: port } },
    filterChains: [
      { filters: [{ name: 'envoy.filters.network.http_connection_manager', typedConfig: manager({ routeConfig }) }] },
    ],
  };
}
