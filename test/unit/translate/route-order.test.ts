import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Match, PathMatch, Route } from '../../../src/model/route.ts';
import { mergeEntries } from '../../../src/translate/merge-entries.ts';
import { orderEntries, rankRoutes } from '../../../src/translate/route-order.ts';
import { propertyRuns } from '../../support/property-runs.ts';
import { testMatch, testProvenance, testRoute, testRule } from '../../support/routes.ts';

const header = (name: string) => ({ name, match: { present: true } as const, invert: false });

/** Matches by the name of their rule, in the order they come out. */
function order(matches: Readonly<Record<string, Partial<Match>>>): string[] {
  const rules = Object.entries(matches).map(([name, match], index) =>
    testRule('r', index, { name, matches: [testMatch('r', match)] }),
  );
  return orderEntries([testRoute('r', { rules })]).map(({ rule }) => rule.name);
}

describe('orderEntries', () => {
  it('puts the more specific path first, and what matches everything last', () => {
    const paths: Record<string, PathMatch | undefined> = {
      none: undefined,
      root: { prefix: '/' },
      regex: { regex: '/a.*' },
      longRegex: { regex: '/a.*longer' },
      prefix: { prefix: '/a' },
      longPrefix: { prefix: '/a/b' },
      exact: { exact: '/a' },
    };
    const names = order(
      Object.fromEntries(Object.entries(paths).map(([name, path]) => [name, path === undefined ? {} : { path }])),
    );
    expect(names).toEqual(['exact', 'longPrefix', 'prefix', 'longRegex', 'regex', 'none', 'root']);
  });

  it('then method, headers, query, and rules for some callers', () => {
    expect(
      order({
        plain: {},
        from: { from: ['web' as never] },
        query: { query: [header('q')] },
        header: { headers: [header('a')] },
        headers: { headers: [header('a'), header('b')] },
        method: { method: 'GET' },
      }),
    ).toEqual(['method', 'headers', 'header', 'query', 'from', 'plain']);
  });

  it('gives the same whatever the order of Routes', () => {
    const route = fc
      .record({
        name: fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f'),
        createdMs: fc.option(fc.integer({ min: 1, max: 4 }), { nil: undefined }),
        created: fc.option(fc.integer({ min: 1, max: 4 }), { nil: undefined }),
      })
      .map(({ name, createdMs, created }) =>
        testRoute(name, {
          ...(createdMs === undefined ? {} : { createdMs }),
          ...(created === undefined ? {} : { created }),
        }),
      );
    const routes = fc.uniqueArray(route, { selector: ({ name }) => name, maxLength: 6 });
    fc.assert(
      fc.property(
        routes.chain((list) => fc.tuple(fc.constant(list), fc.shuffledSubarray(list, { minLength: list.length }))),
        ([list, shuffled]) => {
          expect(rankRoutes(shuffled)).toEqual(rankRoutes(list));
        },
      ),
      { numRuns: propertyRuns(80) },
    );
  });
});

describe('rankRoutes', () => {
  const names = (routes: readonly Route[]) => rankRoutes(routes).map(({ name }) => name);

  it('goes by written time, then by order inside one store, then by name', () => {
    expect(names([testRoute('a', { createdMs: 2 }), testRoute('b', { createdMs: 1 })])).toEqual(['b', 'a']);
    expect(names([testRoute('a', { created: 9 }), testRoute('b', { created: 3 })])).toEqual(['b', 'a']);
    expect(names([testRoute('b'), testRoute('a')])).toEqual(['a', 'b']);
  });

  it('does not compare the orders of two stores', () => {
    const other = { ...testProvenance('b'), source: 'elsewhere' };
    expect(names([testRoute('b', { created: 1, provenance: other }), testRoute('a', { created: 9 })])).toEqual([
      'a',
      'b',
    ]);
  });
});

describe('mergeEntries', () => {
  it('keeps the first of two equal matches and tells the other', () => {
    const { entries, problems } = mergeEntries([testRoute('b', { to: 'x' }), testRoute('a', { to: 'y' })]);
    expect(entries.map(({ route }) => route.name)).toEqual(['a']);
    expect(problems).toMatchObject([{ code: 'CH1220', at: { object: 'Route default/b' } }]);
  });

  it('spreads shares over destinations', () => {
    const { entries, problems } = mergeEntries([
      testRoute('a', { to: 'x', share: 3 }),
      testRoute('b', { to: 'y', share: 1 }),
    ]);
    expect(problems).toEqual([]);
    expect(entries.map(({ shares }) => shares)).toEqual([
      [
        { service: 'x', weight: 3 },
        { service: 'y', weight: 1 },
      ],
    ]);
  });

  it('joins equal destinations and drops weights of 0', () => {
    const at = testProvenance('a');
    const to = [
      { service: 'x' as never, weight: 20, provenance: at },
      { service: 'x' as never, weight: 10, provenance: at },
      { service: 'y' as never, weight: 0, provenance: at },
    ];
    const rules = [testRule('a', 0, { action: { kind: 'forward', to } })];
    expect(mergeEntries([testRoute('a', { rules })]).entries[0]?.shares).toEqual([{ service: 'x', weight: 1 }]);
  });
});
