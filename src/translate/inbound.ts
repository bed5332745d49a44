// The inbound side of a sidecar: a listener where others dial, and the one local application behind it.
// It must not know who calls; that is for authorization. Invariant: it adds no timeout and no limit of its own: both belong
// to the caller's side, and a second, smaller one here would answer for an application that is well.

import { isIP } from 'node:net';
import type { ClusterJson } from '../gen/envoy/config/cluster/v3/cluster_pb.js';
import type { ListenerJson } from '../gen/envoy/config/listener/v3/listener_pb.js';
import type { VirtualHostJson } from '../gen/envoy/config/route/v3/route_components_pb.js';
import type { Protocol } from '../model/service.ts';
import { inboundClusterName } from './cluster-names.ts';
import { protocolOptions } from './clusters.ts';
import { httpListener, tcpProxy } from './listeners.ts';
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

export function inboundListener(binding: InboundBinding, protocol: Protocol, log: boolean): ListenerJson {
  const name = inboundName(binding);
  const { address, port } = binding;
  if (protocol !== 'tcp')
    return httpListener({ name, address, port, routes: name, edge: false, accessLog: log, direction: 'INBOUND' });
  return {
    name,
    address: { socketAddress: { address, portValue: port } },
    statPrefix: name.replaceAll(/[^\w-]/g, '_'),
    filterChains: [{ filters: [tcpProxy({ name, accessLog: log }, { cluster: name })] }],
    trafficDirection: 'INBOUND',
  };
}

export function inboundVirtualHost(binding: InboundBinding): VirtualHostJson {
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
  };
}
