// Worlds at random: objects as the published schema allows them, and instances beside them.
// Invariant: most of what comes out is good, so that something is tried.
import fc from 'fast-check';
import { jsonSchema } from '../../../src/model/json-schema.ts';
import { nextWorld } from '../../../src/model/next-world.ts';
import type { World } from '../../../src/model/world.ts';
import { objectSnapshot, registrySnapshot } from '../../support/objects.ts';
import { type JsonSchema, type SchemaPools, schemaArbitrary } from '../../support/schema-arbitrary.ts';
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

export const anyWorld: fc.Arbitrary<World> = fc
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
