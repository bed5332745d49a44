// Whom a caller believes and what a callee lets in, in the bytes that Envoy is given; and what a change of mode costs.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Mesh } from '../../../src/model/mesh.ts';
import { serviceId } from '../../../src/model/names.ts';
import type { Service } from '../../../src/model/service.ts';
import { readSpiffeId } from '../../../src/model/spiffe.ts';
import type { World } from '../../../src/model/world.ts';
import { typeUrls } from '../../../src/resources/type-urls.ts';
import { secretRefs, secretSource } from '../../../src/translate/mutual-tls.ts';
import type { ProxyProfile } from '../../../src/translate/profile.ts';
import { createTranslator } from '../../../src/translate/translate.ts';
import { propertyRuns } from '../../support/property-runs.ts';
import { testProtos } from '../../support/protos.ts';
import { type Json, readable } from '../../support/static-config.ts';
import { testInstance, testService, testWorld } from '../../support/worlds.ts';

const gateway: ProxyProfile = { role: 'gateway', gateway: 'edge' };
const sidecar: ProxyProfile = {
  role: 'sidecar',
  service: serviceId('default', 'api'),
  inbound: [{ address: '10.0.0.1', port: 21000, appAddress: '127.0.0.1', appPort: 8080 }],
  outbound: { address: '127.0.0.1', port: 15001 },
  upstreams: [],
};
const proxy = { address: '10.0.0.9', port: 21000, localAddress: '127.0.0.1', localPort: 8080 };
const fresh = () => createTranslator({ protos: testProtos() });

function mesh(mtls: Mesh['mtls'], overrides: Partial<Mesh> = {}): Mesh {
  return {
    ...{ domain: 'service.local', trustDomain: 'service.local', mtls, accessLog: false, certificates: true },
    ...overrides,
  };
}

function worldWith(services: readonly Service[], of: Mesh): World {
  return testWorld(
    {},
    {
      mesh: of,
      services: new Map(services.map((one) => [one.id, one])),
      endpoints: new Map(services.map((one) => [one.id, [testInstance(`${one.id}-1`, { proxy })]])),
    },
  );
}

/** Every value under a key, however deep. */
function under(value: unknown, key: string): unknown[] {
  if (Array.isArray(value)) return value.flatMap((item) => under(item, key));
  if (value === null || typeof value !== 'object') return [];
  return Object.entries(value).flatMap(([name, item]) => (name === key ? [item] : under(item, key)));
}

function clusters(of: World): ReadonlyMap<string, Json> {
  const view = fresh().view(of, gateway).resources.get(typeUrls.cluster);
  return new Map(readable(view).map((cluster) => [String(cluster['name']), cluster]));
}

