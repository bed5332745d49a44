// The real clock. Only main.ts, bench and end-to-end tests create it.
import type { Clock } from './clock.ts';

export function createSystemClock(): Clock {
  return {
    now: () => performance.now(),
    wall: () => Date.now(),
    after(ms, fn) {
      // A timer of 0 takes a millisecond at least; what only gives way to input goes on right after it.
      if (ms <= 0) {
        const turn = setImmediate(fn);
        return { cancel: () => clearImmediate(turn) };
      }
      const timer = setTimeout(fn, ms);
      return { cancel: () => clearTimeout(timer) };
    },
    sleep(ms, signal) {
      return new Promise((resolve) => {
        if (signal?.aborted) return resolve();
        const done = (): void => {
          clearTimeout(timer);
          signal?.removeEventListener('abort', done);
          resolve();
        };
        const timer = setTimeout(done, ms);
        signal?.addEventListener('abort', done, { once: true });
      });
    },
  };
}
