// Objects as the published schema allows them, and instances at random: translation never throws, names only what exists,
// breaks none of the rules of Envoy's protos, names nothing twice, and the real Envoy takes what comes out.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { jsonSchema } from '../../../src/model/json-schema.ts';
import { nextWorld } from '../../../src/model/next-world.ts';
import type { World } from '../../../src/model/world.ts';
import { missingRefs, portClashes } from '../../../src/resources/check.ts';
import { typeUrls } from '../../../src/resources/type-urls.ts';
import { createValidator } from '../../../src/resources/validate.ts';
import type { ProxyProfile } from '../../../src/translate/profile.ts';
import { createTranslator } from '../../../src/translate/translate.ts';
import { objectSnapshot, registrySnapshot } from '../../support/objects.ts';
import { propertyRuns } from '../../support/property-runs.ts';
import { testProtos } from '../../support/protos.ts';
import { describeWith, envoyValidate } from '../../support/real-parts.ts';
import { type JsonSchema, type SchemaPools, schemaArbitrary } from '../../support/schema-arbitrary.ts';
import { ofType, staticConfig } from '../../support/static-config.ts';
import { testInstance } from '../../support/worlds.ts';

const serviceNames = ['cart', 'Cart', 'cart.prod', 'web', 'inbound', 'chancery', 'nobody'] as const;
const names = fc.constantFrom(...serviceNames);
const subsets = fc.constantFrom('v1', 'v2', '8080');
const hosts = fc.constantFrom(
  'cart',
  'CART',
  'web.service.local',
  'cart.prod',
  'shop.example',
  'a.shop.example',
  '*.shop.example',
  '*',
);
const regexes = fc.constantFrom(
  '.*',
  '/cart/.*',
  '/cart/[0-9]+',
  '[a-z]{2,5}',
  '(a|b)*',
  '\\d+\\.x',
  '(?i)abc',
  '^x$',
  '',
);
const paths = fc.oneof(
  fc.constantFrom('/', '/cart', '/cart/', '/cart/items', '//', '/a.b*(c', '/%2e%2e/x'),
  fc.stringMatching(/^\/[^?#\s]*$/, { size: 'xsmall' }),
);
const addresses = fc.constantFrom(
  '127.0.0.1',
  '::1',
  '0:0:0:0:0:0:0:1',
  '10.0.0.1',
  '0.0.0.0',
  'cart.internal',
  'localhost',
);

const options: SchemaPools = {
  pools: {
    'metadata.name': names,
    namespace: fc.constantFrom('default', 'prod'),
    'to.items.service': names,
    service: names,
    'from.items': fc.oneof(names, fc.constant('prod/cart')),
    'hosts.items': hosts,
    'spec.host': hosts,
    'gateways.items': fc.constantFrom('mesh', 'cart', 'web', 'edge'),
    subset: subsets,
    'items.where': fc.constantFrom({ v: '1' }, { v: '2' }, {}),
    path: fc.oneof(
      paths.map((exact) => ({ exact })),
      paths.map((prefix) => ({ prefix })),
      regexes.map((regex) => ({ regex })),
    ),
    'active.path': paths,
    'redirect.path': paths,
    'rewrite.prefix': paths,
    'redirect.prefix': paths,
    regex: regexes,
    'rewrite.regex': regexes.map((pattern) => ({ pattern, substitution: '\\0/x' })),
    address: addresses,
    port: fc.oneof(fc.constantFrom(80, 8080, 10000), fc.integer({ min: 1, max: 65535 })),
    creationTimestamp: fc.constantFrom('2026-01-31T12:00:00Z', '2025-01-31T12:00:00Z'),
  },
  exclusive: [
    { keys: ['to', 'redirect', 'respond'], needed: true },
    { keys: ['exact', 'prefix', 'suffix', 'regex', 'present'], needed: true },
    { keys: ['header', 'cookie', 'query', 'sourceIp'], needed: true },
    { keys: ['service', 'consul', 'etcd', 'files', 'dns', 'memory'], needed: false },
  ],
};

const kinds = (['Service', 'Route', 'Gateway', 'Mesh'] as const).flatMap((kind) =>
  Object.values((jsonSchema(kind) as JsonSchema).definitions ?? { [kind]: jsonSchema(kind) }),
);
const object = fc.oneof(...kinds.map((schema) => schemaArbitrary(schema, options)));
const instance = fc.record({
  address: addresses,
  port: fc.constantFrom(0, 80, 8080),
  health: fc.constantFrom('healthy' as const, 'warning' as const, 'critical' as const),
  weight: fc.constantFrom(1, 7, 128),
  metadata: fc.constantFrom({ v: '1' }, { v: '2' }, {}),
});
const registry = fc.dictionary(names, fc.array(instance, { maxLength: 3 }), { maxKeys: 6 });

const world: fc.Arbitrary<World> = fc
  .tuple(fc.array(object, { minLength: 1, maxLength: 12 }), registry)
  .map(([objects, services]) =>
    nextWorld(undefined, {
      registries: [
        registrySnapshot(
          Object.fromEntries(
            Object.entries(services).map(([name, items]) => [
              name,
              items.map((item, index) => testInstance(`${name}-${index}`, { ...item, key: `memory/${name}/${index}` })),
            ]),
          ),
        ),
      ],
      objects: [
        objectSnapshot(Object.fromEntries(objects.map((one, index) => [`o${index}.yaml`, JSON.stringify(one)]))),
      ],
    }),
  );

function profiles(of: World): ProxyProfile[] {
  const gateways = of.gateways.size > 0 ? [...of.gateways.keys()] : ['edge'];
  const [first] = of.services.keys();
  const sidecars = [...of.services.keys()].slice(0, 2).map(
    (service): ProxyProfile => ({
      role: 'sidecar',
      service,
      inbound: [{ address: '127.0.0.1', port: 8080, appAddress: '127.0.0.1', appPort: 80 }],
      outbound: { address: '127.0.0.1', port: 15001 },
      upstreams: first === undefined ? [] : [{ service: first, address: '::1', port: 9091 }],
    }),
  );
  return [...gateways.map((gateway): ProxyProfile => ({ role: 'gateway', gateway })), ...sidecars];
}

interface Named {
  readonly name: string;
  readonly virtual_hosts?: readonly { readonly name: string; readonly domains: readonly string[] }[];
  readonly address?: { readonly socket_address: { readonly address: string; readonly port_value: number } };
}

function twice(items: readonly string[]): string[] {
  return items.filter((item, index) => items.indexOf(item) !== index);
}

function views(of: World) {
  const translator = createTranslator({ protos: testProtos() });
  return profiles(of).map((profile) => ({
    content: translator.view(of, profile),
    endpoints: translator.endpoints(of),
  }));
}

describe('whatever the schema allows', () => {
  const valid = createValidator(testProtos());

  it('gives views that name what exists, once, and keep the rules of Envoy', () => {
    let routes = 0;
    fc.assert(
      fc.property(world, (of) => {
        routes += of.routes.length;
        for (const { content, endpoints } of views(of)) {
          const all = [...content.resources.values()].flatMap((named) => [...named.values()]);
          const missing = missingRefs(all, ({ type, name }) =>
            type === typeUrls.endpoints ? endpoints.has(name) : content.resources.get(type)?.has(name) === true,
          );
          expect(missing).toEqual([]);
          expect(content.problems.filter(({ code }) => code.startsWith('CH14'))).toEqual([]);
          for (const { type, bytes } of [...all, ...endpoints.values()])
            expect(valid(testProtos().parse(type, testProtos().decode(type, bytes)))).toEqual([]);
          for (const { virtual_hosts: items = [] } of ofType(content, typeUrls.routes) as unknown as Named[]) {
            expect(twice(items.flatMap(({ domains }) => domains.map((domain) => domain.toLowerCase())))).toEqual([]);
            expect(twice(items.map(({ name }) => name))).toEqual([]);
          }
          const listeners = ofType(content, typeUrls.listener) as unknown as Named[];
          const bound = listeners.flatMap(({ address }) => address?.socket_address ?? []);
          expect([...portClashes(bound.map(({ address, port_value: port }) => ({ address, port }))).keys()]).toEqual(
            [],
          );
        }
      }),
      { numRuns: propertyRuns(60) },
    );
    // Most of what is generated must be good, or nothing was tried.
    expect(routes).toBeGreaterThan(propertyRuns(60) / 2);
  }, 600_000);
});

describeWith(['envoy'], 'whatever the schema allows', () => {
  it('is taken by the real Envoy', async () => {
    await fc.assert(
      fc.asyncProperty(world, async (of) => {
        for (const { content, endpoints } of views(of).slice(0, 2))
          expect(await envoyValidate(staticConfig(content, endpoints))).toEqual({
            ok: true,
            output: expect.any(String) as string,
          });
      }),
      { numRuns: propertyRuns(15), endOnFailure: true },
    );
  }, 600_000);
});
