import { describe, expect, it } from 'vitest';
import { worldOf } from '../../support/objects.ts';
import { testInstance } from '../../support/worlds.ts';

const services = { web: [testInstance('w')], cart: [testInstance('c')] };

function compile(rules: string, extra = '') {
  const text = `apiVersion: chancery/v1\nkind: Route\nmetadata: {name: shop}\nspec:\n  hosts: [Shop.Example, shop.example]\n${extra}  rules:\n${rules}`;
  const world = worldOf(text, services);
  return { route: world.routes[0], problems: world.problems };
}

describe('a Route', () => {
  it('keeps hosts lower case and once, gateways, and the position of every part', () => {
    const { route } = compile(
      '  - match: [{path: {prefix: /cart/}}]\n    to: [{service: cart}]\n',
      '  gateways: [mesh]\n',
    );
    expect(route).toMatchObject({
      namespace: 'default',
      name: 'shop',
      hosts: ['shop.example'],
      gateways: ['mesh'],
      protocol: 'http',
      rules: [{ name: 'default/shop#0', index: 0, matches: [{ path: { prefix: '/cart' } }] }],
    });
    const rule = route?.rules[0];
    expect([rule?.provenance.line, rule?.matches[0]?.provenance.line]).toEqual([8, 8]);
    expect(rule?.action).toMatchObject({ kind: 'forward', to: [{ provenance: { line: 9, column: 20 } }] });
  });

  it('brings every kind of match into the model', () => {
    const { route } = compile(
      '  - match:\n' +
        '    - {path: {exact: /a}, method: post, headers: [{name: X-A, exact: b}, {name: x-b, present: false}, {name: x-c, suffix: z, invert: true}]}\n' +
        '    - {path: {regex: "/c.*"}, query: [{name: V, regex: "1|2"}, {name: w, prefix: p}], from: [web, prod/web]}\n' +
        '    to: [{service: cart}]\n',
    );
    expect(route?.rules[0]?.matches).toMatchObject([
      {
        path: { exact: '/a' },
        method: 'POST',
        headers: [
          { name: 'x-a', match: { exact: 'b' }, invert: false },
          { name: 'x-b', match: { present: true }, invert: true },
          { name: 'x-c', match: { suffix: 'z' }, invert: true },
        ],
        from: [],
      },
      {
        path: { regex: '/c.*' },
        query: [
          { name: 'V', match: { regex: '1|2' }, invert: false },
          { name: 'w', match: { prefix: 'p' }, invert: false },
        ],
        from: ['web', 'prod|web'],
      },
    ]);
  });

  it('brings every action and every setting into the model', () => {
    const { route, problems } = compile(
      '  - {to: [{service: cart, weight: 90}, {service: web}], rewrite: {regex: {pattern: "/a(.*)", substitution: "/b\\\\1"}, host: b.example}, timeout: 0s, hash: [{query: u}]}\n' +
        '  - {redirect: {scheme: https, prefix: /new}}\n' +
        '  - {respond: {status: 404}}\n' +
        '  - {name: last, to: [{service: web}], headers: {request: {set: {X-A: "1"}, remove: [X-B]}, response: {add: {x-c: c}}}, retry: {attempts: 3, perTry: 100ms, statusCodes: [503]}}\n',
    );
    // cart and web balance without a hash, which is said and no more.
    expect(problems.map(({ code, path }) => [code, path])).toEqual([['CH1010', 'spec.rules[0].hash']]);
    expect(route?.rules).toMatchObject([
      {
        action: {
          kind: 'forward',
          to: [
            { service: 'cart', weight: 90 },
            { service: 'web', weight: 1 },
          ],
        },
        rewrite: { regex: { pattern: '/a(.*)', substitution: '/b\\1' }, host: 'b.example' },
        timeoutMs: 0,
        hashOn: [{ query: 'u' }],
        matches: [{ headers: [], query: [], from: [] }],
      },
      { action: { kind: 'redirect', redirect: { scheme: 'https', prefix: '/new', code: 302 } } },
      { action: { kind: 'respond', respond: { status: 404, body: '' } } },
      {
        name: 'default/shop#last',
        requestHeaders: { set: { 'x-a': '1' }, add: {}, remove: ['x-b'] },
        responseHeaders: { set: {}, add: { 'x-c': 'c' }, remove: [] },
        retry: {
          attempts: 3,
          perTryTimeoutMs: 100,
          on: ['connect-failure', 'refused-stream', 'reset-before-request', 'retriable-status-codes'],
          statusCodes: [503],
        },
      },
    ]);
  });

  it('answers 503 where all weights are zero, and says so', () => {
    const { route, problems } = compile('  - to: [{service: cart, weight: 0}, {service: web, weight: 0}]\n');
    expect(route?.rules[0]?.action).toEqual({ kind: 'respond', respond: { status: 503, body: '' } });
    expect(problems.map(({ code, path }) => [code, path])).toEqual([['CH1208', 'spec.rules[0].to']]);
  });

  it('is left out when no rule is left', () => {
    const { route, problems } = compile('  - to: []\n');
    expect(route).toBeUndefined();
    expect(problems.map(({ code }) => code)).toEqual(['CH1005']);
  });

  it('warns where a retry may repeat what was handled, unless only safe methods match', () => {
    const retried = (match: string, on: string): string[] =>
      compile(`  - ${match}to: [{service: web}]\n    retry: {attempts: 1, on: [${on}]}\n`).problems.map(
        ({ code }) => code,
      );
    expect(retried('', '5xx')).toEqual(['CH1213']);
    expect(retried('match: [{method: GET}, {method: POST}]\n    ', 'connect-failure, reset')).toEqual(['CH1213']);
    expect(retried('match: [{method: get}, {method: HEAD}]\n    ', '5xx')).toEqual([]);
    expect(retried('', 'connect-failure, refused-stream')).toEqual([]);
  });
});
