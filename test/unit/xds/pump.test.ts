// The pump drains marked streams in the same turn, once each, and pauses after every megabyte.
import { expect, it } from 'vitest';
import type { Timer } from '../../../src/util/clock.ts';
import { createPump } from '../../../src/xds/pump.ts';
import { createFakeClock } from '../../support/fake-clock.ts';

const turn = (): Promise<void> => new Promise((resolve) => queueMicrotask(resolve));

it('merges the marks of one turn and drains in order', async () => {
  const order: string[] = [];
  const pump = createPump(createFakeClock());
  const stream = (name: string) => ({ drain: () => order.push(name) });
  const [a, b, c] = [stream('a'), stream('b'), stream('c')];
  for (const marked of [a, b, a, c, b]) pump.add(marked);
  pump.remove(c);
  expect(order).toEqual([]);
  await turn();
  expect(order).toEqual(['a', 'b']);
});

it('lets others work after a megabyte, then goes on', async () => {
  const later: (() => void)[] = [];
  const after = (_ms: number, fn: () => void): Timer => {
    later.push(fn);
    return { cancel() {} };
  };
  const pump = createPump({ ...createFakeClock(), after });
  let drained = 0;
  const big = () => ({
    drain() {
      drained++;
      return 600_000;
    },
  });
  for (let count = 0; count < 5; count++) pump.add(big());
  await turn();
  expect(drained).toBe(2);
  later.shift()?.();
  expect(drained).toBe(4);
  later.shift()?.();
  expect(drained).toBe(5);
  expect(later).toEqual([]);
});

it('reaches two thousand streams with small messages in one turn', async () => {
  const after = (): Timer => expect.unreachable('it paused');
  const pump = createPump({ ...createFakeClock(), after });
  let drained = 0;
  const small = () => ({
    drain() {
      drained++;
      return 500;
    },
  });
  for (let count = 0; count < 2000; count++) pump.add(small());
  await turn();
  expect(drained).toBe(2000);
});

it('serves what is marked during a pause after what waits already', async () => {
  const later: (() => void)[] = [];
  const after = (_ms: number, fn: () => void): Timer => {
    later.push(fn);
    return { cancel() {} };
  };
  const pump = createPump({ ...createFakeClock(), after });
  const order: string[] = [];
  const stream = (name: string) => ({
    drain() {
      order.push(name);
      return 2_000_000;
    },
  });
  const first = stream('first');
  pump.add(first);
  pump.add(stream('second'));
  await turn();
  pump.add(first);
  await turn();
  expect(order).toEqual(['first']);
  later.shift()?.();
  later.shift()?.();
  expect(order).toEqual(['first', 'second', 'first']);
  expect(later).toEqual([]);
});
