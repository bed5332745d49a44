// A bucket of tokens for each of many keys, filled again with time: how often something may happen.
// It must not know what. Invariants: the number of keys kept is bounded, a key that is forgotten was full or the oldest, and
// nobody goes into debt.
import type { Clock } from './clock.ts';

export interface BucketOptions {
  /** At once. */
  readonly burst: number;
  readonly perSecond: number;
  /** Keys kept. */
  readonly keys: number;
}

export interface TokenBuckets {
  /** What is left, 0 to `burst`. */
  left(key: string): number;
  /** Takes one, or what is left of one. */
  spend(key: string): void;
  /** Undefined: one was taken; else milliseconds until there is one. */
  take(key: string): number | undefined;
  /** Keys kept now. */
  size(): number;
}

export function createTokenBuckets(clock: Clock, { burst, perSecond, keys }: BucketOptions): TokenBuckets {
  /** What was left, and when; the key that was used last stands last. */
  const buckets = new Map<string, { readonly left: number; readonly atMs: number }>();

  function left(key: string): number {
    const bucket = buckets.get(key);
    if (bucket === undefined) return burst;
    return Math.min(burst, bucket.left + ((clock.now() - bucket.atMs) / 1000) * perSecond);
  }

  /** The oldest go first: those that are full again by now, and where that is not enough, the rest. */
  function makeRoom(): void {
    for (const key of buckets.keys()) {
      if (buckets.size < keys && left(key) < burst) return;
      buckets.delete(key);
    }
  }

  function spend(key: string): void {
    const now = Math.max(0, left(key) - 1);
    buckets.delete(key);
    makeRoom();
    buckets.set(key, { left: now, atMs: clock.now() });
  }

  return {
    left,
    spend,
    take(key) {
      const now = left(key);
      if (now < 1) return Math.ceil(((1 - now) * 1000) / perSecond);
      spend(key);
      return undefined;
    },
    size: () => buckets.size,
  };
}
