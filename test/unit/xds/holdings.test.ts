// What a client holds, against a plain map under any sequence of changes.
import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { Resource } from '../../../src/resources/resource.ts';
import { createHoldings, held, heldResources, hold, holdExactly, release } from '../../../src/xds/holdings.ts';
import { resource } from '../../support/static-views.ts';
import { CDS } from './driver.ts';

const name = fc.constantFrom('a', 'b', 'c', 'd');
const content = fc.constantFrom('1', '2');
const step = fc.oneof(
  fc.record({ do: fc.constant('hold' as const), name, content }),
  fc.record({ do: fc.constant('release' as const), name }),
  fc.record({ do: fc.constant('exactly' as const), names: fc.uniqueArray(name), content }),
);
const records = new Map(
  ['a', 'b', 'c', 'd'].flatMap((one) => ['1', '2'].map((what) => [one + what, resource(CDS, one, { content: what })])),
);

it('is a map whose common part is shared', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
      const holdings = createHoldings();
      let model = new Map<string, Resource>();
      const shared: [ReadonlyMap<string, Resource>, readonly (readonly [string, Resource])[]][] = [];
      for (const next of steps) {
        if (next.do === 'release') {
          release(holdings, next.name);
          model.delete(next.name);
          continue;
        }
        const of = (one: string): Resource => records.get(one + next.content) as Resource;
        if (next.do === 'hold') {
          hold(holdings, of(next.name));
          model.set(next.name, of(next.name));
        } else {
          const base = new Map(next.names.map((one) => [one, of(one)]));
          shared.push([base, [...base]]);
          holdExactly(holdings, base);
          model = new Map(base);
        }
      }
      for (const one of ['a', 'b', 'c', 'd']) expect(held(holdings, one)).toBe(model.get(one));
      const all = [...heldResources(holdings)];
      expect(new Map(all.map((item) => [item.name, item]))).toEqual(model);
      expect(holdings.size).toBe(model.size);
      expect(all).toHaveLength(model.size);
      for (const [base, before] of shared) expect([...base]).toEqual(before);
    }),
    { numRuns: 200 },
  );
});
