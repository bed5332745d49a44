// A Clock that moves only when a test says so. Timers fire in order of their time, then of their creation.
// Invariant: nothing here reads the real time.
import type { Clock, Timer } from '../../src/util/clock.ts';

export interface FakeClock extends Clock {
  /** Moves time forward by `ms`, running every timer that falls due, in order, each at its own time. */
  advance(ms: number): void;
  /** The same, letting pending promises run before the first, between any two and after the last timer. */
  advanceAsync(ms: number): Promise<void>;
  /** Lets all pending promises run without moving time. */
  settle(): Promise<void>;
  /** Sets the wall clock apart from the monotonic one, as an administrator would. */
  setWall(wallMs: number): void;
  /** Timers not yet fired or cancelled. */
  pending(): number;
  /** Milliseconds until the next timer, or undefined. */
  nextIn(): number | undefined;
}

interface Entry {
  readonly at: number;
  readonly order: number;
  readonly fn: () => void;
}

/** `wallMs` is the wall clock at the start; the default is a fixed day. */
export function createFakeClock(wallMs = Date.UTC(2030, 0, 1)): FakeClock {
  let now = 0;
  let wallOffset = wallMs;
  let order = 0;
  const entries = new Set<Entry>();

  function earliest(limit: number): Entry | undefined {
    let best: Entry | undefined;
    for (const entry of entries) {
      if (entry.at > limit) continue;
      if (best === undefined || entry.at < best.at || (entry.at === best.at && entry.order < best.order)) best = entry;
    }
    return best;
  }
  function fireNext(limit: number): boolean {
    const entry = earliest(limit);
    if (entry === undefined) return false;
    entries.delete(entry);
    now = Math.max(now, entry.at);
    entry.fn();
    return true;
  }
  // setImmediate runs after the microtask queue is empty; two rounds also cover promise chains started by I/O callbacks.
  const settle = async (): Promise<void> => {
    for (let round = 0; round < 2; round++) await new Promise<void>((resolve) => setImmediate(resolve));
  };
  const after = (ms: number, fn: () => void): Timer => {
    const entry: Entry = { at: now + Math.max(0, ms), order: order++, fn };
    entries.add(entry);
    return { cancel: () => void entries.delete(entry) };
  };

  return {
    now: () => now,
    wall: () => wallOffset + now,
    after,
    sleep: (ms, signal) =>
      new Promise((resolve) => {
        if (signal?.aborted) return resolve();
        const done = (): void => {
          timer.cancel();
          signal?.removeEventListener('abort', done);
          resolve();
        };
        const timer = after(ms, done);
        signal?.addEventListener('abort', done, { once: true });
      }),
    advance(ms) {
      const end = now + ms;
      while (fireNext(end));
      now = end;
    },
    async advanceAsync(ms) {
      const end = now + ms;
      await settle();
      while (fireNext(end)) await settle();
      now = end;
      await settle();
    },
    settle,
    setWall(value) {
      wallOffset = value - now;
    },
    pending: () => entries.size,
    nextIn: () => {
      const next = earliest(Number.POSITIVE_INFINITY);
      return next === undefined ? undefined : Math.max(0, next.at - now);
    },
  };
}
