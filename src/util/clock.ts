// Time, injected. Nothing outside main.ts reads the real clock, so tests own every delay.
// Invariant: code that waits, waits on a Clock it was given.

/** A pending timer; `cancel` is idempotent. */
export interface Timer {
  cancel(): void;
}

export interface Clock {
  /** Monotonic milliseconds, fractional; only differences mean anything. */
  now(): number;
  /** Wall-clock milliseconds since the Unix epoch, for people and certificates. */
  wall(): number;
  /** Runs `fn` once after `ms` milliseconds; 0: after the input that has arrived by now. */
  after(ms: number, fn: () => void): Timer;
  /** Resolves after `ms` milliseconds, or at once (without throwing) when `signal` aborts. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}
