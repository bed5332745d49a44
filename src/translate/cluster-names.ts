// How clusters are called. Endpoints of a cluster carry the same name.
// Invariant: one name is one set of instances; nothing but this file builds or takes apart a name.
import { defaultNamespace, type ServiceId } from '../model/names.ts';

/** Names of clusters that stand in every bootstrap: Envoy never replaces those by what xDS sends. */
export const bootstrapClusters = { xds: 'chancery', admin: 'chancery_admin' } as const;

const inbound = 'inbound';

/** Where gRPC clients send what no cluster may take; it has no endpoints. */
export const nowhereCluster = 'chancery_nowhere';

const taken = new Set<string>([...Object.values(bootstrapClusters), inbound, nowhereCluster]);

/**
 * `cart`, or `cart/v2` for a subset. A service that is called like one of ours has its namespace in front
 * (`default|chancery`), which no other service of the default namespace has: its requests must not end at Chancery.
 */
export function clusterName(service: ServiceId, subset?: string): string {
  const base = taken.has(service) ? `${defaultNamespace}|${service}` : service;
  return subset === undefined ? base : `${base}/${subset}`;
}

/** The local application behind a sidecar's inbound listener. */
export function inboundClusterName(port: number): string {
  return `${inbound}/${port}`;
}
