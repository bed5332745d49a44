import { describe, expect, it } from 'vitest';
import type { Frame } from '../../../src/xds/frame.ts';
import { createOutlet } from '../../../src/xds/outlet.ts';
import type { Sink } from '../../../src/xds/sink.ts';
import { createStalls } from '../../../src/xds/stalls.ts';
import { createFakeClock } from '../../support/fake-clock.ts';

describe('stalls', () => {
  it('tell each once, after its own time, and nobody who left', () => {
    const clock = createFakeClock();
    const stalls = createStalls(clock, 100);
    const told: string[] = [];
    const one = (): void => void told.push('one');
    const two = (): void => void told.push('two');
    const three = (): void => void told.push('three');
    stalls.enter(one);
    clock.advance(40);
    stalls.enter(two);
    stalls.enter(three);
    stalls.leave(three);
    clock.advance(59);
    expect(told).toEqual([]);
    clock.advance(1);
    expect(told).toEqual(['one']);
    clock.advance(40);
    expect(told).toEqual(['one', 'two']);
    stalls.enter(three);
    clock.advance(1000);
    expect(told).toEqual(['one', 'two', 'three']);
    stalls.enter(one);
    stalls.stop();
    clock.advance(1000);
    expect(told.length).toBe(3);
  });
});

describe('an outlet', () => {
  it('blocks from the first message until the last is taken, and says nothing once closed', () => {
    const clock = createFakeClock();
    const told: string[] = [];
    const pending: (() => void)[] = [];
    const outlet = createOutlet({
      sink: { write: (_frame: Frame, taken: () => void) => void pending.push(taken) } as Sink,
      stalls: createStalls(clock, 100),
      onBlocked: () => told.push('blocked'),
      onWritable: () => told.push('writable'),
      onStalled: () => told.push('stalled'),
    });
    const frame = {} as Frame;
    expect(outlet.used()).toBe(false);
    outlet.write(frame);
    outlet.write(frame);
    pending.shift()?.();
    expect(told).toEqual(['blocked']);
    pending.shift()?.();
    expect(told).toEqual(['blocked', 'writable']);
    clock.advance(1000);
    outlet.write(frame);
    clock.advance(100);
    expect(told.slice(2)).toEqual(['blocked', 'stalled']);
    outlet.write(frame);
    outlet.close();
    clock.advance(1000);
    for (const taken of pending) taken();
    expect(told.slice(4)).toEqual([]);
    expect(outlet.used()).toBe(true);
  });
});
