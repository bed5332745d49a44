// How clusters are called. Endpoints of a cluster carry the same name.
// Invariant: one name is one set of instances; nothing but this file builds or takes apart a name.
import type { ServiceId } from '../model/names.ts';

/** `cart`, or `cart/v2` for a subset. */
export function clusterName(service: ServiceId, subset?: string): string {
  return subset === undefined ? service : `${service}/${subset}`;
}

/** The local application behind a sidecar's inbound listener. */
export function inboundClusterName(port: number): string {
  return `inbound/${port}`;
}
