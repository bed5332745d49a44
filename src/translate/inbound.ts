// The inbound side of a sidecar: a listener where others dial, and the one local application behind it.
// It must not know who calls; that is for authorization. Invariants: it adds no timeout and no limit of its own: both belong
// to the caller's side, and a second, smaller one here would answer for an application that is well; where mutual TLS is
// strict there is one way in.

import { isIP } from 'node:net';
import type { ClusterJson } from '../gen/envoy/config/cluster/v3/cluster_pb.js';
import type { FilterChainJson, FilterJson } from '../gen/envoy/config/listener/v3/listener_components_pb.js';
import type { ListenerJson } from '../gen/envoy/config/listener/v3/listener_pb.js';
import type { VirtualHostJson } from '../gen/envoy/config/route/v3/route_components_pb.js';
import type { Mtls } from '../model/mtls.ts';
import type { Protocol } from '../model/service.ts';
import type { ConnectionAccess } from './authorization/authorization.ts';
import { inboundClusterName } from './cluster-names.ts';
import { protocolOptions } from './clusters.ts';
import type { TokenProviders } from './filters/jwt-authn.ts';
import { httpConnectionManager } from './http-connection-manager.ts';
import { tcpProxy } from './listeners.ts';
import { connectionLifeMs, downstreamSocket, meshAlpn } from './mutual-tls.ts';
import type { InboundBinding } from './profile.ts';
import { localRetry } from './retry.ts';
import { routeMatch } from './route-match.ts';
import { withDefaultRetry } from './virtual-hosts.ts';

const unlimited = 4_294_967_295;

export function inboundName(binding: InboundBinding): string {
  return inboundClusterName(binding.port);
}

export function inboundCluster(binding: InboundBinding, protocol: Protocol): ClusterJson {
  const name = inboundName(binding);
  const { appAddress: address, appPort: portValue } = binding;
  return {
    name,
    type: isIP(address) === 0 ? 'STRICT_DNS' : 'STATIC',
    connectTimeout: '1s',
    loadAssignment: {
      clusterName: name,
      endpoints: [{ lbEndpoints: [{ endpoint: { address: { socketAddress: { address, portValue } } } }] }],
    },
    circuitBreakers: {
      thresholds: [
        { maxConnections: unlimited, maxPendingRequests: unlimited, maxRequests: unlimited, maxRetries: unlimited },
      ],
    },
    ...protocolOptions(protocol),
  };
}

export interface InboundOptions {
  readonly protocol: Protocol;
  readonly accessLog: boolean;
  /** What holds for the service. */
  readonly mtls: Mtls;
  readonly trustDomain: string;
  /** Undefined: every connection is taken. */
  readonly access?: ConnectionAccess | undefined;
  /** Verifies tokens of requests. */
  readonly tokens?: TokenProviders | undefined;
}

/** By whom a connection came: its filters, and its name in statistics, differ by that. */
type Way = 'mtls' | 'tls' | 'plaintext';

/** What a connection of each way passes. Another's TLS is the application's own business: its bytes go through. */
function filters(binding: InboundBinding, way: Way, options: InboundOptions): FilterJson[] {
  const { protocol, accessLog, mtls, access } = options;
  const name = inboundName(binding);
  const stat = mtls === 'off' || way === 'mtls' ? name : `${name}/${way}`;
  if (protocol === 'tcp' || way === 'tls')
    return [
      ...(access !== undefined && (way === 'mtls' || mtls === 'off' || access.counting) ? [access.filter] : []),
      tcpProxy({ name, stat, accessLog, callers: mtls !== 'off' || access !== undefined }, { cluster: name }),
    ];
  return [
    httpConnectionManager({
      routes: name,
      statPrefix: stat.replaceAll(/[^\w-]/g, '_'),
      listener: name,
      edge: false,
      inbound: true,
      peerNames: way === 'mtls',
      lifeMs: way === 'mtls' ? connectionLifeMs.callee : undefined,
      authorization: true,
      tokens: options.tokens,
      accessLog,
    }),
  ];
}

const tlsInspector = 'envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector';

function chains(binding: InboundBinding, options: InboundOptions): Pick<ListenerJson, 'filterChains'> {
  const { protocol, mtls, trustDomain, access } = options;
  if (mtls === 'off') return { filterChains: [{ filters: filters(binding, 'plaintext', options) }] };
  // The same chain in both modes, and looked for in the same way: Envoy then changes the others alone, and no connection in
  // mutual TLS is closed when the last plaintext caller has gone and `strict` begins.
  const mutual: FilterChainJson = {
    name: 'mtls',
    filterChainMatch: { transportProtocol: 'tls', applicationProtocols: [meshAlpn] },
    // Of requests the policy decides, which can change without closing a connection; here nobody is asked twice.
    transportSocket: downstreamSocket(trustDomain, protocol, protocol === 'tcp' ? access?.names : undefined),
    filters: filters(binding, 'mtls', options),
  };
  if (mtls === 'strict') return { filterChains: [mutual] };
  const tls: FilterChainJson = {
    name: 'tls',
    filterChainMatch: { transportProtocol: 'tls' },
    filters: filters(binding, 'tls', options),
  };
  const plaintext: FilterChainJson = {
    name: 'plaintext',
    filterChainMatch: { transportProtocol: 'raw_buffer' },
    filters: filters(binding, 'plaintext', options),
  };
  // A way in that nobody may take is none: bytes that cannot be read as requests would reach the application before the
  // first of the caller's is there to ask by.
  const unnamed = access?.unnamed ?? true;
  return {
    filterChains: [mutual, ...(unnamed ? [tls] : []), ...(unnamed || protocol !== 'tcp' ? [plaintext] : [])],
  };
}

/** What looks at the first bytes. Of TCP the server may be the one to speak first: after a second without a word it is plaintext. */
function inspection({ protocol, mtls }: InboundOptions): Partial<ListenerJson> {
  if (mtls === 'off') return {};
  return {
    listenerFilters: [
      {
        name: 'envoy.filters.listener.tls_inspector',
        typedConfig: { '@type': `type.googleapis.com/${tlsInspector}` },
      },
    ],
    ...(protocol === 'tcp' ? { listenerFiltersTimeout: '1s', continueOnListenerFiltersTimeout: true } : {}),
  };
}

export function inboundListener(binding: InboundBinding, options: InboundOptions): ListenerJson {
  const name = inboundName(binding);
  const { address, port } = binding;
  return {
    name,
    address: { socketAddress: { address, portValue: port } },
    statPrefix: name.replaceAll(/[^\w-]/g, '_'),
    ...inspection(options),
    ...chains(binding, options),
    trafficDirection: 'INBOUND',
  };
}

/** `access`: who may call, as a configuration of filters. */
export function inboundVirtualHost(
  binding: InboundBinding,
  access: VirtualHostJson['typedPerFilterConfig'],
): VirtualHostJson {
  const name = inboundName(binding);
  const any = { headers: [], query: [], from: [] };
  return {
    name,
    domains: ['*'],
    routes: withDefaultRetry(any, (methods, idempotent) => ({
      name,
      match: routeMatch(any, methods),
      route: { cluster: name, timeout: '0s', retryPolicy: localRetry(idempotent) },
    })),
    ...(access === undefined ? {} : { typedPerFilterConfig: access }),
  };
}
