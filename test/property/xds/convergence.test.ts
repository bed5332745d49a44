// Whatever a client and the world do, in any order, the client ends with what its view holds, in bounded messages.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Resource } from '../../../src/resources/resource.ts';
import { shortNames, type TypeUrl, typeUrls } from '../../../src/resources/type-urls.ts';
import { createMessages } from '../../../src/xds/responses.ts';
import { isFullType } from '../../../src/xds/type-state.ts';
import { propertyParameters } from '../../support/property-runs.ts';
import { differences, resource } from '../../support/static-views.ts';
import { type Driver, drive } from '../../unit/xds/driver.ts';
import { createModelClient, type ModelClient, modelTypes } from './model-client.ts';

const names = ['a', 'b', 'c', 'd'] as const;
type Name = (typeof names)[number];

/** What one name of one type contains: nothing, or one of a few contents, one of them refused by the client. */
type World = Readonly<Record<string, string>>;

const content = fc.constantFrom('', '', '1', '2', '3', 'bad');
const keys = modelTypes.flatMap((type) => names.map((name) => `${shortNames[type]} ${name}`));
const world = fc
  .tuple(...keys.map(() => content))
  .map((contents): World => Object.fromEntries(contents.flatMap((value, at) => (value ? [[keys[at], value]] : []))));

type Command =
  | { readonly do: 'watch' | 'unwatch' | 'stale'; readonly type: TypeUrl; readonly name: Name }
  | { readonly do: 'publish'; readonly world: World }
  | { readonly do: 'read' | 'reconnect' | 'timeout' | 'block' | 'unblock' };

const type = fc.constantFrom(...modelTypes);
const name = fc.constantFrom(...names);
const command: fc.Arbitrary<Command> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ do: fc.constant('watch' as const), type, name }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('unwatch' as const), type, name }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('stale' as const), type, name }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('publish' as const), world }) },
  { weight: 8, arbitrary: fc.record({ do: fc.constantFrom('read' as const) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constantFrom('reconnect' as const, 'timeout' as const, 'block' as const, 'unblock' as const),
    }),
  },
);

function resourcesOf(contents: World): Resource[] {
  const parent: Partial<Record<TypeUrl, TypeUrl>> = {
    [typeUrls.cluster]: typeUrls.endpoints,
    [typeUrls.listener]: typeUrls.routes,
    [typeUrls.routes]: typeUrls.cluster,
  };
  return Object.entries(contents).flatMap(([key, value]) => {
    const [short, itsName = ''] = key.split(' ');
    const itsType = modelTypes.find((type) => shortNames[type] === short) ?? typeUrls.cluster;
    const child = parent[itsType];
    const deps = child === undefined ? [] : [{ type: child, name: itsName }];
    return [resource(itsType, itsName, { content: value, deps })];
  });
}

/** Which type names resources of a type, for as long as it is there itself. */
const users: Partial<Record<TypeUrl, TypeUrl>> = {
  [typeUrls.endpoints]: typeUrls.cluster,
  [typeUrls.routes]: typeUrls.listener,
};

/** Reads everything, then lets time pass, until nothing more comes. Throws if it never ends. */
function settle(client: ModelClient, driver: Driver): void {
  let reads = 0;
  for (let round = 0; round < 20; round++) {
    while (client.read()) if (++reads > 400) throw new Error('messages without end');
    const timers = [...driver.timers];
    if (timers.length === 0) return;
    for (const timer of timers) driver.fire(timer);
  }
  throw new Error('timers without end');
}

function run(variant: 'sotw' | 'delta', commands: readonly Command[], last: World): void {
  const messages = createMessages('test', 'e');
  let resources: readonly Resource[] = [];
  const connect = (): Driver => drive({ variant, resources, messages });
  let driver = connect();
  const client = createModelClient(variant);
  client.connect(driver);
  const publish = (contents: World): void => {
    const next = resourcesOf(contents);
    for (const changed of differences(resources, next))
      if (next.some((item) => item.type === changed.type && item.name === changed.name))
        client.changed(changed.type, changed.name);
    resources = next;
    driver.publish(resources);
  };
  for (const next of commands) {
    if (next.do === 'watch') client.watch(next.type, next.name);
    else if (next.do === 'unwatch') client.unwatch(next.type, next.name);
    else if (next.do === 'stale') client.stale(next.type);
    else if (next.do === 'publish') publish(next.world);
    else if (next.do === 'read') client.read();
    else if (next.do === 'block') driver.event({ kind: 'blocked' });
    else if (next.do === 'unblock') driver.event({ kind: 'writable' });
    else if (next.do === 'reconnect') {
      driver = connect();
      client.connect(driver);
    } else {
      // An answer that takes too long is not what this property is about: the gates' limits are.
      for (const timer of ['make', 'break'] as const) if (driver.timers.has(timer)) driver.fire(timer);
    }
  }
  driver.event({ kind: 'writable' });
  settle(client, driver);
  // A listener or route may wait for what a refused cluster keeps from it: clusters and endpoints are always answered.
  for (const itsType of [typeUrls.cluster, typeUrls.endpoints])
    expect([...client.watched(itsType).owed.keys()], `${itsType}: every name that was asked for is answered`).toEqual(
      [],
    );
  // A last world without bad content, so that what is wanted is unambiguous.
  publish(Object.fromEntries(Object.entries(last).map(([key, value]) => [key, value === 'bad' ? '4' : value])));
  settle(client, driver);

  for (const itsType of modelTypes) {
    const { asked, wildcard, names: watched, held } = client.watched(itsType);
    if (!asked) continue;
    const covered = resources.filter((item) => item.type === itsType && (wildcard || watched.has(item.name)));
    const wanted = Object.fromEntries(covered.map((item) => [item.name, item.version]));
    // What a listener or cluster of the client still names is left to it, even if the view lacks it (R52).
    const user = users[itsType];
    const named = (heldName: string): boolean =>
      user !== undefined && !(heldName in wanted) && client.watched(user).held.has(heldName);
    const has = Object.fromEntries(
      [...held].filter(([heldName]) => (wildcard || watched.has(heldName)) && !named(heldName)),
    );
    if (variant === 'delta' || isFullType(itsType)) expect(has, itsType).toEqual(wanted);
    // In SotW nothing says that a named resource is gone; what exists must be right.
    else expect(has, itsType).toMatchObject(wanted);
  }
  const before = driver.sent.length;
  for (const itsType of modelTypes) client.stale(itsType);
  expect(driver.sent.length, 'a stale nonce asks for nothing').toBe(before);
}

describe('a client always ends with its view', () => {
  for (const variant of ['sotw', 'delta'] as const)
    it(variant, { timeout: 600_000 }, () => {
      fc.assert(
        fc.property(fc.array(command, { maxLength: 60 }), world, (commands, last) => run(variant, commands, last)),
        propertyParameters(variant === 'delta' ? 140 : 30),
      );
    });
});
