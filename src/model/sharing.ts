// Structural sharing: the old object where the new one says the same, so that identity means "unchanged" downstream.
// It must not know what the objects mean. Invariant: what is shared is never changed, and frozen where it is ours.
import { isDeepStrictEqual } from 'node:util';

/** `before` if it is deeply equal, else `after`. */
export function shared<T>(before: T | undefined, after: T): T {
  return before !== undefined && (before === after || isDeepStrictEqual(before, after)) ? before : after;
}

/** Like `shared`, with the members compared by identity. */
export function sharedList<T>(before: readonly T[] | undefined, after: readonly T[]): readonly T[] {
  return before !== undefined && sameMembers(before, after) ? before : after;
}

/** Like `shared`, with keys, their order and the values compared by identity. */
export function sharedMap<K, V>(before: ReadonlyMap<K, V> | undefined, after: ReadonlyMap<K, V>): ReadonlyMap<K, V> {
  if (before === undefined || before.size !== after.size) return after;
  const entries = before.entries();
  for (const [key, value] of after) {
    const entry = entries.next().value;
    if (entry === undefined || entry[0] !== key || entry[1] !== value) return after;
  }
  return before;
}

export function sameMembers(a: readonly unknown[], b: readonly unknown[]): boolean {
  return a === b || (a.length === b.length && a.every((member, index) => member === b[index]));
}

/** Text order, the same on every machine. */
export function compareText(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}

/** Freezes plain data through and through; returns it. */
export function frozen<T>(value: T): T {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value;
  for (const member of Object.values(value)) frozen(member);
  return Object.freeze(value);
}
