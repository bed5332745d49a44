import { describe, expect, it } from 'vitest';
import { createFakeClock } from '../../support/fake-clock.ts';

describe('createFakeClock', () => {
  it('fires timers in order of time, then of creation, each at its own time', () => {
    const clock = createFakeClock();
    const seen: string[] = [];
    clock.after(20, () => seen.push(`b@${clock.now()}`));
    clock.after(10, () => seen.push(`a@${clock.now()}`));
    clock.after(20, () => seen.push(`c@${clock.now()}`));
    clock.after(31, () => seen.push('late'));
    clock.advance(30);
    expect(seen).toEqual(['a@10', 'b@20', 'c@20']);
    expect(clock.now()).toBe(30);
    expect(clock.nextIn()).toBe(1);
  });

  it('runs timers that timers create, within the same advance', () => {
    const clock = createFakeClock();
    let ticks = 0;
    const tick = (): void => {
      ticks++;
      clock.after(10, tick);
    };
    clock.after(10, tick);
    clock.advance(35);
    expect(ticks).toBe(3);
    expect(clock.pending()).toBe(1);
  });

  it('lets promise chains run between timers with advanceAsync', async () => {
    const clock = createFakeClock();
    const seen: number[] = [];
    const loop = async (): Promise<void> => {
      for (let round = 0; round < 3; round++) {
        await clock.sleep(10);
        seen.push(clock.now());
      }
    };
    const done = loop();
    await clock.advanceAsync(30);
    await done;
    expect(seen).toEqual([10, 20, 30]);
  });

  it('wakes a sleeper when its signal aborts, and leaves no timer', async () => {
    const clock = createFakeClock();
    const stop = new AbortController();
    const sleeping = clock.sleep(1000, stop.signal);
    stop.abort();
    await sleeping;
    expect(clock.pending()).toBe(0);
    await clock.sleep(1000, stop.signal);
  });

  it('cancels, and moves the wall clock apart', () => {
    const clock = createFakeClock(1000);
    const timer = clock.after(1, () => expect.unreachable());
    timer.cancel();
    timer.cancel();
    clock.advance(5);
    expect(clock.wall()).toBe(1005);
    clock.setWall(50);
    clock.advance(1);
    expect(clock.wall()).toBe(51);
    expect(clock.now()).toBe(6);
  });
});
