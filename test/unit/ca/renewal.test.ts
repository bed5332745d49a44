// When a certificate is renewed.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { renewAt, renewIssuerAt } from '../../../src/ca/renewal.ts';
import { propertyParameters } from '../../support/property-runs.ts';

const life = fc.record({
  fromMs: fc.integer({ min: 0, max: 4e12 }),
  lifeMs: fc.integer({ min: 1_000, max: 400 * 86_400_000 }),
});

describe('the time to renew', () => {
  it('lies between 40 and 60 % of the life, the same for the same seed', () => {
    fc.assert(
      fc.property(life, fc.string(), ({ fromMs, lifeMs }, seed) => {
        const at = renewAt({ fromMs, untilMs: fromMs + lifeMs }, seed);
        expect(Number.isInteger(at)).toBe(true);
        expect((at - fromMs) / lifeMs).toBeGreaterThanOrEqual(0.4);
        expect((at - fromMs) / lifeMs).toBeLessThanOrEqual(0.6);
        expect(renewAt({ fromMs, untilMs: fromMs + lifeMs }, seed)).toBe(at);
      }),
      propertyParameters(500),
    );
  });

  it('is spread over seeds evenly', () => {
    const tenths = Array.from({ length: 10 }, () => 0);
    const proxies = 5_000;
    for (let index = 0; index < proxies; index++) {
      const share = renewAt({ fromMs: 0, untilMs: 86_400_000 }, `web-${index}`) / 86_400_000;
      const tenth = Math.min(9, Math.floor(((share - 0.4) / 0.2) * 10));
      tenths[tenth] = (tenths[tenth] ?? 0) + 1;
    }
    // Five standard deviations of a fair draw.
    for (const count of tenths) expect(Math.abs(count - proxies / 10)).toBeLessThan(5 * Math.sqrt(proxies * 0.09));
  });

  it('leaves a day-old fleet nine hours without a control plane', () => {
    fc.assert(
      fc.property(fc.string(), (seed) => {
        const day = { fromMs: 0, untilMs: 86_400_000 };
        expect(day.untilMs - renewAt(day, seed)).toBeGreaterThanOrEqual(9 * 3_600_000);
      }),
      propertyParameters(200),
    );
  });

  it('is half of the life for what signs', () => {
    expect(renewIssuerAt({ fromMs: 1_000, untilMs: 8_000 })).toBe(4_500);
  });
});
