// How often one may ask the HTTP API: by token for those who have one that holds, by address for everybody else.
// It must not know routes. Invariant: what strangers ask never takes from what a token may.
import { addressGroup } from '../identity/address-group.ts';
import type { Asker } from '../model/access.ts';
import type { Clock } from '../util/clock.ts';
import { createTokenBuckets } from '../util/token-buckets.ts';
import { tooMany } from './fault.ts';

export interface RateLimitOptions {
  /** Of one token: at once, and a second. Default 1,000 and 200. */
  readonly token?: { readonly burst: number; readonly perSecond: number };
  /** Of one address without one. Default 300 and 50: a room full of machines that join comes from one address. */
  readonly address?: { readonly burst: number; readonly perSecond: number };
}

export interface RateLimit {
  /** Throws a Fault of 429 that says when to come again. */
  spend(asker: Asker, address: string): void;
}

export function createRateLimit(clock: Clock, options: RateLimitOptions = {}): RateLimit {
  const { token = { burst: 1_000, perSecond: 200 }, address: stranger = { burst: 300, perSecond: 50 } } = options;
  const tokens = createTokenBuckets(clock, { ...token, keys: 1_100 });
  const addresses = createTokenBuckets(clock, { ...stranger, keys: 10_000 });
  return {
    spend(asker, address) {
      const known = asker.kind === 'role';
      const waitMs = known ? tokens.take(asker.name) : addresses.take(addressGroup(address));
      if (waitMs === undefined) return;
      const whose = known ? `the token "${asker.name}"` : 'this address';
      throw tooMany(`too many requests of ${whose}`, Math.ceil(waitMs / 1000));
    },
  };
}
