import { describe, expect, it } from 'vitest';
import type { NamedMatch, Route, StringMatch } from '../../../src/model/route.ts';
import { senseOf } from '../../../src/model/rule-sense.ts';
import { worldOf } from '../../support/objects.ts';
import { testMatch, testRoute, testRule } from '../../support/routes.ts';

const x = (match: StringMatch, invert = false): NamedMatch => ({ name: 'x', match, invert });
const said = (route: Route): string[] => senseOf(route).map(({ code, message }) => `${code} ${message}`);
const asking = (...headers: readonly NamedMatch[]): Route =>
  testRoute('r', { rules: [testRule('r', 0, { matches: [testMatch('r', { headers })] })] });

const present = { present: true } as const;

describe('a match that no request can meet', () => {
  it.each<readonly [NamedMatch, NamedMatch]>([
    [x({ exact: 'a' }), x({ exact: 'b' })],
    [x({ exact: 'a' }), x({ prefix: 'b' })],
    [x({ suffix: 'b' }), x({ exact: 'a' })],
    [x({ prefix: 'ab' }), x({ prefix: 'ac' })],
    [x({ exact: 'a' }), x(present, true)],
    [x({ regex: 'a+' }), x(present, true)],
    [x({ prefix: 'a' }, true), x({ prefix: 'ab' })],
    [x({ suffix: 'ab' }), x({ suffix: 'b' }, true)],
    [x({ exact: 'ab' }), x({ exact: 'ab' }, true)],
  ])('%j beside %j', (a, b) => {
    const expected = ['CH1228 rule "default/r#0" can never match: its conditions on header "x" exclude each other'];
    expect(said(asking(a, b))).toEqual(expected);
    expect(said(asking(b, a))).toEqual(expected);
  });

  it.each<readonly [NamedMatch, NamedMatch]>([
    [x({ exact: 'a' }), { ...x({ exact: 'b' }), name: 'y' }],
    [x({ prefix: 'a' }), x({ prefix: 'ab' })],
    [x({ prefix: 'a' }), x({ suffix: 'b' })],
    [x({ regex: 'a' }), x({ exact: 'b' })],
    [x({ exact: 'a' }, true), x({ exact: 'b' }, true)],
    [x({ exact: 'a' }, true), x({ exact: 'b' })],
    [x({ exact: 'a' }, true), x(present)],
    [x({ exact: 'ab' }, true), x({ prefix: 'a' })],
  ])('is not %j beside %j', (a, b) => {
    expect(said(asking(a, b))).toEqual([]);
  });

  it('asks for a caller where only gateways are', () => {
    const rules = [testRule('r', 0, { matches: [testMatch('r', { from: ['web' as never] })] })];
    expect(said(testRoute('r', { rules, gateways: ['edge'] }))).toEqual([
      'CH1228 rule "default/r#0" can never match: it asks for a calling service, and a gateway is none',
    ]);
    expect(said(testRoute('r', { rules, gateways: ['edge', 'mesh'] }))).toEqual([]);
    expect(said(testRoute('r', { rules }))).toEqual([]);
  });
});

describe('a Route against itself', () => {
  const route = (spec: string): string => `apiVersion: chancery/v1\nkind: Route\nmetadata: {name: r}\nspec:\n${spec}`;
  const told = (text: string): string[] =>
    worldOf(text)
      .problems.filter(({ code }) => code !== 'CH1203')
      .map(({ code, severity, at, path, message }) => `${severity} ${code} ${at.line} ${path} ${message}`);

  it('says HTTP in a TCP Route, and rules behind the one that takes every connection', () => {
    const text = route(
      '  hosts: [db]\n  protocol: tcp\n  rules:\n' +
        '  - {match: [{path: {prefix: /x}}], to: [{service: db}], rewrite: {prefix: /y}, timeout: 1s}\n' +
        '  - redirect: {path: /z}\n',
    );
    expect(told(text)).toEqual([
      'warning CH1010 8 spec.rules[0] rule "default/r#0" of a TCP Route has no use for match, rewrite, timeout: bytes have no requests',
      'warning CH1010 9 spec.rules[1] rule "default/r#1" of a TCP Route has no use for redirect: bytes have no requests',
      'warning CH1228 9 spec.rules[1] rule "default/r#1" can never match: every connection goes to rule "default/r#0"',
    ]);
    expect(told(route('  hosts: [db]\n  protocol: tcp\n  rules: [{to: [{service: db}]}]\n'))).toEqual([]);
  });

  it('has two rules of one name', () => {
    const rules =
      '  rules:\n  - {name: a, match: [{path: {prefix: /x}}], respond: {status: 200}}\n  - {name: a, respond: {status: 201}}\n';
    expect(told(route(`  hosts: [a.example]\n${rules}`))).toEqual([
      'warning CH1230 8 spec.rules[1] rules 1 and 2 are both named "default/r#a"',
    ]);
  });
});
