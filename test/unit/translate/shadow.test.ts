// Rules that can never match, held against an evaluator: what is called hidden must really be hidden.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Match, NamedMatch, PathMatch, Route, StringMatch } from '../../../src/model/route.ts';
import { mergeEntries } from '../../../src/translate/merge-entries.ts';
import { orderEntries } from '../../../src/translate/route-order.ts';
import { shadows } from '../../../src/translate/shadow.ts';
import { propertyRuns } from '../../support/property-runs.ts';
import { testMatch, testProvenance, testRoute, testRule } from '../../support/routes.ts';

const named = (name: string, match: StringMatch, invert = false): NamedMatch => ({ name, match, invert });

function routeOf(name: string, matches: readonly Partial<Match>[], more: Partial<Route> = {}): Route {
  const rules = matches.map((match, index) =>
    testRule(name, index, {
      name: `${name}${index}`,
      matches: [{ ...testMatch(name, match), provenance: testProvenance(name, 10 + index) }],
    }),
  );
  return testRoute(name, { rules, hosts: ['h.example'], ...more });
}

/** `loser < winner` of every hidden rule. */
function hidden(...routes: readonly Route[]): string[] {
  return shadows(orderEntries(routes)).map(({ loser, winner }) => `${loser.rule.name} < ${winner.rule.name}`);
}

const present = { present: true } as const;
const prefix = (value: string): Partial<Match> => ({ path: { prefix: value } });

describe('shadows', () => {
  const hides: Readonly<Record<string, readonly [winner: Partial<Match>, loser: Partial<Match>]>> = {
    'a prefix hides a regex below it': [prefix('/cart'), { path: { regex: '/cart/[0-9]+' } }],
    'a prefix hides an anchored regex': [prefix('/a.b'), { path: { regex: '^/a\\.b/c+' } }],
    'a regex of everything hides what asks for any path': [{ path: { regex: '/.*' } }, {}],
    'present hides exact': [{ headers: [named('x', present)] }, { headers: [named('x', { exact: '1' })] }],
    'prefix hides a longer prefix': [
      { headers: [named('x', { prefix: 'a' })] },
      { headers: [named('x', { prefix: 'ab' })] },
    ],
    'prefix hides exact': [{ query: [named('v', { prefix: 'a' })] }, { query: [named('v', { exact: 'ab' })] }],
    'suffix hides exact': [{ query: [named('v', { suffix: 'b' })] }, { query: [named('v', { exact: 'ab' })] }],
    'any value hides a regex': [{ query: [named('v', { regex: '.*' })] }, { query: [named('v', { regex: 'a+' })] }],
    'two conditions that one of the other implies both': [
      { headers: [named('x', present), named('x', { prefix: 'a' })] },
      { headers: [named('x', { exact: 'ab' })] },
    ],
    'an inverted narrow value hides an inverted broad one': [
      { headers: [named('x', { exact: 'ab' }, true)] },
      { headers: [named('x', { prefix: 'a' }, true)] },
    ],
    'everybody hides some callers': [
      { headers: [named('x', present), named('x', { suffix: '1' })] },
      { headers: [named('x', { exact: '1' })], from: ['web' as never] },
    ],
    'a method hides the same method': [
      { method: 'GET', headers: [named('x', present)] },
      { method: 'GET', headers: [named('x', { exact: '1' })] },
    ],
  };
  it.each(Object.entries(hides))('%s', (_name, [winner, loser]) => {
    // The winner stands first among equals; where the loser is the more specific of the two it would come first itself.
    expect(hidden(routeOf('a', [winner, loser]))).toEqual(['a1 < a0']);
  });

  const lets: Readonly<Record<string, readonly [Partial<Match>, Partial<Match>]>> = {
    'a prefix beside a regex that may leave it': [prefix('/cart'), { path: { regex: '/cart[0-9]+' } }],
    'a prefix beside an alternative': [prefix('/cart'), { path: { regex: '/cart/a|/other' } }],
    'a prefix beside an optional slash': [prefix('/cart'), { path: { regex: '/cart/?x' } }],
    'exact beside present': [{ headers: [named('x', { exact: '1' })] }, { headers: [named('x', present)] }],
    'another header': [{ headers: [named('x', present)] }, { headers: [named('y', { exact: '1' })] }],
    'some callers beside everybody': [{ from: ['web' as never] }, {}],
    'a method beside any': [{ method: 'GET' }, {}],
    'absent beside not empty': [
      { headers: [named('x', { exact: '' }, true)] },
      { headers: [named('x', present, true)] },
    ],
    'a query that has the name of a header': [
      { headers: [named('x', present)] },
      { query: [named('x', { exact: '1' })] },
    ],
  };
  it.each(Object.entries(lets))('nothing hides: %s', (_name, [winner, loser]) => {
    expect(hidden(routeOf('a', [winner, loser]))).toEqual([]);
  });

  it('a Route for some gateways hides nothing of one for all', () => {
    const all = routeOf('b', [{ headers: [named('x', { exact: '1' })] }]);
    const broad = [{ headers: [named('x', present)] }];
    expect(hidden(routeOf('a', broad, { gateways: ['mesh'] }), all)).toEqual([]);
    expect(hidden(routeOf('a', broad), all)).toEqual(['b0 < a0']);
    const same = { ...all, gateways: ['mesh'] };
    expect(hidden(routeOf('a', broad, { gateways: ['mesh', 'edge'] }), same)).toEqual(['b0 < a0']);
  });

  it('is told at the loser, with the place of the winner', () => {
    const { problems } = mergeEntries([
      routeOf('a', [prefix('/cart')]),
      routeOf('b', [{ path: { regex: '/cart/.+' } }], { hosts: ['h.example', 'other.example'] }),
    ]);
    expect(problems).toMatchObject([
      {
        code: 'CH1228',
        severity: 'warning',
        at: { file: 'b.yaml', line: 10 },
        message:
          'rule "b0" can never match for "h.example": rule "a0" of Route default/a comes first and takes every such request at a.yaml:10:1',
      },
    ]);
  });

  it('stays quick with thousands of rules for one path', () => {
    const many = Array.from({ length: 20_000 }, (_, index) => ({ headers: [named('x', { exact: String(index) })] }));
    expect(hidden(routeOf('a', many))).toEqual([]);
  });
});