describe('mutual TLS of clusters', () => {
  it('has one source of secrets, of bytes that never change', () => {
    expect(JSON.stringify(secretSource)).toBe('{"ads":{},"initialFetchTimeout":"0s","resourceApiVersion":"V3"}');
    expect(Object.isFrozen(secretSource) && Object.isFrozen(secretSource.ads)).toBe(true);
    const made = fresh().view(
      worldWith([testService('api'), testService('db', { protocol: 'tcp' })], mesh('strict')),
      sidecar,
    );
    const all = [typeUrls.cluster, typeUrls.listener].flatMap((type) => readable(made.resources.get(type)));
    const sources = under(all, 'sds_config').map((source) => JSON.stringify(source));
    expect(sources).toHaveLength(2 * 3);
    expect([...new Set(sources)]).toEqual(['{"ads":{},"initial_fetch_timeout":"0s","resource_api_version":"V3"}']);
  });

  const name = fc.stringMatching(/^[A-Za-z0-9]([A-Za-z0-9._-]{0,8}[A-Za-z0-9])?$/);
  const namespace = fc.oneof(fc.constant('default'), fc.stringMatching(/^[a-z0-9]{1,4}$/));
  const service = fc
    .record({
      name,
      namespace,
      tls: fc.constantFrom('mesh' as const, 'strict' as const, 'permissive' as const, 'none' as const),
      protocol: fc.constantFrom('http' as const, 'http2' as const, 'grpc' as const, 'tcp' as const),
      subsets: fc.constantFrom(
        [],
        [{ name: 'v1', where: {}, provenance: { source: '', file: '', line: 1, column: 1, object: '' } }],
      ),
    })
    .map(({ name: own, namespace: its, ...rest }) =>
      testService(own, { ...rest, namespace: its, id: serviceId(its, own) }),
    );
  const services = fc.uniqueArray(service, { selector: ({ id }) => id, minLength: 1, maxLength: 6 });

  it('T6, T7: every cluster in mutual TLS asks for exactly one name, its service’s, and no two services share one', () => {
    fc.assert(
      fc.property(services, fc.constantFrom('strict' as const, 'permissive' as const, 'off' as const), (all, mtls) => {
        const made = clusters(worldWith(all, mesh(mtls)));
        const owners = new Map<string, string>();
        for (const one of all) {
          const off = one.tls === 'none' || (one.tls === 'mesh' && mtls === 'off');
          for (const subset of ['', ...one.subsets.map((its) => `/${its.name}`)]) {
            const cluster = made.get(`${one.id}${subset}`);
            expect(cluster).toBeDefined();
            const sans = under(cluster, 'match_typed_subject_alt_names').flat() as { matcher: { exact: string } }[];
            expect(sans).toHaveLength(off ? 0 : 1);
            expect(under(cluster, 'transport_socket')).toHaveLength(off ? 0 : 2);
            const [san] = sans;
            if (san === undefined) continue;
            expect(san).toEqual({ san_type: 'URI', matcher: { exact: san.matcher.exact } });
            expect(readSpiffeId(san.matcher.exact)).toEqual({
              kind: 'service',
              trustDomain: 'service.local',
              service: one.id,
            });
            expect(owners.get(san.matcher.exact) ?? one.id).toBe(one.id);
            owners.set(san.matcher.exact, one.id);
          }
        }
      }),
      { numRuns: propertyRuns(25) },
    );
  });

  it('T6: without a name that a certificate can have there is no cluster but an empty one', () => {
    const bad = testService('a b', {
      subsets: [{ name: 'v1', where: {}, provenance: { source: '', file: '', line: 1, column: 1, object: '' } }],
    });
    const of = worldWith([bad, testService('api')], mesh('permissive'));
    const view = fresh().view(of, gateway);
    expect(view.problems.map(({ code, severity }) => [code, severity])).toEqual([['CH1237', 'error']]);
    const made = clusters(of);
    for (const cluster of ['a b', 'a b/v1'])
      expect(made.get(cluster)).toMatchObject({ type: 'STATIC', load_assignment: { cluster_name: cluster } });
    expect(under(made.get('api'), 'match_typed_subject_alt_names')).toHaveLength(1);
    // Nor does its own sidecar open a door.
    const own = fresh().view(of, { ...sidecar, service: bad.id });
    expect([...(own.resources.get(typeUrls.listener)?.keys() ?? [])]).toEqual(['outbound']);
    expect(own.problems.map(({ code }) => code)).toEqual(['CH1237', 'CH1237']);
  });

  it('names both secrets as what clusters and listeners depend on, and only there', () => {
    const view = fresh().view(
      worldWith([testService('api'), testService('web', { tls: 'none' })], mesh('strict')),
      sidecar,
    );
    const secretsOf = (type: typeof typeUrls.cluster | typeof typeUrls.listener, name: string) =>
      view.resources
        .get(type)
        ?.get(name)
        ?.deps.filter((dep) => dep.type === typeUrls.secret);
    expect(secretsOf(typeUrls.cluster, 'api')).toEqual(secretRefs);
    expect(secretsOf(typeUrls.cluster, 'web')).toEqual([]);
    expect(secretsOf(typeUrls.listener, 'inbound/21000')).toEqual(secretRefs);
    expect(secretsOf(typeUrls.listener, 'outbound')).toEqual([]);
    expect(view.problems).toEqual([]);
  });

  it('is the same bytes with mtls off as without certificates, but for the way in, which takes both', () => {
    const all = [testService('api'), testService('db', { protocol: 'tcp' })];
    const bytes = (of: Mesh) => {
      const translator = fresh();
      const made = worldWith(all, of);
      return [
        ...[...translator.view(made, sidecar).resources.values()].flatMap((map) => [...map.values()]),
        ...translator.endpoints(made).values(),
      ]
        .filter(({ name, type }) => type !== typeUrls.listener || !name.startsWith('inbound/'))
        .map(({ name, version }) => `${name} ${version}`);
    };
    const wayIn = (of: Mesh) =>
      [...(fresh().view(worldWith(all, of), sidecar).resources.get(typeUrls.listener)?.values() ?? [])].find(
        ({ name }) => name.startsWith('inbound/'),
      )?.version;
    expect(wayIn(mesh('off'))).toBe(wayIn(mesh('permissive')));
    expect(wayIn(mesh('off'))).not.toBe(wayIn(mesh('off', { certificates: false })));
    expect(bytes(mesh('off'))).toEqual(bytes(mesh('off', { certificates: false })));
    expect(bytes(mesh('strict', { certificates: false }))).toEqual(bytes(mesh('off')));
  });
});

