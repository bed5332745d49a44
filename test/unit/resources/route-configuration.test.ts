import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { encodeRouteConfiguration, virtualHostField } from '../../../src/resources/route-configuration.ts';
import { typeUrls } from '../../../src/resources/type-urls.ts';
import { propertyRuns } from '../../support/property-runs.ts';
import { testProtos } from '../../support/protos.ts';

const text = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 200 });
const virtualHost = fc.record({
  name: text,
  domains: fc.array(text, { minLength: 1, maxLength: 3 }),
  routes: fc.array(fc.record({ match: fc.record({ prefix: text }), route: fc.record({ cluster: text }) }), {
    maxLength: 3,
  }),
});

describe('encodeRouteConfiguration', () => {
  it('gives the bytes of encoding the whole', () => {
    fc.assert(
      fc.property(
        text,
        fc.array(virtualHost, { maxLength: 5 }),
        fc.array(text, { maxLength: 2 }),
        (name, virtualHosts, responseHeadersToRemove) => {
          const protos = testProtos();
          const whole = protos.encode(typeUrls.routes, {
            name,
            virtualHosts,
            responseHeadersToRemove,
            ignorePortInHostMatching: true,
          });
          const chunks = virtualHosts.map((json) => virtualHostField(protos.encode(typeUrls.virtualHost, json)));
          expect(
            Buffer.from(encodeRouteConfiguration({ name, virtualHosts: chunks, responseHeadersToRemove })).equals(
              whole,
            ),
          ).toBe(true);
        },
      ),
      { numRuns: propertyRuns(60) },
    );
  });
});
