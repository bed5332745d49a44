// A latest-wins cell between a producer and one consumer: the only queue the program owns.
// Invariant: at most one value waits; a newer one replaces it.

export interface Latest<T> {
  put(value: T): void;
  /** Takes the waiting value, or waits for the next; undefined once `signal` aborts. One caller at a time. */
  take(signal: AbortSignal): Promise<T | undefined>;
}

export function createLatest<T>(): Latest<T> {
  let waiting: { value: T } | undefined;
  let wake: (() => void) | undefined;
  return {
    put(value) {
      waiting = { value };
      wake?.();
    },
    async take(signal) {
      while (waiting === undefined) {
        if (signal.aborted) return undefined;
        await new Promise<void>((resolve) => {
          wake = resolve;
          signal.addEventListener('abort', () => resolve(), { once: true });
        });
        wake = undefined;
      }
      const { value } = waiting;
      waiting = undefined;
      return value;
    },
  };
}
