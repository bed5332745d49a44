// Generated policies held against what Authorizations mean, by an engine that does what Envoy does.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { AccessRule, Authorization, Caller, Operation } from '../../../../src/model/authorization.ts';
import { defaultNamespace, serviceId } from '../../../../src/model/names.ts';
import { spiffeId } from '../../../../src/model/spiffe.ts';
import { isCaller } from '../../../../src/translate/authorization/callers.ts';
import { questions } from '../../../../src/translate/authorization/condition.ts';
import { admitsUnnamed, admittedNames } from '../../../../src/translate/authorization/connections.ts';
import { anythingBut } from '../../../../src/translate/authorization/operations.ts';
import { enforcedRules, notAllowed } from '../../../../src/translate/authorization/policies.ts';
import { otherCallers, shadowRules, withoutIdentity } from '../../../../src/translate/authorization/shadow.ts';
import { type AccessRequest, letsIn } from '../../../support/access.ts';
import { propertyParameters } from '../../../support/property-runs.ts';
import { type RbacRequest, refusedBy } from '../../../support/rbac.ts';

const trustDomain = 'service.local';
const believed = new Set<string>();
const ground = { trustDomain, protocol: 'http', believed } as const;
const tcp = { trustDomain, protocol: 'tcp', believed } as const;
const at = { source: '', file: '', line: 1, column: 1, object: '' };

const service = (name: string, namespace = defaultNamespace): Caller => ({
  kind: 'service',
  service: serviceId(namespace, name),
  provenance: at,
});
const gateway = (name: string): Caller => ({ kind: 'gateway', gateway: name, provenance: at });

function nameOf(caller: Caller): string {
  if (caller.kind === 'anyone') throw new Error('nobody is anyone');
  return spiffeId({ ...caller, trustDomain }) ?? expect.fail('a name that cannot be borne');
}

function asked({ caller, ...request }: AccessRequest): RbacRequest {
  return caller === undefined ? request : { ...request, names: [nameOf(caller)] };
}

const named = [service('web'), service('web.a'), service('web-a'), service('web', 'prod'), gateway('web')];
const callers = fc.constantFrom(...named);
const paths = ['/', '/a', '/a/b', '/ab', '/a%2fb', '/a/%5Cb', '/a;b', '/a%3Bb', '/a/..;/b', '/a/%2E%2e%3b/b'];
const operation: fc.Arbitrary<Operation> = fc
  .record({
    methods: fc.uniqueArray(fc.constantFrom('GET', 'PUT'), { maxLength: 2 }),
    paths: fc.uniqueArray(
      fc.oneof(
        fc.constantFrom(...paths).map((exact) => ({ exact })),
        fc.constantFrom('/', '/a', '/a/').map((prefix) => ({ prefix })),
        fc.constantFrom('/', '/a', '/a/').map((startsWith) => ({ startsWith })),
      ),
      { maxLength: 2, selector: (path) => JSON.stringify(path) },
    ),
    headers: fc.array(fc.record({ name: fc.constantFrom('x', 'y'), exact: fc.constantFrom('1', '1.2', 'a+') }), {
      maxLength: 2,
    }),
  })
  .filter((one) => Object.values(one).some((list) => list.length > 0));
const from = fc.array(fc.oneof(callers, fc.constant<Caller>({ kind: 'anyone' })), { minLength: 1, maxLength: 2 });
const rules = fc
  .array(fc.record({ from: fc.option(from, { nil: undefined }), to: fc.array(operation, { maxLength: 2 }) }), {
    maxLength: 2,
  })
  .map((list) =>
    list.map(
      (rule, index): AccessRule => ({
        ...{ index, to: rule.to, provenance: at },
        ...(rule.from === undefined ? {} : { from: rule.from }),
      }),
    ),
  );
const authorizations: fc.Arbitrary<readonly Authorization[]> = fc
  .array(fc.record({ mode: fc.constantFrom('enforce', 'shadow'), allow: rules, deny: rules }), { maxLength: 2 })
  .map((list) =>
    list.map((one, index) => ({
      ...one,
      ...{ namespace: 'default', name: `a${index}`, service: serviceId('default', 'cart'), provenance: at },
    })),
  );
const request: fc.Arbitrary<AccessRequest> = fc
  .record({
    caller: fc.option(callers, { nil: undefined }),
    method: fc.constantFrom('GET', 'PUT', 'get'),
    path: fc.constantFrom(...paths),
    headers: fc.dictionary(
      fc.constantFrom('x', 'y'),
      fc.array(fc.constantFrom('1', '1.2', '142', 'a+', 'aa', '1, a+'), { minLength: 1, maxLength: 2 }),
    ),
  })
  .map(({ caller, ...rest }) => (caller === undefined ? rest : { ...rest, caller }));

/** Whether Envoy 1.36 would see another text than the same one twice. */
function repeats({ headers }: AccessRequest): boolean {
  return Object.values(headers).some(([first, second]) => second !== undefined && first === second);
}

