// How one root takes the place of another without a proxy noticing: a journal that replicas share, and what each of its
// phases obliges every replica to do. Pure: it must not know stores, clocks, keys or proxies.
// Invariants: the record is persisted before anything is done for it, and what it obliges to may be done again, so that
// any replica goes on where another one stopped; a root signs only after whoever confirmed trusts it, and leaves the bundle
// only after the last certificate under it has ended.
//
// The rules that the caller keeps: a record is written by compare-and-set on the one it was made from. A replica says that it
// is there, and behind, before it first reads the record, and serves nobody before it has done what that obliges to; then it
// reports the record's epoch. So no replica is ever more than one step behind another.

interface Turn {
  /** Grows with every phase, over all rotations. */
  readonly epoch: number;
  /** Wall clock of who wrote it. */
  readonly sinceMs: number;
  /** Somebody else may have the old root's key: only proxies that are connected are waited for, and no time is let pass. */
  readonly compromised?: true;
}

/** Plain data; `old` and `next` are key ids, `slot` numbers the places that roots are kept in. */
export type RotationRecord =
  | (Turn & { readonly phase: 'steady'; readonly root: string; readonly slot: number })
  /** The next root is made, in its slot. */
  | (Turn & { readonly phase: 'prepare'; readonly old: string; readonly slot: number; readonly forced: boolean })
  /** Everybody is told to trust it; the old one signs. */
  | (Turn & Pair & { readonly phase: 'confirm'; readonly forced: boolean })
  /** Replicas get intermediates from it, one after another. */
  | (Turn & Pair & { readonly phase: 'activate' })
  /** No replica signs with the old one any more; what was signed ends. */
  | (Turn & Pair & { readonly phase: 'drain'; readonly forced?: true })
  /** The old one leaves the bundle, and its key is destroyed. */
  | (Turn & Pair & { readonly phase: 'retire' });

interface Pair {
  readonly old: string;
  readonly next: string;
  /** Of the next one. */
  readonly slot: number;
}

/** What a record obliges every replica to, in this order. All of it may be done twice. */
export interface RotationDuties {
  /** Make a root in this slot, unless there is one. */
  readonly make: number | undefined;
  /** What proxies are told to trust. The first signs: one has an intermediate of it, and uses no other. */
  readonly bundle: readonly string[];
  /** Destroy the key of this root; its certificate may stay. */
  readonly destroy: string | undefined;
}

export interface RotationFacts {
  readonly nowMs: number;
  /** Key id of the root in the record's slot, if one is there. */
  readonly made: string | undefined;
  /** Replicas that are there and have not reported the record's epoch. */
  readonly behind: number;
  /**
   * Proxies that are connected, or were a moment ago, and have not acknowledged the record's bundle, or have no certificate yet
   * of its first root. Of a replica that ended a
   * moment ago nobody knows them: it counts as one until they had time to connect elsewhere.
   */
  readonly unconfirmed: number;
  /** The old root's key is destroyed. */
  readonly destroyed: boolean;
}

export interface RotationLimits {
  /** Proxies that are not connected have so long to come back and learn of the next root. At least the life of a leaf. */
  readonly soakMs: number;
  /** Nothing that an intermediate signs lives longer, client certificates of nodes and differences of clocks included. */
  readonly longestLifeMs: number;
}

export type RotationAdvance =
  /** Persist it first; then do what it obliges to. */
  | { readonly kind: 'go'; readonly persist: RotationRecord; readonly duties: RotationDuties }
  | { readonly kind: 'wait'; readonly for: 'nothing' | 'root' | 'replicas' | 'proxies' | 'key' }
  | { readonly kind: 'wait'; readonly for: 'time'; readonly untilMs: number };

export function steadyRotation(root: string, slot: number, nowMs: number): RotationRecord {
  return { phase: 'steady', epoch: 1, sinceMs: nowMs, root, slot };
}

/** Undefined while a rotation goes on. */
export function beginRotation(record: RotationRecord, nowMs: number, forced = false): RotationRecord | undefined {
  if (record.phase !== 'steady') return undefined;
  const { epoch, root, slot } = record;
  return { phase: 'prepare', epoch: epoch + 1, sinceMs: nowMs, old: root, slot: slot + 1, forced };
}

