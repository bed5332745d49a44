import { describe, expect, it } from 'vitest';
import { createBell } from '../../../src/sources/bell.ts';
import { createFakeClock } from '../../support/fake-clock.ts';

function start() {
  const clock = createFakeClock();
  const abort = new AbortController();
  const bell = createBell(clock, abort.signal);
  let woken = 0;
  const wait = (): void => {
    void bell.wait(100).then(() => woken++);
  };
  return { clock, abort, bell, wait, woken: () => woken };
}

describe('a bell', () => {
  it('wakes when it is rung, after its time, and on abort, leaving no timer', async () => {
    const { clock, abort, bell, wait, woken } = start();
    wait();
    await clock.advanceAsync(50);
    expect(woken()).toBe(0);
    bell.ring();
    await clock.settle();
    expect(woken()).toBe(1);
    wait();
    await clock.advanceAsync(100);
    expect(woken()).toBe(2);
    wait();
    await clock.settle();
    abort.abort();
    await clock.settle();
    expect(woken()).toBe(3);
    expect(clock.pending()).toBe(0);
  });

  it('keeps a ring that nobody waited for, and many as one', async () => {
    const { clock, bell, wait, woken } = start();
    bell.ring();
    bell.ring();
    wait();
    await clock.settle();
    expect(woken()).toBe(1);
    wait();
    await clock.settle();
    expect(woken()).toBe(1);
    await clock.advanceAsync(100);
    expect(woken()).toBe(2);
  });
});
