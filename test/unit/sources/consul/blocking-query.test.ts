import { describe, expect, it } from 'vitest';
import { createBlockingQuery, type QueryParams } from '../../../../src/sources/consul/blocking-query.ts';
import { defaultTiming } from '../../../../src/sources/consul/timing.ts';
import type { Answer } from '../../../../src/util/consul/answer.ts';
import { AppError } from '../../../../src/util/errors.ts';
import { createSeededRandom } from '../../../../src/util/random.ts';
import { createFakeClock } from '../../../support/fake-clock.ts';

interface Ask extends QueryParams {
  readonly atMs: number;
  /** Answers with an index; `news` is what `take` will say. */
  answer(index: number | undefined, news?: boolean): void;
  fail(error?: Error): void;
}

/** A query whose every request waits for the test to answer it. */
function harness() {
  const clock = createFakeClock();
  const asks: Ask[] = [];
  const states: string[] = [];
  let diverged = 0;
  const abort = new AbortController();
  const query = createBlockingQuery(
    { clock, random: createSeededRandom(1) },
    {
      read: (params, signal) => {
        const { promise, resolve, reject } = Promise.withResolvers<Answer>();
        signal.addEventListener('abort', () => reject(new AppError('CH1301', 'aborted')));
        asks.push({
          ...params,
          atMs: clock.now(),
          answer: (index, news = false) =>
            resolve({ status: 200, index, body: news, filtered: false, leaderless: false }),
          fail: (error = new AppError('CH1301', 'down')) => reject(error),
        });
        return promise;
      },
      take: (answer) => answer.body === true,
      settled: () => states.push(query.trust),
      diverged: () => diverged++,
      waitMs: () => 60_000,
      timing: defaultTiming,
    },
  );
  const done = query.run(abort.signal);
  return {
    clock,
    asks,
    states,
    query,
    done,
    abort,
    diverged: () => diverged,
    async last(): Promise<Ask> {
      await clock.settle();
      const ask = asks.at(-1);
      if (ask === undefined) throw new Error('nothing was asked');
      return ask;
    },
  };
}