/**
 * Somebody else may have the key of the root that signs, or of the old one where a rotation goes on: it leaves the bundle as
 * soon as every connected proxy can do without it. Undefined where that would change nothing.
 */
export function condemnRoot(record: RotationRecord, nowMs: number): RotationRecord | undefined {
  if (record.phase === 'retire' || record.compromised) return undefined;
  const begun = beginRotation(record, nowMs) ?? record;
  // In `steady` there is always one to begin.
  return begun.phase === 'steady' ? undefined : { ...begun, compromised: true };
}

/**
 * Does not wait for proxies to confirm: those that have not will refuse their peers until they are told. Undefined where
 * that would change nothing.
 */
export function forceRotation(record: RotationRecord): RotationRecord | undefined {
  // Of a root that is not condemned `drain` waits for no proxy.
  if (record.phase === 'drain') return record.compromised && !record.forced ? { ...record, forced: true } : undefined;
  const waits = record.phase === 'prepare' || record.phase === 'confirm';
  return waits && !record.forced ? { ...record, forced: true } : undefined;
}

export function rotationDuties(record: RotationRecord): RotationDuties {
  switch (record.phase) {
    case 'steady':
      return { make: undefined, bundle: [record.root], destroy: undefined };
    case 'prepare':
      return { make: record.slot, bundle: [record.old], destroy: undefined };
    case 'confirm':
      return { make: undefined, bundle: [record.old, record.next], destroy: undefined };
    case 'activate':
    case 'drain':
      return { make: undefined, bundle: [record.next, record.old], destroy: undefined };
    case 'retire':
      return { make: undefined, bundle: [record.next], destroy: record.old };
  }
}

/** Facts are gathered after the record was read, and are about this record. */
export function advanceRotation(record: RotationRecord, facts: RotationFacts, limits: RotationLimits): RotationAdvance {
  const { nowMs } = facts;
  const turn = {
    epoch: record.epoch + 1,
    sinceMs: nowMs,
    ...(record.compromised ? { compromised: true as const } : {}),
  };
  if (record.phase === 'steady') return { kind: 'wait', for: 'nothing' };
  if (record.phase === 'prepare' && facts.made === undefined) return { kind: 'wait', for: 'root' };
  // Whoever lags by one step must not lag by two.
  if (facts.behind > 0) return { kind: 'wait', for: 'replicas' };
  switch (record.phase) {
    case 'prepare': {
      const { old, slot, forced } = record;
      return go({ ...turn, phase: 'confirm', old, next: facts.made ?? '', slot, forced });
    }
    case 'confirm':
      if (!record.forced && facts.unconfirmed > 0) return { kind: 'wait', for: 'proxies' };
      return (
        (!record.forced && !record.compromised && pause(record, nowMs, limits.soakMs)) ||
        go({ ...turn, ...pairOf(record), phase: 'activate' })
      );
    case 'activate':
      return go({ ...turn, ...pairOf(record), phase: 'drain' });
    case 'drain':
      if (record.compromised) {
        if (!record.forced && facts.unconfirmed > 0) return { kind: 'wait', for: 'proxies' };
        return go({ ...turn, ...pairOf(record), phase: 'retire' });
      }
      return pause(record, nowMs, limits.longestLifeMs) ?? go({ ...turn, ...pairOf(record), phase: 'retire' });
    case 'retire':
      if (!facts.destroyed) return { kind: 'wait', for: 'key' };
      return go({ epoch: turn.epoch, sinceMs: nowMs, phase: 'steady', root: record.next, slot: record.slot });
  }
}

function go(persist: RotationRecord): RotationAdvance {
  return { kind: 'go', persist, duties: rotationDuties(persist) };
}

function pairOf({ old, next, slot }: Pair): Pair {
  return { old, next, slot };
}

function pause({ sinceMs }: Turn, nowMs: number, ms: number): RotationAdvance | undefined {
  const untilMs = sinceMs + ms;
  return nowMs < untilMs ? { kind: 'wait', for: 'time', untilMs } : undefined;
}
