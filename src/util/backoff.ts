// Waiting times between tries: exponential with full jitter, and a token bucket for loops that must not spin.
import type { Clock } from './clock.ts';
import type { Random } from './random.ts';

export interface Backoff {
  /** Milliseconds to wait before the next try; grows with each call. */
  next(): number;
  /** Call after a success. */
  reset(): void;
}

/** Doubles from `baseMs` to `maxMs`; each wait is drawn from [half, whole] of the step, so replicas spread out. */
export function createBackoff(random: Random, baseMs = 100, maxMs = 10_000): Backoff {
  let step = baseMs;
  return {
    next() {
      const wait = step / 2 + random() * (step / 2);
      step = Math.min(step * 2, maxMs);
      return wait;
    },
    reset() {
      step = baseMs;
    },
  };
}

export interface TokenBucket {
  /** Takes one token; returns the milliseconds to wait before acting (0 when one was there). */
  take(): number;
}

/** `burst` tokens at most, refilled at `perSecond`. The debt is remembered, so callers that wait stay on the rate. */
export function createTokenBucket(clock: Clock, burst: number, perSecond: number): TokenBucket {
  let tokens = burst;
  let at = clock.now();
  return {
    take() {
      const now = clock.now();
      tokens = Math.min(burst, tokens + ((now - at) / 1000) * perSecond);
      at = now;
      tokens -= 1;
      return tokens >= 0 ? 0 : (-tokens / perSecond) * 1000;
    },
  };
}
