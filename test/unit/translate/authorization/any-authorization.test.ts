// Whatever the schema lets through is served: every policy can be encoded, on requests and on connections, and the proto's
// own rules hold for it.
import { generateKeyPairSync } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { jsonSchema } from '../../../../src/model/json-schema.ts';
import { serviceId } from '../../../../src/model/names.ts';
import { nextWorld } from '../../../../src/model/next-world.ts';
import { typeUrls } from '../../../../src/resources/type-urls.ts';
import { createTranslator } from '../../../../src/translate/translate.ts';
import { objectSnapshot, registrySnapshot } from '../../../support/objects.ts';
import { propertyParameters } from '../../../support/property-runs.ts';
import { testProtos } from '../../../support/protos.ts';
import { type JsonSchema, schemaArbitrary } from '../../../support/schema-arbitrary.ts';
import { testInstance } from '../../../support/worlds.ts';

const callers = fc.oneof(
  fc.constantFrom('*', 'web', 'web.a', 'prod/web', 'gateway/edge', 'gateway/a..b'),
  fc.stringMatching(/^[A-Za-z0-9]([A-Za-z0-9._-]{0,8}[A-Za-z0-9])?$/),
);
const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const keys = JSON.stringify({ keys: [{ ...publicKey.export({ format: 'jwk' }), kid: 'one' }] });
const claim = fc.record({
  claim: fc.oneof(fc.string({ minLength: 1, maxLength: 12 }), fc.constant(['a', 'b.c'])),
  exact: fc.string({ minLength: 1, maxLength: 12, unit: 'grapheme' }),
});
/** What every one of them declares. */
const jwt = [{ issuer: 'https://idp.example', audiences: ['cart'], jwks: { inline: keys } }];
const [schema] = Object.values((jsonSchema('Authorization') as JsonSchema).definitions ?? {});
const object = schemaArbitrary(schema ?? {}, {
  pools: {
    'metadata.name': fc.constantFrom('a', 'b.c', 'A_d'),
    'spec.service': fc.constant('cart'),
    namespace: fc.constant('default'),
    'from.items': callers,
    'spec.jwt': fc.constant(jwt),
    'items.jwt': fc.record({ claims: fc.array(claim, { minLength: 1, maxLength: 3 }) }),
    creationTimestamp: fc.constant('2026-01-31T12:00:00Z'),
  },
  exclusive: [{ keys: ['allow', 'deny'], needed: true }],
});

describe('any Authorization', () => {
  it.each(['http', 'tcp'])('of a service that speaks %s is encoded', (protocol) => {
    let served = 0;
    fc.assert(
      fc.property(fc.array(object, { minLength: 1, maxLength: 3 }), (objects) => {
        const texts = objects.map((one, index) => {
          const { spec } = one as { readonly spec: object };
          return [`${index}.yaml`, JSON.stringify({ ...(one as object), spec: { ...spec, jwt } })] as const;
        });
        const service = `apiVersion: chancery/v1\nkind: Service\nmetadata: {name: cart}\nspec: {protocol: ${protocol}, tls: permissive}\n`;
        const world = nextWorld(undefined, {
          registries: [registrySnapshot({ web: [testInstance('web')] })],
          objects: [objectSnapshot({ ...Object.fromEntries(texts), 'service.yaml': service })],
          certificates: true,
        });
        served += world.problems.some(({ code }) => code === 'CH1247') ? 0 : world.authorizations.size;
        const inbound = [{ address: '127.0.0.1', port: 21_000, appAddress: '127.0.0.1', appPort: 80 }];
        const content = createTranslator({ protos: testProtos() }).view(world, {
          ...{ role: 'sidecar', service: serviceId('default', 'cart'), inbound, upstreams: [] },
        });
        expect(content.problems.filter(({ severity }) => severity === 'error')).toEqual([]);
        expect(content.resources.get(typeUrls.listener)?.size).toBe(1);
        expect(content.resources.get(typeUrls.routes)?.size).toBe(protocol === 'tcp' ? 0 : 1);
      }),
      propertyParameters(40),
    );
    // The schema's values are those that are parsed.
    expect(served).toBeGreaterThan(10);
  });
});
