// Who may call a service. Data only. Invariant: a caller is named by what its certificate bears, never by what a request
// says of itself; a rule that names callers is never met by one that shows no certificate.
import type { ServiceId } from './names.ts';
import type { Provenance } from './provenance.ts';

export type Caller =
  /** Whoever has an identity of this trust domain. */
  | { readonly kind: 'anyone' }
  | { readonly kind: 'service'; readonly service: ServiceId; readonly provenance: Provenance }
  | { readonly kind: 'gateway'; readonly gateway: string; readonly provenance: Provenance };

/**
 * `prefix`: the path itself and what lies below it, by whole segments. `startsWith`: every path whose text begins so, with a
 * slash first, as registries mean it; objects cannot ask for it.
 */
export type AccessPath = { readonly exact: string } | { readonly prefix: string } | { readonly startsWith: string };

/** All parts must hold; of each list one entry. Empty: not asked. */
export interface Operation {
  readonly methods: readonly string[];
  readonly paths: readonly AccessPath[];
  /** Every one of them must be there with its value. Lower-case names. */
  readonly headers: readonly { readonly name: string; readonly exact: string }[];
}

/** Who issues tokens (RFC 7519), and how they are verified. */
export interface TokenIssuer {
  /** What `iss` is. */
  readonly issuer: string;
  /** `aud` has one of them. */
  readonly audiences: readonly string[];
  /** JSON Web Key Set, public keys only; empty: there are none, and no token is believed. */
  readonly keys: string;
  /** Where they are read from; absent: they stand in the object. */
  readonly keyFile?: string;
  /** Where the application finds what a verified token says, as base64url of JSON. */
  readonly payloadHeader?: string;
}

/** A valid token of an issuer. */
export interface TokenDemand {
  readonly issuer: string;
  /** All of them; each is the text at that path, or a list with it. */
  readonly claims: readonly { readonly path: readonly string[]; readonly exact: string }[];
}

export interface AccessRule {
  /** Position in its list. */
  readonly index: number;
  /** Undefined: everybody, also who shows no certificate. */
  readonly from?: readonly Caller[];
  /** Empty: every request. */
  readonly to: readonly Operation[];
  /** All of them must be met; absent: no token is asked for. */
  readonly tokens?: readonly TokenDemand[];
  readonly provenance: Provenance;
}

/** A connection tells nothing of it. */
export function asksOfRequests({ to, tokens = [] }: Pick<AccessRule, 'to' | 'tokens'>): boolean {
  return to.length + tokens.length > 0;
}

export interface Authorization {
  readonly namespace: string;
  readonly name: string;
  readonly service: ServiceId;
  /** `shadow`: only counted. */
  readonly mode: 'enforce' | 'shadow';
  /** Whose tokens its rules ask for. */
  readonly issuers?: readonly TokenIssuer[];
  /** Where a service has any that is enforced, whatever none of them names is refused. */
  readonly allow: readonly AccessRule[];
  /** Asked first. */
  readonly deny: readonly AccessRule[];
  readonly provenance: Provenance;
}
