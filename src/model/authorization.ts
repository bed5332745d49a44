// Who may call a service. Data only. Invariant: a caller is named by what its certificate bears, never by what a request
// says of itself; a rule that names callers is never met by one that shows no certificate.
import type { ServiceId } from './names.ts';
import type { Provenance } from './provenance.ts';

export type Caller =
  /** Whoever has an identity of this trust domain. */
  | { readonly kind: 'anyone' }
  | { readonly kind: 'service'; readonly service: ServiceId; readonly provenance: Provenance }
  | { readonly kind: 'gateway'; readonly gateway: string; readonly provenance: Provenance };

/** `prefix`: the path itself and what lies below it, by whole segments. */
export type AccessPath = { readonly exact: string } | { readonly prefix: string };

/** All parts must hold; of each list one entry. Empty: not asked. */
export interface Operation {
  readonly methods: readonly string[];
  readonly paths: readonly AccessPath[];
  /** Every one of them must be there with its value. Lower-case names. */
  readonly headers: readonly { readonly name: string; readonly exact: string }[];
}

export interface AccessRule {
  /** Position in its list. */
  readonly index: number;
  /** Undefined: everybody, also who shows no certificate. */
  readonly from?: readonly Caller[];
  /** Empty: every request. */
  readonly to: readonly Operation[];
  readonly provenance: Provenance;
}

export interface Authorization {
  readonly namespace: string;
  readonly name: string;
  readonly service: ServiceId;
  /** `shadow`: only counted. */
  readonly mode: 'enforce' | 'shadow';
  /** Where a service has any that is enforced, whatever none of them names is refused. */
  readonly allow: readonly AccessRule[];
  /** Asked first. */
  readonly deny: readonly AccessRule[];
  readonly provenance: Provenance;
}
