// Blocking queries: an answer held back until its index passes the one the caller has, or the wait is over.
// As in Consul: 5 minutes by default, at most 10, plus up to a sixteenth so that waiters do not return together; an index
// ahead of ours waits too (that is why callers must drop theirs after an error). It must not know what is answered.
import type { Clock } from '../../util/clock.ts';
import type { Random } from '../../util/random.ts';
import { durationMs } from './registration.ts';

export interface Wait {
  /** 0: answer at once. */
  readonly index: number;
  readonly waitMs: number;
}

export function readWait(query: URLSearchParams, random: Random): Wait {
  const index = Number(query.get('index') ?? 0);
  const asked = durationMs(query.get('wait') ?? '') ?? 300_000;
  const bounded = Math.min(asked === 0 ? 300_000 : asked, 600_000);
  return { index: Number.isFinite(index) ? index : 0, waitMs: bounded + (random() * bounded) / 16 };
}

/** Resolves when the index has passed, the wait is over, or `signal` aborts. `subscribe` tells of every change. */
export function blockUntil(
  clock: Clock,
  wait: Wait,
  source: {
    readonly index: () => number;
    readonly subscribe: (listener: () => void) => () => void;
    readonly signal: AbortSignal;
  },
): Promise<void> {
  if (wait.index <= 0 || source.index() > wait.index || source.signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const done = (): void => {
      timer.cancel();
      stop();
      source.signal.removeEventListener('abort', done);
      resolve();
    };
    const stop = source.subscribe(() => {
      if (source.index() > wait.index) done();
    });
    const timer = clock.after(wait.waitMs, done);
    source.signal.addEventListener('abort', done, { once: true });
  });
}
