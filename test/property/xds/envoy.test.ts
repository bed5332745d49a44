// Whatever an Envoy and the world do, in any order: no request of its traffic fails, it ends with its view, in bounded messages.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { propertyParameters } from '../../support/property-runs.ts';
import { commands, run } from './envoy-run.ts';

describe('an Envoy loses no request and ends with its view', () => {
  it.each([
    ['sotw', true, 110],
    ['delta', true, 110],
    ['sotw', false, 20],
    ['delta', false, 20],
  ] as const)('%s, aggregated: %s', { timeout: 600_000 }, (variant, aggregated, runs) => {
    let judged = 0;
    const property = fc.property(commands, (given) => {
      judged += run(variant, aggregated, given).judged;
    });
    fc.assert(property, propertyParameters(runs));
    // Traffic was looked at, and often: on one stream.
    if (aggregated) expect(judged).toBeGreaterThan(0);
  });
  it('SotW and delta end equal', { timeout: 600_000 }, () => {
    fc.assert(
      fc.property(commands, (given) => {
        const [delta, sotw] = [run('delta', true, given), run('sotw', true, given)];
        if (!delta.strays && !sotw.strays) expect([...delta.held].sort()).toEqual([...sotw.held].sort());
      }),
      propertyParameters(20),
    );
  });
});
