import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Caller } from '../../../../src/model/authorization.ts';
import { compileIntentions } from '../../../../src/model/compile-intentions.ts';
import { serviceId } from '../../../../src/model/names.ts';
import { problemText } from '../../../../src/model/problem.ts';
import { parseIntentions } from '../../../../src/sources/consul/intention-entries.ts';
import { letsIn } from '../../../support/access.ts';
import {
  intends,
  type WrittenEntry,
  type WrittenPermission,
  type WrittenSource,
} from '../../../support/consul-intentions.ts';
import { propertyParameters } from '../../../support/property-runs.ts';

const services = ['web', 'api', 'other', 'new'];
const known = { services: services.map((name) => serviceId('default', name)), gateways: ['edge'] };
const at = { source: 'consul', file: '', line: 1, column: 1, object: '' };
const service = (name: string): Caller => ({ kind: 'service', service: serviceId('default', name), provenance: at });
const get = { method: 'GET', path: '/', headers: {} };

function read(body: readonly unknown[], fallback: 'allow' | 'deny' = 'deny') {
  const { intentions, problems } = parseIntentions(body, { source: 'consul', fallback });
  const rules = (to: string) => {
    const made = compileIntentions(serviceId('default', to), { intentions, source: 'consul', known });
    return made === undefined ? [] : [made];
  };
  const lets = (caller: Caller | undefined, to: string, request: Partial<typeof get> = {}): boolean => {
    const { method, path, headers } = { ...get, ...request };
    const all = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, [value as string]]));
    return letsIn(rules(to), { ...(caller === undefined ? {} : { caller }), method, path, headers: all });
  };
  return { problems, lets, rules, codes: problems.map(({ code }) => code) };
}

const entry = (Name: string, ...Sources: readonly object[]) => ({ Kind: 'service-intentions', Name, Sources });

const permission: fc.Arbitrary<WrittenPermission> = fc.record({
  Action: fc.constantFrom('allow', 'deny'),
  HTTP: fc
    .record(
      {
        path: fc.constantFrom(
          ...['/', '/a/', '/a/b/', '/a', '/a/b', '/c'].flatMap((path) => [{ PathExact: path }, { PathPrefix: path }]),
        ),
        Methods: fc.constantFrom(['GET'], ['POST'], ['GET', 'POST']),
        Header: fc.constantFrom([{ Name: 'x-team', Exact: 'shop' }]),
      },
      { requiredKeys: [] },
    )
    .map(({ path, ...rest }) => ({ ...path, ...rest })),
});
const rule = fc.oneof(
  fc.record({ Action: fc.constantFrom('allow' as const, 'deny' as const) }),
  fc.record({ Permissions: fc.array(permission, { minLength: 1, maxLength: 4 }) }),
);
const sources: fc.Arbitrary<WrittenSource[]> = fc.uniqueArray(
  fc.tuple(fc.constantFrom('web', 'other', 'api', '*'), rule).map(([Name, made]) => ({ Name, ...made })),
  { selector: ({ Name }) => Name, minLength: 1, maxLength: 4 },
);
const entries: fc.Arbitrary<WrittenEntry[]> = fc.uniqueArray(
  fc
    .tuple(fc.constantFrom('api', 'web', '*'), sources)
    .map(([Name, Sources]) => ({ Kind: 'service-intentions' as const, Name, Sources })),
  { selector: ({ Name }) => Name, maxLength: 3 },
);
const plainPaths = ['/', '/a', '/ab', '/a/', '/a/b', '/a/bc', '/a/b/c', '/c', '/cd', '/c/d', '/d'];
const call = fc.record({
  from: fc.constantFrom(...services),
  to: fc.constantFrom('api', 'web', 'new'),
  request: fc.record({
    method: fc.constantFrom('GET', 'POST', 'PUT'),
    path: fc.constantFrom(...plainPaths, '/a%2fb', '/a;b', '/c/..;/a', '/a/%2e%2e;/c'),
    headers: fc.constantFrom<Readonly<Record<string, string>>>({}, { 'x-team': 'shop' }, { 'x-team': 'ops' }),
  }),
});

