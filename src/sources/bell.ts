// Wakes one waiting loop: by a ring, after a time, or when the loop is to end.
// Invariant: a ring while nobody waits is not lost; many rings before a wait are one.
import type { Clock } from '../util/clock.ts';

export interface Bell {
  ring(): void;
  /** Resolves at the next ring (at once if there was one since the last wait), after `ms`, or on abort. */
  wait(ms: number): Promise<void>;
}

export function createBell(clock: Clock, signal: AbortSignal): Bell {
  let rung = false;
  let wake: (() => void) | undefined;
  const ring = (): void => {
    rung = true;
    wake?.();
  };
  signal.addEventListener('abort', ring, { once: true });
  return {
    ring,
    async wait(ms) {
      if (!rung && !signal.aborted)
        await new Promise<void>((resolve) => {
          const timer = clock.after(ms, resolve);
          wake = () => {
            timer.cancel();
            resolve();
          };
        });
      wake = undefined;
      rung = false;
    },
  };
}