interface Request {
  readonly path: string;
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly query: Readonly<Record<string, string>>;
}

function valueHolds(match: StringMatch, value: string): boolean {
  if ('present' in match) return true;
  if ('exact' in match) return value === match.exact;
  if ('prefix' in match) return value.startsWith(match.prefix);
  if ('suffix' in match) return value.endsWith(match.suffix);
  return new RegExp(`^(?:${match.regex})$`).test(value);
}

function namedHolds({ name, match, invert }: NamedMatch, values: Readonly<Record<string, string>>): boolean {
  const value = values[name];
  if ('present' in match) return (value !== undefined) !== invert;
  return invert ? !valueHolds(match, value ?? '') : value !== undefined && valueHolds(match, value);
}

function pathHolds(path: PathMatch | undefined, value: string): boolean {
  if (path === undefined) return true;
  if ('exact' in path) return value === path.exact;
  if ('regex' in path) return new RegExp(`^(?:${path.regex})$`).test(value);
  return path.prefix === '/' || value === path.prefix || value.startsWith(`${path.prefix}/`);
}

function holds(match: Match, { path, method, headers, query }: Request): boolean {
  return (
    pathHolds(match.path, path) &&
    (match.method === undefined || match.method === method) &&
    match.headers.every((item) => namedHolds(item, headers)) &&
    match.query.every((item) => namedHolds(item, query))
  );
}

const word = fc.constantFrom('', 'a', 'ab', 'b', 'bb');
const stringMatch: fc.Arbitrary<StringMatch> = fc.oneof(
  word.map((exact) => ({ exact })),
  fc.constantFrom('a', 'ab', 'b').map((text) => ({ prefix: text })),
  fc.constantFrom('a', 'ab', 'b').map((text) => ({ suffix: text })),
  fc.constantFrom('.*', 'a+', 'a*b?').map((regex) => ({ regex })),
  fc.constant(present),
);
const condition = fc.record({ name: fc.constantFrom('x', 'y'), match: stringMatch, invert: fc.boolean() });
const pathMatch: fc.Arbitrary<PathMatch> = fc.oneof(
  fc.constantFrom('/', '/a', '/a/b', '/ab').map((text) => ({ prefix: text })),
  fc.constantFrom('/', '/a', '/a/b', '/a/').map((exact) => ({ exact })),
  fc.constantFrom('/.*', '/a/.*', '/a/?b', '/a/b*', '/a/b/+a', '/a|/b', '/a/b', '/ab?/b').map((regex) => ({ regex })),
);
const anyMatch = fc.record(
  {
    path: pathMatch,
    method: fc.constantFrom('GET', 'POST'),
    headers: fc.array(condition, { maxLength: 2 }),
    query: fc.array(condition, { maxLength: 1 }),
  },
  { requiredKeys: ['headers', 'query'] },
);
const values = fc.dictionary(fc.constantFrom('x', 'y'), word);
const request: fc.Arbitrary<Request> = fc.record({
  path: fc.constantFrom('/', '/a', '/a/', '/a/b', '/a/b/', '/a/b/a', '/ab', '/ab/b', '/b', '/a/bb'),
  method: fc.constantFrom('GET', 'POST'),
  headers: values,
  query: values,
});

describe('what is called hidden', () => {
  it('is never the first to match a request', () => {
    fc.assert(
      fc.property(
        fc.array(anyMatch, { minLength: 2, maxLength: 8 }),
        fc.array(request, { minLength: 30, maxLength: 30 }),
        (matches, requests) => {
          const entries = orderEntries([routeOf('a', matches)]);
          const losers = new Set(shadows(entries).map(({ loser }) => loser));
          for (const one of requests) {
            const first = entries.find(({ match }) => holds(match, one));
            if (first !== undefined) expect(losers.has(first), JSON.stringify(one)).toBe(false);
          }
        },
      ),
      { numRuns: propertyRuns(150) },
    );
  });
});