describe('policies', () => {
  it.each([true, false])('let in whom the Authorizations let in (header values individually: %s)', (individually) => {
    fc.assert(
      fc.property(authorizations, fc.array(request, { minLength: 1, maxLength: 8 }), (given, requests) => {
        const generated = enforcedRules(given, ground);
        for (const one of requests) {
          if (!individually && repeats(one)) continue;
          expect(refusedBy(generated, asked(one), individually) === undefined).toBe(letsIn(given, one));
        }
      }),
      propertyParameters(300),
    );
  });

  it('count what shadow would refuse, each under the name of its caller', () => {
    const known = { services: [serviceId('default', 'web'), serviceId('prod', 'web')], gateways: ['web'] };
    fc.assert(
      fc.property(authorizations, fc.array(request, { minLength: 1, maxLength: 8 }), (given, requests) => {
        const generated = shadowRules(given, known, ground);
        const shadowed = given.some(({ mode }) => mode === 'shadow');
        for (const one of requests) {
          const counted = refusedBy(generated, asked(one));
          expect(counted === undefined).toBe(!shadowed || letsIn(given, one, 'shadow'));
          if (counted === undefined) continue;
          const { caller } = one;
          const names = {
            [nameOf(service('web'))]: ['service/web'],
            [nameOf(service('web', 'prod'))]: ['service/prod/web'],
            [nameOf(gateway('web'))]: ['gateway/web'],
            [nameOf(service('web.a'))]: ['service/web:a', otherCallers],
            [nameOf(service('web-a'))]: ['service/web-a', otherCallers],
          };
          expect(caller === undefined ? [withoutIdentity] : names[nameOf(caller)]).toContain(counted);
        }
      }),
      propertyParameters(300),
    );
  });

  it('T7: for all names a and b, what allows a never lets b in, and what denies a never keeps b out', () => {
    const part = fc.stringMatching(/^[A-Za-z0-9]([A-Za-z0-9._-]{0,6}[A-Za-z0-9])?$/);
    const caller = fc.oneof(
      fc.tuple(part, fc.constantFrom('default', 'prod', 'svc', 'ns')).map(([name, space]) => service(name, space)),
      part.map(gateway),
    );
    // Names that differ in one character only, a dot above all, are the likely mistakes.
    const pair = fc.oneof(
      fc.tuple(caller, caller),
      fc
        .tuple(part, part, fc.constantFrom('-', '_', 'x'))
        .map(([left, right, between]) => [service(`${left}.${right}`), service(`${left}${between}${right}`)] as const),
      part.map((name) => [service(name), service(name, 'prod')] as const),
      part.map((name) => [service(name), gateway(name)] as const),
      fc.tuple(part, part).map(([name, more]) => [service(name), service(`${name}${more}`)] as const),
    );
    fc.assert(
      fc.property(pair, ([a, b]) => {
        fc.pre(nameOf(a) !== nameOf(b));
        const rule: AccessRule = { index: 0, from: [a], to: [], provenance: at };
        const base = {
          namespace: 'default',
          name: 'x',
          service: serviceId('default', 'cart'),
          provenance: at,
        } as const;
        const plain = { method: 'GET', path: '/', headers: {} };
        const allow = enforcedRules([{ ...base, mode: 'enforce', allow: [rule], deny: [] }], ground);
        expect(refusedBy(allow, { ...plain, names: [nameOf(a)] })).toBeUndefined();
        expect(refusedBy(allow, { ...plain, names: [nameOf(b)] })).toBe(notAllowed);
        const deny = enforcedRules([{ ...base, mode: 'enforce', allow: [], deny: [rule] }], ground);
        expect(refusedBy(deny, { ...plain, names: [nameOf(a)] })).toBe('deny/default/x#0');
        expect(refusedBy(deny, { ...plain, names: [nameOf(b)] })).toBeUndefined();
        expect(isCaller(a, trustDomain)).toEqual({ authenticated: { principalName: { exact: nameOf(a) } } });
      }),
      propertyParameters(500),
    );
  });

  it('T7: a name that no certificate can bear matches nobody, and still closes the service', () => {
    const nobody: Caller = { kind: 'gateway', gateway: 'prod/edge', provenance: at };
    expect(isCaller(nobody, trustDomain)).toBe(false);
    expect(isCaller(service('web'), 'No Domain')).toBe(false);
    expect(isCaller({ kind: 'anyone' }, 'No Domain')).toBe(false);
    const rule: AccessRule = { index: 0, from: [nobody], to: [], provenance: at };
    const base = { namespace: 'default', name: 'x', service: serviceId('default', 'cart'), provenance: at } as const;
    const generated = enforcedRules([{ ...base, mode: 'enforce', allow: [rule], deny: [rule] }], ground);
    expect(generated?.policies).toEqual({
      [notAllowed]: { permissions: [{ any: true }], principals: [{ any: true }] },
    });
  });

  it('T24: "*" asks for a name of the trust domain, never for TLS alone', () => {
    expect(isCaller({ kind: 'anyone' }, trustDomain)).toEqual({
      authenticated: { principalName: { prefix: 'spiffe://service.local/' } },
    });
  });

  it('ask nothing of requests on connections: allow rules with it let nobody in, deny rules keep their callers out', () => {
    const to: Operation[] = [{ methods: ['GET'], paths: [], headers: [] }];
    const rule = (caller: Caller): AccessRule => ({ index: 0, from: [caller], to, provenance: at });
    const base = { namespace: 'default', name: 'x', service: serviceId('default', 'cart'), provenance: at } as const;
    const plain = { method: 'GET', path: '/', headers: {} };
    const allow = enforcedRules([{ ...base, mode: 'enforce', allow: [rule(service('web'))], deny: [] }], tcp);
    expect(refusedBy(allow, { ...plain, names: [nameOf(service('web'))] })).toBe(notAllowed);
    const deny = enforcedRules([{ ...base, mode: 'enforce', allow: [], deny: [rule(service('web'))] }], tcp);
    expect(refusedBy(deny, { ...plain, names: [nameOf(service('web'))] })).toBe('deny/default/x#0');
    expect(JSON.stringify([allow, deny])).not.toMatch(/header|urlPath/);
  });

  it('tell of a connection what the filter would say, before it is asked', () => {
    fc.assert(
      fc.property(authorizations, (given) => {
        const generated = enforcedRules(given, tcp);
        const lets = (caller?: Caller): boolean =>
          refusedBy(generated, asked({ method: '', path: '', headers: {}, ...(caller && { caller }) })) === undefined;
        expect(admitsUnnamed(given)).toBe(lets());
        const admitted = admittedNames(given, trustDomain);
        expect(admitted).not.toEqual([]);
        for (const caller of named) {
          const admits = admitted?.some(({ exact }) => exact === nameOf(caller)) ?? true;
          // Where everybody may call the handshake cannot tell who may not.
          if (admitted === undefined) continue;
          expect(admits).toBe(lets(caller));
        }
        // It can wherever somebody is named and nobody else meant.
        if (admitted === undefined) expect([...named, service('stranger')].some((caller) => lets(caller))).toBe(true);
      }),
      propertyParameters(500),
    );
  });

  it('T9: shadow asks a bounded number of questions however many callers and paths there are', () => {
    const services = Array.from({ length: 5000 }, (_, index) => serviceId('default', `s${index}`));
    const paths = Array.from({ length: 64 }, (_, index) => ({ prefix: `/${index}` }));
    const rule: AccessRule = {
      ...{ index: 0, provenance: at, from: [{ kind: 'anyone' }] },
      to: Array.from({ length: 32 }, () => ({ methods: [], paths, headers: [] })),
    };
    const base = { namespace: 'default', name: 'x', service: serviceId('default', 'cart'), provenance: at } as const;
    const generated = shadowRules(
      [{ ...base, mode: 'shadow', allow: [rule], deny: [] }],
      { services, gateways: [] },
      ground,
    );
    const asks = Object.values(generated?.policies ?? {}).flatMap(({ principals = [] }) => principals.map(questions));
    expect(asks.reduce((sum, one) => sum + one, 0)).toBeLessThan(40_000);
    const small = shadowRules(
      [{ ...base, mode: 'shadow', allow: [{ ...rule, from: [service('web')], to: [] }], deny: [] }],
      { services, gateways: [] },
      ground,
    );
    // All but the one that is allowed, and who has no counter, and who has no name.
    expect(Object.keys(small?.policies ?? {})).toHaveLength(255 + 2);
  });

  it('T7: the pattern of every other text fits every other text and never the text', () => {
    const text = fc.oneof(fc.string({ minLength: 1, maxLength: 6 }), fc.stringMatching(/^[.*+?^$()[\]{}|\\/-]{1,6}$/));
    const printable = text.filter((one) => /^[\x20-\x7e]+$/.test(one));
    const fits = (pattern: string, given: string): boolean =>
      new RegExp(`^(?:${pattern.replaceAll('\\C', '[^]').replaceAll(/\\x\{([0-9a-f]+)\}/g, '\\u{$1}')})$`, 'u').test(
        given,
      );
    fc.assert(
      fc.property(printable, fc.oneof(printable, fc.constant('')), (one, other) => {
        expect(fits(anythingBut(one), one)).toBe(false);
        expect(fits(anythingBut(one), other)).toBe(one !== other);
        expect(fits(anythingBut(one), `${one}${other}`)).toBe(other !== '');
        expect(fits(anythingBut(one), one.slice(0, -1))).toBe(true);
      }),
      propertyParameters(500),
    );
  });
});
