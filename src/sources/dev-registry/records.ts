// What the dev registry holds: services and checks as Consul's agent has them, in its own member names.
// Types and their refusals only.

export type CheckStatus = 'passing' | 'warning' | 'critical';

export interface Upstream {
  readonly DestinationType: string;
  readonly DestinationName: string;
  readonly LocalBindAddress: string;
  readonly LocalBindPort: number;
}

export interface ProxyRecord {
  readonly DestinationServiceName: string;
  readonly DestinationServiceID: string;
  readonly LocalServiceAddress: string;
  readonly LocalServicePort: number;
  readonly Upstreams: readonly Upstream[];
}

export interface ServiceRecord {
  /** `connect-proxy`, or empty for a plain service. */
  readonly Kind: string;
  readonly ID: string;
  readonly Service: string;
  readonly Tags: readonly string[];
  readonly Meta: Readonly<Record<string, string>>;
  readonly Address: string;
  readonly Port: number;
  readonly Weights: { readonly Passing: number; readonly Warning: number };
  readonly Proxy?: ProxyRecord;
}

export interface CheckRecord {
  readonly CheckID: string;
  readonly Name: string;
  readonly Status: CheckStatus;
  readonly Output: string;
  readonly Notes: string;
  /** Empty: a check of the node. */
  readonly ServiceID: string;
  readonly ServiceName: string;
  readonly Type: 'ttl' | 'alias' | 'maintenance' | 'node';
  /** `ttl`: it turns critical when not told anything for that long. */
  readonly ttlMs?: number;
  /** `alias`: it is as healthy as this service id. */
  readonly alias?: string;
  /** The service goes when the check was critical for that long. */
  readonly deregisterAfterMs?: number;
}

export interface Indexed<T> {
  readonly value: T;
  readonly created: number;
  readonly modified: number;
}

/** What a caller did wrong, with the status Consul gives for it. */
export class RefusedError extends Error {
  readonly status: number;
  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}
