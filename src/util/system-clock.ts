// The real clock. Only main.ts, bench and end-to-end tests create it.
import type { Clock } from './clock.ts';

export function createSystemClock(): Clock {
  return {
    now: () => performance.now(),
    wall: () => Date.now(),
    after(ms, fn) {
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
