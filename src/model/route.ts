// A route as everything downstream sees it, whatever language it was written in.

import type { ServiceId } from './names.ts';
import type { Provenance } from './provenance.ts';
import type { HashOn } from './service.ts';

export type StringMatch =
  | { readonly exact: string }
  | { readonly prefix: string }
  | { readonly suffix: string }
  /** RE2, whole value. */
  | { readonly regex: string }
  | { readonly present: true };

export interface NamedMatch {
  readonly name: string;
  readonly match: StringMatch;
  readonly invert: boolean;
}

export type PathMatch =
  | { readonly exact: string }
  /** Segment-wise: `/cart` matches `/cart` and `/cart/x`, not `/carts`. Without trailing slash, except `/`. */
  | { readonly prefix: string }
  | { readonly regex: string };

/** All parts must hold. */
export interface Match {
  /** Undefined: any path. */
  readonly path?: PathMatch;
  readonly method?: string;
  readonly headers: readonly NamedMatch[];
  readonly query: readonly NamedMatch[];
  /** Only requests of these calling services; empty: any. A gateway proxy is no calling service. */
  readonly from: readonly ServiceId[];
  readonly provenance: Provenance;
}

export interface Destination {
  readonly service: ServiceId;
  readonly subset?: string;
  /** Named port, checked against the service's. */
  readonly port?: number;
  /** Share among its siblings; at least one of them is above 0. */
  readonly weight: number;
  readonly provenance: Provenance;
  /** Dotted path of `service` in its object, for Problems. */
  readonly path?: string;
}

export interface HeaderEdits {
  readonly set: Readonly<Record<string, string>>;
  readonly add: Readonly<Record<string, string>>;
  readonly remove: readonly string[];
}

export interface Rewrite {
  readonly prefix?: string;
  readonly regex?: { readonly pattern: string; readonly substitution: string };
  readonly host?: string;
}

export interface Redirect {
  readonly scheme?: 'http' | 'https';
  readonly host?: string;
  readonly port?: number;
  readonly path?: string;
  readonly prefix?: string;
  readonly code: 301 | 302 | 303 | 307 | 308;
}

export interface DirectResponse {
  readonly status: number;
  readonly body: string;
}

export interface Retry {
  /** Tries after the first. 0: none, not even the default. */
  readonly attempts: number;
  readonly perTryTimeoutMs?: number;
  /** Envoy's retry_on names. */
  readonly on: readonly string[];
  readonly statusCodes: readonly number[];
}

export type Action =
  | { readonly kind: 'forward'; readonly to: readonly Destination[] }
  | { readonly kind: 'redirect'; readonly redirect: Redirect }
  | { readonly kind: 'respond'; readonly respond: DirectResponse };

export interface Rule {
  /** Stable name for stats, logs and `explain`: `namespace/route#index` or the user's `name`. */
  readonly name: string;
  /** Position inside its object. */
  readonly index: number;
  /** Any one must hold; never empty (a rule without `match` holds one empty Match). */
  readonly matches: readonly Match[];
  readonly action: Action;
  readonly rewrite?: Rewrite;
  readonly requestHeaders?: HeaderEdits;
  readonly responseHeaders?: HeaderEdits;
  readonly timeoutMs?: number;
  /** Undefined: the safe default. */
  readonly retry?: Retry;
  readonly hashOn?: readonly HashOn[];
  readonly provenance: Provenance;
}

export interface Route {
  readonly namespace: string;
  readonly name: string;
  /** Lower case, without port; `*.x` allowed. Never empty. */
  readonly hosts: readonly string[];
  /** Undefined: everywhere. `mesh`: sidecars' outbound. */
  readonly gateways?: readonly string[];
  readonly protocol: 'http' | 'tcp';
  readonly rules: readonly Rule[];
  /** `linkerd.io` Routes: this object's share where several claim one host and rule. */
  readonly share?: number;
  /** Milliseconds since the epoch from metadata.creationTimestamp, if written. */
  readonly createdMs?: number;
  /** Order inside its store, comparable only with routes of the same `provenance.source`. */
  readonly created?: number;
  readonly provenance: Provenance;
}
