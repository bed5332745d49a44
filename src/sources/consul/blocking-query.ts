// One key of Consul followed by blocking queries: the rules of the loop, and nothing of what the key holds.
// Any error drops the index; an index going backwards drops it too; two token buckets keep the loop from spinning (answers
// with news go at once, up to ten a second; answers without news soon wait); failures back off with jitter;
// every few minutes the key is read whole, and what that finds is counted.
// Invariant: `run` ends only by its signal, or by a bug.
import { type Backoff, createBackoff, createTokenBucket } from '../../util/backoff.ts';
import type { Clock } from '../../util/clock.ts';
import { type Answer, stepIndex } from '../../util/consul/answer.ts';
import { AppError } from '../../util/errors.ts';
import type { Random } from '../../util/random.ts';

/**
 * - `new`: never answered.
 * - `good`: the last answer stands.
 * - `failing`: it was good; the last request failed, and what is known is the last good.
 * - `doubted`: the first answers after a failure, or after the index went backwards with other content. It becomes good
 *   when an answer `confirmMs` later brings nothing new, or after `maxDoubtMs` at the latest.
 */
export type Trust = 'new' | 'good' | 'failing' | 'doubted';

export interface BlockingQueryDeps {
  readonly clock: Clock;
  readonly random: Random;
}

export interface QueryParams {
  readonly blocking?: { readonly index: number; readonly waitMs: number };
  /** The periodic full read: never to be answered by a stale follower. */
  readonly full: boolean;
}

export interface BlockingQueryOptions {
  read(params: QueryParams, signal: AbortSignal): Promise<Answer>;
  /** Takes the content; true when it brought news. Throws AppError for an answer it cannot read. */
  take(answer: Answer): boolean;
  /** Called after each answer and each failure, when `trust` and `failure` are up to date. */
  settled(): void;
  /** The periodic full read found what no wake had told. */
  diverged(): void;
  /** How long Consul may wait now before it answers without news. */
  waitMs(): number;
  readonly timing: QueryTiming;
}

export interface QueryTiming {
  readonly confirmMs: number;
  readonly maxDoubtMs: number;
  readonly resyncMs: number;
  readonly maxBackoffMs: number;
  /** Answers without news that are followed by the next request at once, and how many a second after that. */
  readonly idleBurst: number;
  readonly idlePerSecond: number;
}

export interface BlockingQuery {
  run(signal: AbortSignal): Promise<void>;
  readonly trust: Trust;
  /** Why the last request failed; undefined after an answer. */
  readonly failure: AppError | undefined;
  /** The last answer, for its headers. */
  readonly last: Answer | undefined;
  /** Ends a back-off now: another query just got through. */
  retryNow(): void;
}

export function createBlockingQuery(deps: BlockingQueryDeps, options: BlockingQueryOptions): BlockingQuery {
  const { clock, random } = deps;
  const { timing } = options;
  const news = createTokenBucket(clock, 10, 10);
  const noNews = createTokenBucket(clock, timing.idleBurst, timing.idlePerSecond);
  const backoff: Backoff = createBackoff(random, 100, timing.maxBackoffMs);
  let trust: Trust = 'new';
  let failure: AppError | undefined;
  let last: Answer | undefined;
  let index: number | undefined;
  let doubtedAt = 0;
  let fullDueAt = 0;
  let wake = new AbortController();

  function planFull(): void {
    fullDueAt = clock.now() + timing.resyncMs * (0.75 + random() * 0.5);
  }

  function next(): QueryParams {
    const full = trust === 'good' && clock.now() >= fullDueAt;
    if (full || index === undefined) return { full };
    return { blocking: { index, waitMs: trust === 'doubted' ? timing.confirmMs : options.waitMs() }, full };
  }

  function judge(params: QueryParams, changed: boolean, backwards: boolean): void {
    const now = clock.now();
    if (trust === 'new') trust = 'good';
    else if (trust === 'failing' || (backwards && changed)) {
      trust = 'doubted';
      doubtedAt = now;
    } else if (trust === 'doubted') {
      const confirmed = !changed && params.blocking !== undefined && now - doubtedAt >= timing.confirmMs / 2;
      if (confirmed || now - doubtedAt >= timing.maxDoubtMs) trust = 'good';
    }
  }

  /** One request. Returns the milliseconds to wait before the next. */
  async function turn(signal: AbortSignal): Promise<number> {
    const params = next();
    try {
      const answer = await options.read(params, signal);
      if (signal.aborted) return 0;
      const changed = options.take(answer);
      const step = stepIndex(index, answer.index);
      judge(params, changed, step.backwards);
      failure = undefined;
      last = answer;
      index = step.next;
      if (params.blocking === undefined) planFull();
      if (params.full && changed) options.diverged();
      backoff.reset();
      options.settled();
      return changed ? news.take() : noNews.take();
    } catch (error) {
      if (signal.aborted) return 0;
      if (!(error instanceof AppError)) throw error;
      index = undefined;
      failure = error;
      if (trust !== 'new') trust = 'failing';
      options.settled();
      return backoff.next();
    }
  }

  return {
    async run(signal) {
      while (!signal.aborted) {
        const pause = await turn(signal);
        if (pause <= 0 || signal.aborted) continue;
        wake = new AbortController();
        await clock.sleep(pause, failure === undefined ? signal : AbortSignal.any([signal, wake.signal]));
      }
    },
    get trust() {
      return trust;
    },
    get failure() {
      return failure;
    },
    get last() {
      return last;
    },
    retryNow: () => wake.abort(),
  };
}
