import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { nextWorld, type WorldInput } from '../../../src/model/next-world.ts';
import type { ObjectSnapshot, RegistrySnapshot } from '../../../src/model/snapshot.ts';
import type { World } from '../../../src/model/world.ts';
import { objectSnapshot, registrySnapshot } from '../../support/objects.ts';
import { propertyRuns } from '../../support/property-runs.ts';
import { testInstance } from '../../support/worlds.ts';

const runs = { numRuns: propertyRuns(25) };
const name = fc.constantFrom('cart', 'web', 'stock', 'api');

const object = fc.oneof(
  fc
    .record({ name, port: fc.integer({ min: 1, max: 3 }), host: fc.constantFrom('a.example', 'cart.service.local') })
    .map(
      (one) =>
        `apiVersion: chancery/v1\nkind: Service\nmetadata: {name: ${one.name}}\nspec: {port: ${one.port}, hosts: [${one.host}]}\n`,
    ),
  fc
    .record({ name, app: name, port: fc.integer({ min: 1, max: 3 }) })
    .map(
      (one) =>
        `apiVersion: v1\nkind: Service\nmetadata: {name: ${one.name}}\nspec: {selector: {app: ${one.app}}, ports: [{port: ${one.port}, targetPort: 8080}]}\n`,
    ),
  fc
    .record({ name, to: name, subset: fc.constantFrom('', ', subset: v1') })
    .map(
      (one) =>
        `apiVersion: chancery/v1\nkind: Route\nmetadata: {name: ${one.name}}\nspec: {hosts: [${one.name}.example], rules: [{to: [{service: ${one.to}${one.subset}}]}, {to: []}]}\n`,
    ),
  fc
    .record({ name, to: name })
    .map(
      (one) =>
        `apiVersion: linkerd.io/v1\nkind: Route\nmetadata: {name: ${one.name}}\nspec: {host: l.example, weight: 1, routes: [{service: {name: ${one.to}}}]}\n`,
    ),
  fc
    .constantFrom('500ms', '2s')
    .map(
      (connect) =>
        `apiVersion: chancery/v1\nkind: Mesh\nmetadata: {name: mesh}\nspec: {defaults: {timeouts: {connect: ${connect}}}}\n`,
    ),
  fc.constant('apiVersion: chancery/v1\nkind: Gateway\nmetadata: {name: edge}\nspec: {listeners: [{port: 80}]}\n'),
);
/** A text that is refused: its document keeps what it had, so the way here matters. */
const refused = fc.constant('kind: [\n');

const store = (source: string, text: fc.Arbitrary<string>): fc.Arbitrary<ObjectSnapshot> =>
  fc
    .dictionary(
      fc.constantFrom('a.yaml', 'b.yaml', 'c.yaml'),
      fc.array(text, { maxLength: 3 }).map((texts) => texts.join('---\n')),
    )
    .map((texts) => objectSnapshot(texts, source));

/** Addresses do not overlap between registries, so that their order carries no meaning. */
const registry = (source: string, network: number): fc.Arbitrary<RegistrySnapshot> =>
  fc
    .dictionary(
      name,
      fc.uniqueArray(fc.integer({ min: 1, max: 4 }), { maxLength: 3 }).map((ids) =>
        ids.sort().map((id) =>
          testInstance(`${id}`, {
            key: `${source}/${id}`,
            address: `10.0.${network}.${id}`,
            port: id === 1 ? 0 : 80,
          }),
        ),
      ),
    )
    .map((services) => registrySnapshot(services, { source }));

const inputOf = (text: fc.Arbitrary<string>): fc.Arbitrary<WorldInput> =>
  fc.record({
    registries: fc.tuple(registry('first', 1), registry('second', 2)),
    objects: fc.tuple(store('files', text), store('kv', text)),
  });
const input = inputOf(fc.oneof({ weight: 6, arbitrary: object }, refused));
const goodInput = inputOf(object);

function turned({ registries, objects }: WorldInput): WorldInput {
  return {
    registries: registries
      .map((snapshot) => ({ ...snapshot, services: new Map([...snapshot.services].reverse()) }))
      .reverse(),
    objects: objects
      .map((snapshot) => ({ ...snapshot, documents: new Map([...snapshot.documents].reverse()) }))
      .reverse(),
  };
}

/** Maps with their order, so that equality covers it. */
function plain(world: World): unknown {
  const { revision: _, ...rest } = world;
  return Object.entries(rest).map(([key, value]) => [key, value instanceof Map ? [...value] : (value as unknown)]);
}

describe('laws of the World', () => {
  it('the order of documents, services and sources does not matter', () => {
    fc.assert(
      fc.property(input, (given) => {
        expect(plain(nextWorld(undefined, turned(given)))).toEqual(plain(nextWorld(undefined, given)));
      }),
      runs,
    );
  });

  it('the way here does not matter while every text is good: a World equals the one made from nothing', () => {
    fc.assert(
      fc.property(fc.array(goodInput, { minLength: 1, maxLength: 4 }), (steps) => {
        let world: World | undefined;
        for (const step of steps) {
          world = nextWorld(world, step);
          expect(plain(world)).toEqual(plain(nextWorld(undefined, step)));
        }
      }),
      runs,
    );
  });

  it('remove, spoil or change, then put back, is no change', () => {
    fc.assert(
      fc.property(goodInput, input, (given, other) => {
        const before = nextWorld(undefined, given);
        expect(plain(nextWorld(nextWorld(before, other), given))).toEqual(plain(before));
      }),
      runs,
    );
  });

  it('unchanged in is the same object out', () => {
    fc.assert(
      fc.property(input, (given) => {
        const world = nextWorld(undefined, given);
        expect(nextWorld(world, given)).toBe(world);
        const copied = turned(turned(given));
        expect(nextWorld(world, copied)).toBe(world);
      }),
      runs,
    );
  });
});
