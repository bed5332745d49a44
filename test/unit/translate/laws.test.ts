// What holds for every World: the order of input does not show, what was added and removed leaves no trace, every view
// names only what exists, and nothing a user writes makes the translator throw.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Instance } from '../../../src/model/instance.ts';
import { type ServiceId, serviceId } from '../../../src/model/names.ts';
import type { Match, Route, Rule } from '../../../src/model/route.ts';
import type { Service } from '../../../src/model/service.ts';
import type { World } from '../../../src/model/world.ts';
import { missingRefs } from '../../../src/resources/check.ts';
import { typeUrls } from '../../../src/resources/type-urls.ts';
import type { ViewContent } from '../../../src/translate/contract.ts';
import { isMeshSecret } from '../../../src/translate/mutual-tls.ts';
import type { ProxyProfile } from '../../../src/translate/profile.ts';
import { createTranslator } from '../../../src/translate/translate.ts';
import { propertyRuns } from '../../support/property-runs.ts';
import { testProtos } from '../../support/protos.ts';
import { testProvenance, testRoute, testRule } from '../../support/routes.ts';
import { testInstance, testService, testWorld } from '../../support/worlds.ts';

const names = ['a', 'b', 'c'] as const;
/** One of them never exists. */
const wanted = fc.constantFrom<ServiceId>(...[...names, 'nobody'].map((name) => serviceId('default', name)));
const anyText = fc.oneof(fc.constantFrom('x', '', '%', 'é', '(', '[0-9]+'), fc.string({ maxLength: 8 }));
const textMatch = fc.oneof(
  anyText.map((exact) => ({ exact })),
  anyText.map((prefix) => ({ prefix })),
  anyText.map((regex) => ({ regex })),
  fc.constant({ present: true } as const),
);
const named = fc.record({ name: fc.constantFrom('x-a', 'x-b', 'a.b'), match: textMatch, invert: fc.boolean() });
const path = fc.oneof(
  fc.constantFrom({ prefix: '/' }, { prefix: '/a' }, { prefix: '/a/b/' }, { exact: '/a' }, { regex: '/[a-z]+' }),
  anyText.map((regex) => ({ regex })),
  anyText.map((prefix) => ({ prefix: `/${prefix}` })),
);
const match: fc.Arbitrary<Match> = fc.record(
  {
    path,
    method: fc.constantFrom('GET', 'POST'),
    headers: fc.array(named, { maxLength: 2 }),
    query: fc.array(named, { maxLength: 2 }),
    from: fc.array(wanted, { maxLength: 1 }),
    provenance: fc.constant(testProvenance('law')),
  },
  { requiredKeys: ['headers', 'query', 'from', 'provenance'] },
);
const destination = fc.record({
  service: wanted,
  weight: fc.integer({ min: 0, max: 10 }),
  provenance: fc.constant(testProvenance('law')),
});
const action: fc.Arbitrary<Rule['action']> = fc.oneof(
  fc.array(destination, { minLength: 1, maxLength: 3 }).map((to) => ({ kind: 'forward' as const, to })),
  fc.constant({ kind: 'redirect' as const, redirect: { prefix: '/x', code: 302 as const } }),
  anyText.map((body) => ({ kind: 'respond' as const, respond: { status: 418, body } })),
);
const rule = fc.record(
  {
    matches: fc.array(match, { minLength: 1, maxLength: 2 }),
    action,
    rewrite: fc.record({ prefix: fc.constantFrom('/', '/y') }),
    requestHeaders: fc.record({
      set: fc.dictionary(fc.constantFrom('x-a', ':path', 'Host'), anyText),
      add: fc.constant({}),
      remove: fc.constantFrom([], ['x-b'], [':method']),
    }),
    timeoutMs: fc.nat(5000),
  },
  { requiredKeys: ['matches', 'action'] },
);
const route = fc
  .tuple(
    fc.constantFrom('r1', 'r2', 'r3', 'r4'),
    fc.record(
      {
        hosts: fc.uniqueArray(fc.constantFrom('a', 'a.service.local', 'shop.example', '*.example', '*'), {
          minLength: 1,
        }),
        rules: fc.array(rule, { minLength: 1, maxLength: 3 }),
        gateways: fc.constantFrom(['edge'], ['mesh']),
        protocol: fc.constantFrom('http' as const, 'tcp' as const),
        share: fc.integer({ min: 0, max: 100 }),
        createdMs: fc.integer({ min: 1, max: 3 }),
      },
      { requiredKeys: ['hosts', 'rules', 'protocol'] },
    ),
  )
  .map(([name, parts]): Route => {
    const rules = parts.rules.map((item, index) => testRule(name, index, item));
    return testRoute(name, { ...parts, rules });
  });
