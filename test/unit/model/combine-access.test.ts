import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { AccessPath, AccessRule, Authorization, Caller, Operation } from '../../../src/model/authorization.ts';
import { bothLetIn } from '../../../src/model/combine-access.ts';
import { serviceId } from '../../../src/model/names.ts';
import { letsIn } from '../../support/access.ts';
import { propertyParameters } from '../../support/property-runs.ts';

const provenance = { source: '', file: '', line: 1, column: 1, object: '' };
const service = (name: string): Caller => ({ kind: 'service', service: serviceId('default', name), provenance });
const callers: readonly Caller[] = [service('web'), service('other'), { kind: 'gateway', gateway: 'web', provenance }];

const path = fc.constantFrom<AccessPath>(
  ...['/', '/a', '/a/', '/a/b', '/ab', '/a/x%2fy'].flatMap((one) => [
    { exact: one },
    { prefix: one },
    { startsWith: one },
  ]),
);
const operation: fc.Arbitrary<Operation> = fc.record({
  methods: fc.subarray(['GET', 'POST']),
  paths: fc.array(path, { maxLength: 2 }),
  headers: fc.subarray([
    { name: 'x-team', exact: 'shop' },
    { name: 'x-role', exact: 'ops' },
  ]),
});
const rule: fc.Arbitrary<AccessRule> = fc
  .record({
    from: fc.option(fc.subarray<Caller>([...callers, { kind: 'anyone' }])),
    to: fc.array(operation, { maxLength: 2 }),
  })
  .map(({ from, to }) => ({ index: 0, to, provenance, ...(from === null ? {} : { from }) }));
const authorization: fc.Arbitrary<Authorization> = fc
  .record({
    mode: fc.constantFrom('enforce', 'enforce', 'shadow'),
    allow: fc.array(rule, { maxLength: 2 }),
    deny: fc.array(rule, { maxLength: 1 }),
  })
  .map((made) => ({ ...made, namespace: 'default', name: 'x', service: serviceId('default', 'api'), provenance }));
const request = fc.record({
  caller: fc.constantFrom(...callers, undefined),
  method: fc.constantFrom('GET', 'POST', 'PUT'),
  path: fc.constantFrom('/', '/a', '/a/', '/a/b', '/ab', '/abc', '/a/x%2fy', '/a;x', '/a/..;/c', '/c'),
  headers: fc.constantFrom<Readonly<Record<string, string[]>>>({}, { 'x-team': ['shop'], 'x-role': ['ops'] }),
});

describe('two voices about one service', () => {
  it('T4: let in together exactly what both let in', () => {
    fc.assert(
      fc.property(
        fc.array(authorization, { maxLength: 2 }),
        authorization,
        fc.array(request, { maxLength: 10 }),
        (first, given, requests) => {
          const other: Authorization = { ...given, mode: 'enforce' };
          const both = bothLetIn(first, other);
          for (const { caller, ...rest } of requests) {
            const one = caller === undefined ? rest : { ...rest, caller };
            expect(letsIn(both, one)).toBe(letsIn(first, one) && letsIn([other], one));
          }
        },
      ),
      propertyParameters(3000),
    );
  });

  it('keep what is in shadow as it was', () => {
    const shadow: Authorization = {
      ...{ namespace: 'default', name: 's', service: serviceId('default', 'api'), provenance, mode: 'shadow' },
      allow: [{ index: 0, to: [], provenance }],
      deny: [],
    };
    expect(bothLetIn([shadow], { ...shadow, name: 'x', mode: 'enforce' })[0]).toBe(shadow);
  });
});