describe('intentions as an Authorization', () => {
  it('T4: let in what Consul lets in where no Problem says otherwise, and never more', () => {
    let same = 0;
    fc.assert(
      fc.property(
        entries,
        fc.constantFrom('allow', 'deny'),
        fc.array(call, { maxLength: 20 }),
        (all, fallback, calls) => {
          const { problems, lets } = read(all, fallback);
          for (const one of calls) {
            const [ours, theirs] = [lets(service(one.from), one.to, one.request), intends(all, fallback, one)];
            // What may be read in two ways is refused where either reading is.
            if (problems.length === 0 && plainPaths.includes(one.request.path)) {
              same++;
              expect(ours).toBe(theirs);
            } else expect(ours && !theirs).toBe(false);
          }
        },
      ),
      propertyParameters(3000),
    );
    expect(same).toBeGreaterThan(100);
  });

  it('T4: take an exact destination before "*", then an exact source', () => {
    const { lets } = read([
      entry('*', { Name: 'web', Action: 'allow' }, { Name: '*', Action: 'deny' }),
      entry('api', { Name: '*', Action: 'deny' }, { Name: 'other', Action: 'allow' }),
    ]);
    expect(lets(service('web'), 'api')).toBe(false);
    expect(lets(service('other'), 'api')).toBe(true);
    expect(lets(service('web'), 'new')).toBe(true);
    expect(lets(service('other'), 'new')).toBe(false);
  });

  it('T4: refuse who shows no certificate wherever an intention speaks, and everybody by default', () => {
    expect(read([entry('api', { Name: '*', Action: 'allow' })]).lets(undefined, 'api')).toBe(false);
    expect(read([]).lets(service('web'), 'api')).toBe(false);
    expect(read([], 'allow').rules('api')).toEqual([]);
  });

  it('mean a gateway by its name in Connect', () => {
    const edge: Caller = { kind: 'gateway', gateway: 'edge', provenance: at };
    const named = read([entry('api', { Name: 'chancery-gateway-edge', Action: 'allow' })]);
    expect(named.lets(edge, 'api')).toBe(true);
    expect(read([entry('api', { Name: 'edge', Action: 'allow' })]).lets(edge, 'api')).toBe(false);
  });

  it('T4: take peers, sameness groups and other namespaces for nobody of this mesh, and their deny for all of the name', () => {
    for (const foreign of [
      { Peer: 'east' },
      { SamenessGroup: 'all' },
      { Namespace: 'team' },
      { Partition: 'west' },
      { Tenant: 'x' },
    ]) {
      const allowed = read([entry('api', { Name: 'web', Action: 'allow', ...foreign })]);
      expect(allowed.lets(service('web'), 'api')).toBe(false);
      expect(allowed.codes).toEqual(['CH1262']);
      const denied = read(
        [entry('api', { Name: 'web', Action: 'deny', ...foreign }, { Name: '*', Action: 'allow' })],
        'allow',
      );
      expect(denied.lets(service('web'), 'api')).toBe('Peer' in foreign);
      expect(denied.lets(service('other'), 'api')).toBe(true);
    }
  });

  it('T4: let nobody in by a condition that cannot be asked, and deny without it', () => {
    for (const HTTP of [
      { PathRegex: '/a.*' },
      { Header: [{ Name: 'x-team', Present: true }] },
      { Header: [{ Name: 'x-team', Exact: 'shop', Invert: true }] },
      { Header: [{ Name: ':authority', Exact: 'shop' }] },
      { Query: [{ Name: 'x' }] },
    ]) {
      const allowed = read([entry('api', { Name: 'web', Permissions: [{ Action: 'allow', HTTP }] })]);
      expect(allowed.lets(service('web'), 'api', { path: '/abc' })).toBe(false);
      expect(allowed.codes).toEqual(['CH1263']);
      const denied = read([entry('api', { Name: 'web', Permissions: [{ Action: 'deny', HTTP }] })], 'allow');
      expect(denied.lets(service('web'), 'api')).toBe(false);
      expect(denied.codes).toEqual(['CH1263']);
    }
    const jwt = { Providers: [{ Name: 'okta' }] };
    const permission = read([entry('api', { Name: 'web', Permissions: [{ Action: 'allow', JWT: jwt }] })]);
    expect(permission.lets(service('web'), 'api')).toBe(false);
    const whole = read([{ ...entry('api', { Name: 'web', Action: 'allow' }), JWT: jwt }], 'allow');
    expect(whole.lets(service('web'), 'api')).toBe(false);
    expect(whole.codes).toEqual(['CH1263']);
  });

  it('T4: take a path prefix for the beginning of a text, and let nobody in by what may be read differently', () => {
    const admin = { Action: 'deny', HTTP: { PathPrefix: '/admin' } };
    const denied = read([entry('api', { Name: 'web', Permissions: [admin, { Action: 'allow' }] })]);
    expect(denied.codes).toEqual([]);
    for (const [path, open] of Object.entries({
      ...{ '/': true, '/adm': true, '/other/admin': true, '/open/': true },
      ...{ '/admin': false, '/administrator': false, '/admin/x': false, '/admin;x': false, '/%2fadmin': false },
    }))
      expect(denied.lets(service('web'), 'api', { path }), path).toBe(open);
    const open = { Action: 'allow', HTTP: { PathPrefix: '/open' } };
    const allowed = read([entry('api', { Name: 'web', Permissions: [open] })]);
    expect(allowed.codes).toEqual([]);
    for (const [path, lets] of Object.entries({
      ...{ '/open': true, '/opened': true, '/open/x': true, '/open;x': true, '/': false, '/ope': false },
      ...{ '/open%2f..%2fadmin': false, '/open/..;/admin': false, '/open%5Cx': false, '/open/%2e%2e%3b/admin': false },
    }))
      expect(allowed.lets(service('web'), 'api', { path }), path).toBe(lets);
  });

  it('T4: close the destination of an entry that makes no sense, and of no other', () => {
    for (const source of [
      7,
      {},
      { Name: 'web' },
      { Name: 'web', Action: 'perhaps' },
      { Name: 'web', Permissions: 'all' },
      { Name: 'web', Permissions: [{ Action: 'allow', HTTP: { PathExact: '/', PathPrefix: '/' } }] },
      { Name: 'web', Action: 'allow', Permissions: [{ Action: 'deny' }] },
    ]) {
      const { lets, codes } = read([entry('api', source as object)], 'allow');
      expect(lets(service('web'), 'api')).toBe(false);
      expect(lets(service('web'), 'new')).toBe(true);
      expect(codes).toEqual(['CH1261']);
    }
    expect(() => read([{ Kind: 'service-intentions' }])).toThrow('Name is missing');
    expect(() => read(['api'])).toThrow('not an object');
  });

  it('T4: take no name for one of another namespace', () => {
    const { lets, codes } = read([entry('api', { Name: 'team|web', Action: 'allow' })]);
    const web: Caller = { kind: 'service', service: serviceId('team', 'web'), provenance: at };
    expect(lets(web, 'api')).toBe(false);
    expect(codes).toEqual(['CH1262']);
  });

  it('name the intention in Problems and in the rule', () => {
    const deny = { Action: 'deny', HTTP: { PathRegex: '/admin.*' } };
    const { problems, rules } = read([entry('api', { Name: 'web', Permissions: [deny] })], 'allow');
    expect(problems.map(problemText)).toEqual([
      expect.stringMatching(
        /^\[CH1263\] consul intention web -> api: PathRegex cannot be asked here, so it denies without/,
      ),
    ]);
    expect(rules('api')).toMatchObject([
      {
        namespace: 'intentions:consul',
        name: 'api',
        deny: [{ provenance: { object: 'consul intention web -> api' } }],
      },
    ]);
  });
});
