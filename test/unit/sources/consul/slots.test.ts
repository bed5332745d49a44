import { describe, expect, it } from 'vitest';
import { createSlots } from '../../../../src/sources/consul/slots.ts';

const forever = new AbortController().signal;
const tick = () => new Promise((resolve) => setImmediate(resolve));

function job(slots: ReturnType<typeof createSlots>, name: string, log: string[], signal = forever) {
  const { promise, resolve } = Promise.withResolvers<void>();
  const done = slots.run(signal, async () => {
    log.push(name);
    await promise;
  });
  return { done, finish: resolve };
}

describe('slots', () => {
  it('runs as many as there are, and the longest waiting next', async () => {
    const slots = createSlots(2);
    const log: string[] = [];
    const [a, b, c, d] = ['a', 'b', 'c', 'd'].map((name) => job(slots, name, log));
    await tick();
    expect(log).toEqual(['a', 'b']);
    b?.finish();
    await b?.done;
    await tick();
    expect(log).toEqual(['a', 'b', 'c']);
    for (const one of [a, c, d]) one?.finish();
    await Promise.all([a?.done, c?.done, d?.done]);
    expect(log).toEqual(['a', 'b', 'c', 'd']);
  });
  it('forgets who gives up waiting', async () => {
    const slots = createSlots(1);
    const log: string[] = [];
    const abort = new AbortController();
    const a = job(slots, 'a', log);
    const b = job(slots, 'b', log, abort.signal);
    const c = job(slots, 'c', log);
    abort.abort(new Error('gone'));
    await expect(b.done).rejects.toThrow('gone');
    a.finish();
    c.finish();
    await c.done;
    expect(log).toEqual(['a', 'c']);
  });
  it('shrinks below what is in use, and admits nobody until enough are done', async () => {
    const slots = createSlots(4);
    const log: string[] = [];
    const jobs = ['a', 'b', 'c', 'd', 'e'].map((name) => job(slots, name, log));
    await tick();
    expect(slots.shrink()).toBe(3);
    expect(slots.size).toBe(3);
    jobs[0]?.finish();
    await tick();
    expect(log).toEqual(['a', 'b', 'c', 'd']);
    jobs[1]?.finish();
    await tick();
    expect(log).toEqual(['a', 'b', 'c', 'd', 'e']);
    for (const one of jobs) one.finish();
    await Promise.all(jobs.map(({ done }) => done));
  });
});
