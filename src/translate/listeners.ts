// Listeners of both roles. It must not know routes but by the name of their configuration.
// Invariant: a listener's bytes depend on its binding and mesh-wide settings only, so nothing but those makes Envoy drain it.
import type { FilterJson, ListenerFilterJson } from '../gen/envoy/config/listener/v3/listener_components_pb.js';
import type { ListenerJson } from '../gen/envoy/config/listener/v3/listener_pb.js';
import type { TcpProxyJson } from '../gen/envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy_pb.js';
import { clusterName } from './cluster-names.ts';
import { accessLog } from './filters/access-log.ts';
import { httpConnectionManager } from './http-connection-manager.ts';
import type { Binding } from './profile.ts';
import type { Share } from './route-action.ts';

const tcpProxyType = 'envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy';

function listener(name: string, { address, port }: Binding, filters: FilterJson[]): ListenerJson {
  return {
    name,
    address: { socketAddress: { address, portValue: port } },
    filterChains: [{ filters }],
    // The name in stats stays the same when the address moves.
    statPrefix: name.replaceAll(/[^\w-]/g, '_'),
  };
}

/** Looks at the first bytes for the server name and the protocols of a TLS client. */
export const tlsInspectorFilter: ListenerFilterJson = {
  name: 'envoy.filters.listener.tls_inspector',
  typedConfig: {
    '@type': 'type.googleapis.com/envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector',
  },
};

export interface HttpListener extends Binding {
  readonly name: string;
  /** Name of its RouteConfiguration. */
  readonly routes: string;
  readonly edge: boolean;
  readonly accessLog: boolean;
  readonly direction: 'INBOUND' | 'OUTBOUND';
}

export function httpListener(options: HttpListener): ListenerJson {
  const filter = httpConnectionManager({
    routes: options.routes,
    statPrefix: options.name.replaceAll(/[^\w-]/g, '_'),
    listener: options.name,
    edge: options.edge,
    inbound: options.direction === 'INBOUND',
    accessLog: options.accessLog,
  });
  return { ...listener(options.name, options, [filter]), trafficDirection: options.direction };
}

export interface TcpListener extends Binding {
  readonly name: string;
  readonly shares: readonly Share[];
  readonly accessLog: boolean;
  readonly direction: 'INBOUND' | 'OUTBOUND';
}

/** Bytes to the shares' clusters by weight, decided per connection. */
export function tcpListener(options: TcpListener): ListenerJson {
  return {
    ...listener(options.name, options, [sharesProxy(options, options.shares)]),
    trafficDirection: options.direction,
  };
}

/** The same as a filter. */
export function sharesProxy(options: Pick<TcpListener, 'name' | 'accessLog'>, shares: readonly Share[]): FilterJson {
  const clusters = shares.map(({ service, subset, weight }) => ({ name: clusterName(service, subset), weight }));
  const [only] = clusters;
  return tcpProxy(
    options,
    clusters.length === 1 && only !== undefined ? { cluster: only.name } : { weightedClusters: { clusters } },
  );
}

export function tcpProxy(
  options: { readonly name: string; readonly stat?: string; readonly accessLog: boolean; readonly callers?: boolean },
  to: Pick<TcpProxyJson, 'cluster' | 'weightedClusters'>,
): FilterJson {
  const proxy: TcpProxyJson = {
    statPrefix: (options.stat ?? options.name).replaceAll(/[^\w-]/g, '_'),
    ...to,
    // A connection that never opened can be tried on another host without harm.
    maxConnectAttempts: 3,
    ...(options.accessLog ? { accessLog: [accessLog('tcp', options.name, options)] } : {}),
  };
  return {
    name: 'envoy.filters.network.tcp_proxy',
    typedConfig: { '@type': `type.googleapis.com/${tcpProxyType}`, ...proxy },
  };
}
