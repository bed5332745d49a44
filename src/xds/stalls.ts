// Who has waited too long for its transport, over all streams of a server with one timer: a timer for each message would
// cost more than the message's own bookkeeping.
// It must not know what waits. Invariant: whoever stays for the limit is told once, and is not kept after that.
import type { Clock, Timer } from '../util/clock.ts';

export interface Stalls {
  /** `expired` is called after the limit, unless it leaves before. */
  enter(expired: () => void): void;
  leave(expired: () => void): void;
  /** Tells nobody any more. */
  stop(): void;
}

export function createStalls(clock: Clock, limitMs: number): Stalls {
  /** When each came, oldest first. */
  const waiting = new Map<() => void, number>();
  let timer: Timer | undefined;

  function schedule(): void {
    const [oldest] = waiting.values();
    timer = oldest === undefined ? undefined : clock.after(Math.max(1, oldest + limitMs - clock.now()), sweep);
  }

  function sweep(): void {
    const now = clock.now();
    for (const [expired, since] of waiting) {
      if (since + limitMs > now) break;
      waiting.delete(expired);
      expired();
    }
    schedule();
  }

  return {
    enter(expired) {
      waiting.set(expired, clock.now());
      if (timer === undefined) schedule();
    },
    leave: (expired) => void waiting.delete(expired),
    stop() {
      waiting.clear();
      timer?.cancel();
      timer = undefined;
    },
  };
}
