// A listener as it is planned: its message, and what it leads to. It must not encode anything.

import type { ListenerJson } from '../gen/envoy/config/listener/v3/listener_pb.js';
import type { VirtualHostJson } from '../gen/envoy/config/route/v3/route_components_pb.js';
import type { ServiceId } from '../model/names.ts';
import type { Provenance } from '../model/provenance.ts';
import type { ResourceRef } from '../resources/resource.ts';
import type { InboundBinding } from './profile.ts';
import type { Share } from './route-action.ts';

/** The HTTP side of one filter chain, with a route configuration of its own. */
export interface HttpChain {
  /** Of its route configuration. */
  readonly name: string;
  /** Those it admits; empty: all. */
  readonly hosts: readonly string[];
  /** Those of the other chains of its port: whoever asks for one of them here is sent there. */
  readonly taken: readonly string[];
}

/** What a listener's route configuration is made of; but for `chains`, its name is that of the listener. */
export type Routing =
  | { readonly kind: 'hosts'; readonly hosts: readonly string[] }
  | { readonly kind: 'chains'; readonly chains: readonly HttpChain[] }
  | { readonly kind: 'fixed'; readonly json: VirtualHostJson }
  | { readonly kind: 'service'; readonly service: ServiceId }
  | { readonly kind: 'inbound'; readonly binding: InboundBinding }
  | { readonly kind: 'none' };

export interface PlannedListener {
  readonly name: string;
  readonly address: string;
  readonly port: number;
  readonly json: ListenerJson;
  readonly routing: Routing;
  readonly clusters: readonly Share[];
  /** Its connections are in mutual TLS, or may be. */
  readonly mutualTls?: boolean;
  /** Further secrets that it names. */
  readonly secrets?: readonly ResourceRef[];
  readonly provenance: readonly Provenance[];
}