describe('blocking query', () => {
  it('asks first without an index, then with the one it was given', async () => {
    const h = harness();
    const first = await h.last();
    expect(first.blocking).toBeUndefined();
    first.answer(5, true);
    expect((await h.last()).blocking).toEqual({ index: 5, waitMs: 60_000 });
    h.abort.abort();
    await h.done;
  });
  it('drops the index after any failure, waits with jitter, and longer each time up to the bound', async () => {
    const h = harness();
    (await h.last()).answer(5, true);
    const gaps: number[] = [];
    for (let i = 0; i < 8; i++) {
      const ask = await h.last();
      if (i > 0) expect(ask.blocking).toBeUndefined();
      const { atMs } = ask;
      ask.fail();
      await h.clock.settle();
      await h.clock.advanceAsync(h.clock.nextIn() ?? Number.NaN);
      gaps.push((await h.last()).atMs - atMs);
    }
    expect(gaps[0]).toBeGreaterThanOrEqual(50);
    expect(gaps[0]).toBeLessThanOrEqual(100);
    expect(gaps[1]).toBeGreaterThan(gaps[0] ?? 0);
    expect(Math.max(...gaps)).toBeLessThanOrEqual(defaultTiming.maxBackoffMs);
    h.abort.abort();
    await h.done;
  });
  it('doubts the first answer after a failure until a later one brings nothing new', async () => {
    const h = harness();
    (await h.last()).answer(5, true);
    (await h.last()).fail();
    await h.clock.settle();
    await h.clock.advanceAsync(100);
    (await h.last()).answer(3, true);
    const second = await h.last();
    expect(h.states).toEqual(['good', 'failing', 'doubted']);
    expect(second.blocking).toEqual({ index: 3, waitMs: defaultTiming.confirmMs });
    await h.clock.advanceAsync(defaultTiming.confirmMs);
    second.answer(3, false);
    await h.clock.settle();
    expect(h.states.at(-1)).toBe('good');
    h.abort.abort();
    await h.done;
  });
  it('goes on doubting while the answers change, but not for ever', async () => {
    const h = harness();
    (await h.last()).answer(5, true);
    (await h.last()).fail();
    await h.clock.advanceAsync(100);
    for (let index = 6; index < 40 && h.query.trust !== 'good'; index++) {
      (await h.last()).answer(index, true);
      await h.clock.advanceAsync(500);
    }
    expect(h.states.filter((state) => state === 'doubted').length).toBeGreaterThan(5);
    expect(h.query.trust).toBe('good');
    h.abort.abort();
    await h.done;
  });
  it('an index that goes backwards is dropped, and doubted only if the content differs', async () => {
    const h = harness();
    (await h.last()).answer(50, true);
    (await h.last()).answer(20, false);
    expect((await h.last()).blocking).toBeUndefined();
    expect(h.query.trust).toBe('good');
    (await h.last()).answer(20, false);
    await h.clock.advanceAsync(2000);
    (await h.last()).answer(4, true);
    expect((await h.last()).blocking).toBeUndefined();
    expect(h.query.trust).toBe('doubted');
    h.abort.abort();
    await h.done;
  });
  it('follows news at once, ten in a row, then ten a second', async () => {
    const h = harness();
    for (let index = 1; index <= 10; index++) (await h.last()).answer(index, true);
    await h.clock.settle();
    expect(h.asks).toHaveLength(11);
    expect(h.clock.now()).toBe(0);
    (await h.last()).answer(11, true);
    await h.clock.settle();
    expect(h.asks).toHaveLength(11);
    await h.clock.advanceAsync(100);
    expect(h.asks).toHaveLength(12);
    h.abort.abort();
    await h.done;
  });
  it('does not spin on answers without news: two at once, then one a second', async () => {
    const h = harness();
    (await h.last()).answer(undefined, true);
    for (let i = 0; i < 2; i++) (await h.last()).answer(undefined, false);
    await h.clock.settle();
    expect(h.asks).toHaveLength(4);
    expect(h.asks.at(-1)?.blocking?.index).toBe(1);
    h.asks.at(-1)?.answer(undefined, false);
    await h.clock.advanceAsync(900);
    expect(h.asks).toHaveLength(4);
    await h.clock.advanceAsync(100);
    expect(h.asks).toHaveLength(5);
    h.abort.abort();
    await h.done;
  });
  it('reads whole from time to time, and counts what that finds', async () => {
    const h = harness();
    (await h.last()).answer(5, true);
    let full: Ask | undefined;
    for (let minute = 0; minute < 8 && full === undefined; minute++) {
      await h.clock.advanceAsync(60_000);
      (await h.last()).answer(5, false);
      const next = await h.last();
      if (next.full) full = next;
    }
    expect(full?.blocking).toBeUndefined();
    full?.answer(5, true);
    await h.clock.settle();
    expect(h.diverged()).toBe(1);
    expect((await h.last()).blocking).toEqual({ index: 5, waitMs: 60_000 });
    h.abort.abort();
    await h.done;
  });
  it('ends a back-off when told that Consul answers again', async () => {
    const h = harness();
    (await h.last()).fail();
    await h.clock.settle();
    expect(h.asks).toHaveLength(1);
    h.query.retryNow();
    await h.clock.settle();
    expect(h.asks).toHaveLength(2);
    expect(h.clock.now()).toBe(0);
    h.abort.abort();
    await h.done;
  });
  it('lets a bug out instead of retrying it', async () => {
    const h = harness();
    (await h.last()).fail(new TypeError('a bug'));
    await expect(h.done).rejects.toThrow('a bug');
  });
  it('returns when aborted in a back-off, leaving no timer', async () => {
    const h = harness();
    (await h.last()).fail();
    await h.clock.settle();
    h.abort.abort();
    await h.done;
    expect(h.clock.pending()).toBe(0);
  });
});
