// How often one address may fail before it is not listened to for a while: a bucket an address, filled again with time.
// It must not know credentials. Invariant: the number of addresses kept is bounded, and success costs nothing.
import type { Clock } from '../util/clock.ts';
import { addressGroup } from './address-group.ts';

export interface FailureLimitOptions {
  /** Failures at once. Default 60: a machine full of proxies whose token ended is not an attack. */
  readonly burst?: number;
  /** Default 5. */
  readonly perSecond?: number;
  /** Addresses kept. Default 10,000. */
  readonly addresses?: number;
}

export interface FailureLimit {
  readonly blocked: (address: string) => boolean;
  readonly failed: (address: string) => void;
  /** Addresses kept now. */
  readonly size: () => number;
}

export function createFailureLimit(clock: Clock, options: FailureLimitOptions = {}): FailureLimit {
  const { burst = 60, perSecond = 5, addresses = 10_000 } = options;
  /** What is left, and when that was; the address that failed last stands last. */
  const buckets = new Map<string, { readonly left: number; readonly atMs: number }>();

  function left(group: string): number {
    const bucket = buckets.get(group);
    if (bucket === undefined) return burst;
    return Math.min(burst, bucket.left + ((clock.now() - bucket.atMs) / 1000) * perSecond);
  }

  /** The oldest go first: those that are full again by now, and where that is not enough, the rest. */
  function makeRoom(): void {
    for (const group of buckets.keys()) {
      if (buckets.size < addresses && left(group) < burst) return;
      buckets.delete(group);
    }
  }

  return {
    blocked: (address) => left(addressGroup(address)) < 1,
    failed(address) {
      const group = addressGroup(address);
      const now = Math.max(0, left(group) - 1);
      buckets.delete(group);
      makeRoom();
      buckets.set(group, { left: now, atMs: clock.now() });
    },
    size: () => buckets.size,
  };
}