describe('a change of mode', () => {
  const all = Array.from({ length: 20 }, (_, index) => testService(`s${index}`));
  const other: ProxyProfile = { ...sidecar, service: serviceId('default', 's1') };

  it('from permissive to strict leaves every cluster the same object, in every view', () => {
    const translator = fresh();
    const before = worldWith(all, mesh('permissive'));
    const first = [gateway, sidecar, other].map((profile) => translator.view(before, profile));
    const after = { ...before, mesh: mesh('strict') };
    for (const [index, profile] of [gateway, sidecar, other].entries()) {
      const now = translator.view(after, profile).resources;
      expect(now.get(typeUrls.cluster)).toBe(first[index]?.resources.get(typeUrls.cluster));
      expect(now.get(typeUrls.routes)).toBe(first[index]?.resources.get(typeUrls.routes));
    }
    expect(translator.endpoints(after)).toEqual(translator.endpoints(before));
  });

  it('of one service makes its clusters anew, and nobody else’s', () => {
    const translator = fresh();
    const before = worldWith(all, mesh('permissive'));
    const first = translator.view(before, gateway).resources.get(typeUrls.cluster);
    const encoded = translator.counters.encoded.get('CDS') ?? 0;
    const services = new Map(before.services);
    const changed = serviceId('default', 's3');
    services.set(changed, testService('s3', { tls: 'none' }));
    const now = translator.view({ ...before, services }, gateway).resources.get(typeUrls.cluster);
    expect((translator.counters.encoded.get('CDS') ?? 0) - encoded).toBe(1);
    for (const [name, resource] of now ?? []) expect(resource === first?.get(name)).toBe(name !== changed);
  });

  it('to strict withholds at once, and an endpoint event then touches no view while the same ones are withheld', () => {
    const translator = fresh();
    const id = serviceId('default', 's3');
    const at = (world: World, ids: readonly string[]): World => ({
      ...world,
      endpoints: new Map([
        ...world.endpoints,
        [
          id,
          ids.map((own, index) =>
            testInstance(own, {
              address: `10.0.1.${index + 1}`,
              ...(own === 'bare' ? {} : { proxy: { ...proxy, address: `10.0.1.${index + 1}` } }),
            }),
          ),
        ],
      ]),
    });
    const permissive = at(worldWith(all, mesh('permissive')), ['bare', 'a']);
    const count = (world: World): number =>
      under(readable(new Map([['', translator.endpoints(world).get('s3') as never]])), 'health_status').length;
    expect(count(permissive)).toBe(2);
    const strict = { ...permissive, mesh: mesh('strict') };
    expect(count(strict)).toBe(1);
    const facts = translator.endpointFacts(strict);
    const view = translator.view(strict, gateway);
    expect(view.problems.map(({ code }) => code)).toEqual(['CH1236']);
    const swapped = at(strict, ['bare', 'b']);
    const moved = {
      ...swapped,
      endpoints: new Map([
        ...swapped.endpoints,
        [id, (swapped.endpoints.get(id) ?? []).map((one) => ({ ...one, weight: 7 }))],
      ]),
    };
    expect(count(moved)).toBe(1);
    expect(translator.endpointFacts(moved)).toBe(facts);
    expect(translator.view(moved, gateway)).toBe(view);
  });
});

describe('a gRPC client without a proxy', () => {
  const client: ProxyProfile = { role: 'proxyless' };

  it('is given clusters without TLS, and is told which services it cannot call', () => {
    const of = worldWith(
      ['a', 'b', 'c', 'd'].map((name) => testService(name)),
      mesh('strict'),
    );
    const view = fresh().view(of, client);
    expect(under(readable(view.resources.get(typeUrls.cluster)), 'transport_socket')).toEqual([]);
    expect(view.problems.map(({ code, message }) => [code, message])).toEqual([
      ['CH1238', '"a", "b", "c" and 1 more: mutual TLS is strict there, and a gRPC client speaks plaintext'],
    ]);
    expect(fresh().view({ ...of, mesh: mesh('permissive') }, client).problems).toEqual([]);
  });
});
