// The order in which certificates are signed.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Urgency } from '../../../src/ca/contract.ts';
import { createIssuanceQueue } from '../../../src/ca/issuance.ts';
import { propertyParameters } from '../../support/property-runs.ts';

const ranks: readonly Urgency[] = ['none-yet', 'expiring', 'rotation', 'routine'];

describe('the queue', () => {
  it('gives what is needed most, the oldest of it first, what came back before that; against a sorted list', () => {
    const step = fc.oneof(
      fc.record({ kind: fc.constant('push' as const), urgency: fc.constantFrom(...ranks) }),
      fc.record({ kind: fc.constant('take' as const) }),
      fc.record({ kind: fc.constant('back' as const) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const queue = createIssuanceQueue<{ readonly urgency: Urgency; readonly id: number }>();
        const model: { urgency: Urgency; id: number; fresh: number; at: number }[] = [];
        let last: { readonly urgency: Urgency; readonly id: number } | undefined;
        let at = 0;
        for (const { kind, ...rest } of steps) {
          at++;
          if (kind === 'push' && 'urgency' in rest) {
            const item = { urgency: rest.urgency, id: at };
            queue.push(item.urgency, item);
            model.push({ ...item, fresh: 1, at });
          } else if (kind === 'back' && last !== undefined) {
            queue.putBack(last.urgency, last);
            model.push({ ...last, fresh: 0, at });
            last = undefined;
          } else if (kind === 'take') {
            model.sort(
              (a, b) => ranks.indexOf(a.urgency) - ranks.indexOf(b.urgency) || a.fresh - b.fresh || a.at - b.at,
            );
            const expected = model.shift()?.id;
            expect(queue.peek()?.id).toBe(expected);
            last = queue.take();
            expect(last?.id).toBe(expected);
          }
          expect(queue.size()).toBe(model.length);
        }
      }),
      propertyParameters(300),
    );
  });
});