const routes = fc.uniqueArray(route, { selector: ({ name }) => name, maxLength: 4 });
const instance = fc
  .record({
    address: fc.constantFrom('10.0.0.1', '10.0.0.2', 'db.internal', 'fd00::1'),
    port: fc.constantFrom(0, 80, 81),
    health: fc.constantFrom('healthy' as const, 'warning' as const, 'critical' as const),
    weight: fc.integer({ min: 1, max: 128 }),
    metadata: fc.constantFrom<Record<string, string>>({}, { version: 'v1' }),
    proxy: fc.constantFrom(
      {},
      { proxy: { address: '10.0.0.9', port: 21000, localAddress: '127.0.0.1', localPort: 80 } },
    ),
  })
  .map(({ proxy, ...parts }) =>
    testInstance(`${parts.address}:${parts.port}:${parts.health}:${parts.weight}:${Object.keys(proxy).length}`, {
      ...parts,
      ...proxy,
    }),
  );
const instances = fc.uniqueArray(instance, { selector: ({ key }) => key, maxLength: 4 });
const service: fc.Arbitrary<Partial<Service>> = fc.constantFrom<Partial<Service>>(
  {},
  { protocol: 'tcp' },
  { tls: 'none' },
  { tls: 'strict' },
  { protocol: 'tcp', tls: 'permissive' },
  { protocol: 'grpc', hosts: ['shop.example'] },
  { subsets: [{ name: 'v1', where: { version: 'v1' }, provenance: testProvenance('law') }] },
);
const world = fc
  .record({
    instances: fc.record({ a: instances, b: instances, c: instances }),
    services: fc.record({ a: service, b: service, c: service }),
    routes,
    mtls: fc.constantFrom('off' as const, 'permissive' as const, 'strict' as const),
    certificates: fc.boolean(),
  })
  .map(({ instances: byName, services, routes: list, mtls, certificates }): World => {
    const made = names.map((name) => [serviceId('default', name), testService(name, services[name])] as const);
    return testWorld(byName, {
      mesh: { domain: 'service.local', trustDomain: 'service.local', accessLog: true, mtls, certificates },
      services: new Map(made),
      routes: [...list].sort((a, b) => (a.name < b.name ? -1 : 1)),
    });
  });

const profiles: readonly ProxyProfile[] = [
  { role: 'gateway', gateway: 'edge' },
  {
    role: 'sidecar',
    service: serviceId('default', 'a'),
    inbound: [{ address: '10.0.0.1', port: 21000, appAddress: '127.0.0.1', appPort: 8080 }],
    outbound: { address: '127.0.0.1', port: 15001 },
    upstreams: ['a', 'b', 'nobody'].map((name, index) => ({
      service: serviceId('default', name),
      address: '127.0.0.1',
      port: 9000 + index,
    })),
  },
];

const fresh = () => createTranslator({ protos: testProtos() });
type Translator = ReturnType<typeof fresh>;

/** Name and version of all that a World gives. */
function versions(translator: Translator, of: World): string[] {
  const lists = [
    ...profiles.map((profile) => translator.view(of, profile)).flatMap(({ resources }) => [...resources.values()]),
    translator.endpoints(of),
  ];
  return lists.map((list) =>
    [...list.values()]
      .map(({ type, name, version }) => `${type} ${name} ${version}`)
      .sort()
      .join('\n'),
  );
}

function shuffled(of: World): World {
  const reverse = <K, V>(map: ReadonlyMap<K, V>): Map<K, V> => new Map([...map].reverse());
  const turn = (list: readonly Instance[]): readonly Instance[] => [...list].reverse();
  return {
    ...of,
    routes: [...of.routes].reverse(),
    endpoints: new Map([...reverse(of.endpoints)].map(([id, list]) => [id, turn(list)])),
  };
}

function refs(content: ViewContent, endpoints: ReadonlyMap<string, unknown>) {
  const all = [...content.resources.values()].flatMap((list) => [...list.values()]);
  return missingRefs(all, ({ type, name }) =>
    type === typeUrls.endpoints
      ? endpoints.has(name)
      : isMeshSecret({ type, name }) || content.resources.get(type)?.has(name) === true,
  );
}

const runs = { numRuns: propertyRuns(25) };

describe('laws of translation', () => {
  it('the order of input does not show', () => {
    fc.assert(
      fc.property(world, (of) => {
        expect(versions(fresh(), shuffled(of))).toEqual(versions(fresh(), of));
      }),
      runs,
    );
  });

  it('what the memo gives is what a fresh translator gives, and adding then removing leaves no trace', () => {
    fc.assert(
      fc.property(world, world, (first, second) => {
        const translator = fresh();
        const before = versions(translator, first);
        expect(versions(translator, second)).toEqual(versions(fresh(), second));
        expect(versions(translator, first)).toEqual(before);
      }),
      runs,
    );
  });

  it('every view names only what exists, and breaks none of the rules of Envoy', () => {
    fc.assert(
      fc.property(world, (of) => {
        const translator = fresh();
        for (const profile of profiles) {
          const content = translator.view(of, profile);
          expect(refs(content, translator.endpoints(of))).toEqual([]);
          expect(content.problems.filter(({ code }) => code.startsWith('CH14'))).toEqual([]);
        }
      }),
      runs,
    );
  });
});
