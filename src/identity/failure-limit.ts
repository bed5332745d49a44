// How often one address may fail before it is not listened to for a while: a bucket an address, filled again with time.
// It must not know credentials. Invariant: the number of addresses kept is bounded, and success costs nothing.
import type { Clock } from '../util/clock.ts';
import { createTokenBuckets } from '../util/token-buckets.ts';
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
  const buckets = createTokenBuckets(clock, { burst, perSecond, keys: addresses });
  return {
    blocked: (address) => buckets.left(addressGroup(address)) < 1,
    failed: (address) => buckets.spend(addressGroup(address)),
    size: buckets.size,
  };
}
