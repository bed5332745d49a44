// Waiting for a condition of a real part, with a deadline. The only place in the tests that polls.

export interface EventuallyOptions {
  /** Give up after this long; default 20 s. */
  readonly deadlineMs?: number;
  /** Time between two tries; default 20 ms. */
  readonly everyMs?: number;
}

/**
 * Calls `fn` until it returns something other than `false` or `undefined` without throwing, and returns that.
 * At the deadline it throws the last error of `fn`, so an `expect` inside shows its own difference.
 */
export async function eventually<T>(
  fn: () => T | Promise<T>,
  { deadlineMs = 20_000, everyMs = 20 }: EventuallyOptions = {},
): Promise<Exclude<T, false | undefined>> {
  const end = performance.now() + deadlineMs;
  let failure: unknown;
  for (;;) {
    try {
      const value = await fn();
      if (value !== false && value !== undefined) return value as Exclude<T, false | undefined>;
      failure = new Error(`the condition did not hold within ${deadlineMs} ms (last value: ${String(value)})`);
    } catch (error) {
      failure = error;
    }
    if (performance.now() >= end) throw failure;
    await new Promise((resolve) => setTimeout(resolve, everyMs));
  }
}

/** Like `eventually` for a condition made of `expect` calls: holds as soon as `fn` returns without throwing. */
export async function eventuallyPasses(fn: () => unknown, options: EventuallyOptions = {}): Promise<void> {
  await eventually(async () => {
    await fn();
    return true;
  }, options);
}
