import { describe, expect, it } from 'vitest';
import { createReader } from '../../../../src/sources/consul/reader.ts';
import type { Answer } from '../../../../src/util/consul/answer.ts';
import type { ConsulClient, ReadOptions } from '../../../../src/util/consul/client.ts';
import { AppError } from '../../../../src/util/errors.ts';
import { silentLogger } from '../../../../src/util/log.ts';
import { noMetrics } from '../../../../src/util/metrics.ts';
import { createSeededRandom } from '../../../../src/util/random.ts';
import { createFakeClock } from '../../../support/fake-clock.ts';

function setup(maxConnections: number) {
  const clock = createFakeClock();
  const open: { readonly what: string; readonly blocks: boolean; answer(): void; fail(error: Error): void }[] = [];
  const client: ConsulClient = {
    read: ({ what, blocking }) => {
      const { promise, resolve, reject } = Promise.withResolvers<Answer>();
      const answer = { status: 200, index: 1, body: what, filtered: false, leaderless: false };
      open.push({ what, blocks: blocking !== undefined, answer: () => resolve(answer), fail: reject });
      return promise;
    },
    write: () => Promise.resolve(undefined),
    close: () => {},
  };
  const deps = { clock, random: createSeededRandom(1), log: silentLogger, metrics: noMetrics };
  const reader = createReader(deps, { client, source: 'consul', maxConnections });
  const signal = new AbortController().signal;
  const read = (what: string, blocks = true): Promise<Answer> => {
    const request: ReadOptions = { what, path: '/x', consistency: 'default' };
    return reader.read(blocks ? { ...request, blocking: { index: 5, waitMs: 1000 } } : request, signal);
  };
  return { clock, open, reader, read };
}

describe('reading through a bounded number of connections', () => {
  it('holds back what waits, but never what only asks', async () => {
    const { clock, open, reader, read } = setup(6);
    const reads = ['a', 'b', 'c', 'd'].map((what) => read(what));
    reads.push(read('e', false));
    await clock.settle();
    expect(open.map(({ what }) => what).sort()).toEqual(['a', 'b', 'c', 'e']);
    expect(reader.crowded(3)).toBe(false);
    expect(reader.crowded(4)).toBe(true);
    open[0]?.answer();
    await clock.settle();
    expect(open.at(-1)?.what).toBe('d');
    for (const one of open) one.answer();
    await Promise.all(reads);
  });
  it('in a hurry asks at once for what still waits for its turn, and leaves the others waiting', async () => {
    const { clock, open, reader, read } = setup(6);
    const reads = ['a', 'b', 'c', 'd', 'e'].map((what) => read(what));
    await clock.settle();
    reader.hurry();
    await clock.settle();
    expect(open.slice(3).map(({ what, blocks }) => [what, blocks])).toEqual([
      ['d', false],
      ['e', false],
    ]);
    open[3]?.answer();
    expect((await reads[3])?.body).toBe('d');
    for (const one of open) one.answer();
    await Promise.all(reads);
  });
  it('hurries no more often than its rate', async () => {
    const { clock, open, reader, read } = setup(6);
    const reads = ['a', 'b', 'c'].map((what) => read(what));
    for (let i = 0; i < 4; i++) {
      reads.push(read(`late-${i}`));
      await clock.settle();
      reader.hurry();
      await clock.settle();
      open.at(-1)?.answer();
      await clock.settle();
    }
    expect(open.filter(({ blocks }) => !blocks)).toHaveLength(2);
    for (let i = 0; i < 9; i++) {
      for (const one of open) one.answer();
      await clock.settle();
    }
    await Promise.all(reads);
  });
  it('uses fewer connections once the agent refused one', async () => {
    const { clock, open, reader, read } = setup(9);
    const reads = ['a', 'b', 'c', 'd'].map((what) => read(what));
    await clock.settle();
    open[3]?.fail(new AppError('CH1311', 'too many'));
    await expect(reads[3]).rejects.toMatchObject({ code: 'CH1311' });
    expect(reader.crowded(4)).toBe(true);
    for (const one of open) one.answer();
    await Promise.all(reads.slice(0, 3));
  });
});
