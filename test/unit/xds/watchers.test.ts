import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createWatchers, type Watcher } from '../../../src/xds/watchers.ts';
import { propertyRuns } from '../../support/property-runs.ts';

const names = ['a', 'b', 'c', 'd'];
const command = fc.record({
  who: fc.integer({ min: 0, max: 79 }),
  what: fc.constantFrom('watch', 'unwatch', 'all', 'none', 'leave', 'change'),
  names: fc.uniqueArray(fc.constantFrom(...names), { minLength: 1 }),
});

describe('watchers', () => {
  it('are told whichever came first, however far apart they are', () => {
    for (const order of [
      [0, 9_999],
      [9_999, 0],
      [5_000, 9_999, 0],
      [4_000, 3_990, 64, 9_000],
    ]) {
      const told: number[] = [];
      const watchers = createWatchers<string>();
      const joined = Array.from({ length: 10_000 }, (_, index) => watchers.join(() => told.push(index)));
      for (const index of order) joined[index]?.watch(['a']);
      watchers.changed(['a'], 'change');
      expect(told).toEqual([...order].sort((one, other) => one - other));
      for (const index of order) joined[index]?.unwatch(['a']);
      joined[7_000]?.watch(['a']);
      watchers.changed(['a'], 'change');
      expect(told.slice(order.length)).toEqual([7_000]);
    }
  });

  it('tells those who watch a name, once, and nobody else, whoever came and went', () => {
    fc.assert(
      fc.property(fc.array(command, { maxLength: 200 }), (commands) => {
        const watchers = createWatchers<string>();
        const present = new Map<number, { watcher: Watcher; names: Set<string>; all: boolean }>();
        let told: number[] = [];
        for (const { who, what, names: chosen } of commands) {
          let one = present.get(who);
          if (one === undefined) {
            one = { watcher: watchers.join(() => told.push(who)), names: new Set(), all: false };
            present.set(who, one);
          }
          if (what === 'watch') {
            one.watcher.watch(chosen);
            for (const name of chosen) one.names.add(name);
          } else if (what === 'unwatch') {
            one.watcher.unwatch(chosen);
            for (const name of chosen) one.names.delete(name);
          } else if (what === 'all' || what === 'none') {
            one.all = what === 'all';
            one.watcher.watchAll(one.all);
          } else if (what === 'leave') {
            one.watcher.leave(one.names);
            present.delete(who);
          } else {
            told = [];
            watchers.changed(chosen, 'change');
            const expected = [...present].filter(
              ([, { names: own, all }]) => all || chosen.some((name) => own.has(name)),
            );
            expect(told.sort()).toEqual(expected.map(([id]) => id).sort());
          }
        }
      }),
      { numRuns: propertyRuns(200) },
    );
  });

  it('takes little for a name that one late stream watches, however many came before', () => {
    const watchers = createWatchers<string>();
    const joined = Array.from({ length: 10_000 }, () => watchers.join(() => {}));
    const before = process.memoryUsage().arrayBuffers;
    joined.at(-1)?.watch(Array.from({ length: 20_000 }, (_, index) => `junk-${index}`));
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(4_000_000);
  });
});
