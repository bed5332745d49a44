// What a view is for: the traits of a proxy that its configuration depends on, and nothing else of it.
// Invariant: two proxies with equal profiles get equal bytes. No clock, no node object, no environment.
import type { ServiceId } from '../model/names.ts';

export interface Binding {
  readonly address: string;
  readonly port: number;
}

/** Of a sidecar that says nothing of it. */
export const defaultOutbound: Binding = { address: '127.0.0.1', port: 15001 };

/** One inbound listener of a sidecar: where others dial, and where the application listens. */
export interface InboundBinding extends Binding {
  readonly appAddress: string;
  readonly appPort: number;
}

export interface UpstreamBinding extends Binding {
  readonly service: ServiceId;
}

export type ProxyProfile =
  | {
      readonly role: 'gateway';
      /** Name of its Gateway object. */
      readonly gateway: string;
      readonly zone?: string;
    }
  | {
      readonly role: 'sidecar';
      readonly service: ServiceId;
      readonly inbound: readonly InboundBinding[];
      /** Undefined: no outbound listener. */
      readonly outbound?: Binding;
      readonly upstreams: readonly UpstreamBinding[];
      readonly zone?: string;
    }
  | {
      /** A program with a gRPC library that speaks xDS itself: a client of any service, and perhaps a server. */
      readonly role: 'proxyless';
      /** Whose calls they are, if known. */
      readonly service?: ServiceId;
      readonly zone?: string;
    };

/** What an Envoy has, and a gRPC library has not: ports of its own. */
export type EnvoyProfile = Exclude<ProxyProfile, { role: 'proxyless' }>;
