import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { encodeLoadAssignment, loadAssignmentJson } from '../../../src/resources/load-assignment.ts';
import { typeUrls } from '../../../src/resources/type-urls.ts';
import { propertyRuns } from '../../support/property-runs.ts';
import { testProtos } from '../../support/protos.ts';

const name = fc.string({ unit: 'grapheme', maxLength: 40 });
const endpoint = fc.record({
  address: fc.oneof(fc.ipV4(), fc.ipV6()),
  port: fc.integer({ min: 1, max: 65_535 }),
  healthStatus: fc.constantFrom(1 as const, 2 as const),
  weight: fc.oneof(fc.integer({ min: 1, max: 128 }), fc.integer({ min: 1, max: 4_294_967_295 })),
  plaintext: fc.boolean(),
});
const locality = fc.record({
  region: name,
  zone: name,
  subZone: name,
  endpoints: fc.array(endpoint, { maxLength: 20 }),
});

describe('encodeLoadAssignment', () => {
  it('writes the very bytes of the library', () => {
    fc.assert(
      fc.property(name, fc.array(locality, { maxLength: 4 }), (cluster, localities) => {
        const whole = testProtos().encode(typeUrls.endpoints, loadAssignmentJson(cluster, localities));
        expect(Buffer.from(encodeLoadAssignment(cluster, localities)).equals(whole)).toBe(true);
      }),
      { numRuns: propertyRuns(60) },
    );
  });

  it('writes lengths above one byte', () => {
    const endpoints = Array.from({ length: 500 }, (_, port) => ({
      address: '10.0.0.1',
      port: port + 1,
      healthStatus: 1 as const,
      weight: 1,
    }));
    const localities = [{ region: 'r'.repeat(300), zone: '', subZone: '', endpoints }];
    const whole = testProtos().encode(typeUrls.endpoints, loadAssignmentJson('cart', localities));
    expect(Buffer.from(encodeLoadAssignment('cart', localities)).equals(whole)).toBe(true);
  });
});
