// Who may call whom as a registry says it (Consul's intentions): by destination, then by caller, one decision for each pair.
// Data only. Invariant: whoever made it was never more generous than the registry; what it could not say is refused.
import type { Operation } from './authorization.ts';
import type { Provenance } from './provenance.ts';

/** What one caller may do. With `open` everything but `deny`; else nothing but `allow`, less `deny`. */
export interface IntentionPlan {
  readonly open: boolean;
  readonly allow: readonly Operation[];
  readonly deny: readonly Operation[];
}

export interface IntentionSource {
  /** The registry's name of the caller; `*`: every one that no other speaks of. */
  readonly name: string;
  readonly plan: IntentionPlan;
  readonly provenance: Provenance;
}

export interface IntentionEntry {
  /** The registry's name of the service; `*`: every one. */
  readonly destination: string;
  /** It asks what cannot be said here: nobody is let in. */
  readonly closed: boolean;
  /** Callers that are refused whatever else is said of them; `*`: all. */
  readonly refused: readonly string[];
  /** One for each name. */
  readonly sources: readonly IntentionSource[];
  readonly provenance: Provenance;
}

export interface Intentions {
  /** What holds between two of which no intention speaks. */
  readonly fallback: 'allow' | 'deny';
  /** By destination in lower case: an entry for `Api` governs `api`, as Consul tells its proxies. */
  readonly entries: ReadonlyMap<string, IntentionEntry>;
}
