import { generateKeyPairSync } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { nextWorld } from '../../../src/model/next-world.ts';
import { problemText } from '../../../src/model/problem.ts';
import type { World } from '../../../src/model/world.ts';
import { objectSnapshot, registrySnapshot } from '../../support/objects.ts';
import { testInstance } from '../../support/worlds.ts';

/** As where proxies are issued certificates. */
function worldOf(text: string): World {
  const objects = [objectSnapshot({ 'objects.yaml': text })];
  return nextWorld(undefined, { registries: [registrySnapshot(services)], objects, certificates: true });
}

const proxy = { address: '10.0.0.9', port: 21_000, localAddress: '127.0.0.1', localPort: 80 };
const services = { cart: [testInstance('c', { proxy })], web: [testInstance('w')] };
const strict = 'apiVersion: chancery/v1\nkind: Mesh\nmetadata: {name: mesh}\nspec: {mtls: strict}\n---\n';

function authorization(spec: string, metadata = 'name: cart'): string {
  return `apiVersion: chancery/v1\nkind: Authorization\nmetadata: {${metadata}}\nspec: ${spec}\n`;
}

function told(text: string, codes = /^CH124/): (readonly [string, string, string])[] {
  return worldOf(text)
    .problems.filter(({ code }) => codes.test(code))
    .map(({ code, severity, message }) => [code, severity, message] as const);
}

const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const keySet = JSON.stringify({ keys: [{ ...publicKey.export({ format: 'jwk' }), kid: 'one' }] });

function issuer(name: string, inline = keySet, more: object = {}): string {
  return JSON.stringify({ issuer: name, audiences: ['cart'], jwks: { inline }, ...more });
}

/** What stands in for a text that is refused. */
const shut = { mode: 'enforce', allow: [], deny: [expect.objectContaining({ index: 0, to: [] })] };

describe('an Authorization', () => {
  it('is compiled with every rule, caller and operation', () => {
    const world = worldOf(
      authorization(
        '{service: cart, allow: [{from: [web, prod/api, gateway/edge, "*"], to: [{methods: [get], paths: [/a, {prefix: /b}], headers: [{name: X-Team, exact: shop}]}]}], deny: [{}]}',
      ),
    );
    expect([...world.authorizations.keys()]).toEqual(['cart']);
    expect(world.authorizations.get('cart' as never)).toMatchObject([
      {
        namespace: 'default',
        name: 'cart',
        service: 'cart',
        mode: 'enforce',
        allow: [
          {
            index: 0,
            from: [
              { kind: 'service', service: 'web' },
              { kind: 'service', service: 'prod|api' },
              { kind: 'gateway', gateway: 'edge' },
              { kind: 'anyone' },
            ],
            to: [
              {
                methods: ['GET'],
                paths: [{ exact: '/a' }, { prefix: '/b' }],
                headers: [{ name: 'x-team', exact: 'shop' }],
              },
            ],
          },
        ],
        deny: [{ index: 0, to: [] }],
      },
    ]);
    expect(world.authorizations.get('cart' as never)?.[0]?.deny[0]).not.toHaveProperty('from');
  });

  it('asks for tokens of the issuers that it declares', () => {
    const claims = '[{claim: role, exact: admin}, {claim: [realm, roles], exact: a}]';
    const text = `{service: cart, jwt: [${issuer('a', undefined, { payloadHeader: 'x-user' })}], allow: [{jwt: {claims: ${claims}}}]}`;
    expect(worldOf(authorization(text)).authorizations.get('cart' as never)).toMatchObject([
      {
        issuers: [{ issuer: 'a', audiences: ['cart'], payloadHeader: 'x-user' }],
        allow: [
          {
            tokens: [
              {
                issuer: 'a',
                claims: [
                  { path: ['role'], exact: 'admin' },
                  { path: ['realm', 'roles'], exact: 'a' },
                ],
              },
            ],
          },
        ],
      },
    ]);
  });

  it('names services of its own namespace unless it says another', () => {
    const text = authorization('{service: cart, allow: [{from: [web]}]}', 'name: a, namespace: prod');
    expect([...worldOf(text).authorizations.values()]).toMatchObject([
      [{ service: 'prod|cart', allow: [{ from: [{ service: 'prod|web' }] }] }],
    ]);
  });

  it('stands beside the others of its service, in the order of their names', () => {
    const texts = ['b', 'a'].map((name) => authorization('{service: cart, deny: [{}]}', `name: ${name}`));
    const all = worldOf(texts.join('---\n')).authorizations.get('cart' as never);
    expect(all?.map(({ name }) => name)).toEqual(['a', 'b']);
  });

  it('stays the same object while its text does, and so does the list of its service', () => {
    const registries = [registrySnapshot(services)];
    const one = authorization('{service: cart, deny: [{}]}');
    const first = nextWorld(undefined, { registries, objects: [objectSnapshot({ 'a.yaml': one })] });
    const more = { 'a.yaml': one, 'b.yaml': authorization('{service: web, deny: [{}]}', 'name: web') };
    const second = nextWorld(first, { registries, objects: [objectSnapshot(more)] });
    expect(second.authorizations).not.toBe(first.authorizations);
    expect(second.authorizations.get('cart' as never)).toBe(first.authorizations.get('cart' as never));
    const third = nextWorld(second, { registries, objects: [objectSnapshot({ ...more })] });
    expect(third).toBe(second);
  });

  it.each([
    ['{service: cart}', 'CH1010', '"spec" needs allow or deny; to let nobody in write "deny: [{}]"'],
    ['{service: cart, allow: []}', 'CH1005', '"spec.allow" must have at least 1 entry'],
    ['{service: cart, allow: [{from: []}]}', 'CH1005', '"spec.allow[0].from" must have at least 1 entry'],
    ['{service: cart, allow: [{to: [{}]}]}', 'CH1010', '"spec.allow[0].to[0]" needs methods, paths or headers'],
    ['{service: cart, mode: warn, deny: [{}]}', 'CH1005', '"spec.mode" must be one of "enforce", "shadow"'],
    ['{service: cart, deny: [{from: ["web*"]}]}', 'CH1005', '"spec.deny[0].from[0]" must be a service'],
    ['{service: cart, deny: [{to: [{paths: [a]}]}]}', 'CH1005', '"spec.deny[0].to[0].paths[0]" must be a path'],
    [
      '{service: cart, deny: [{to: [{paths: [{prefix: /a, suffix: /b}]}]}]}',
      'CH1004',
      'the key "suffix" is not known here',
    ],
    [
      '{service: cart, deny: [{to: [{headers: [{name: ":path", exact: /a}]}]}]}',
      'CH1005',
      '"spec.deny[0].to[0].headers[0].name" must not be Host or a pseudo-header',
    ],
    ['{service: cart, allow: [{jwt: {}}]}', 'CH1010', 'must name an issuer that "spec.jwt" declares'],
    [
      `{service: cart, jwt: [${issuer('a')}, ${issuer('b')}], allow: [{jwt: {}}]}`,
      'CH1010',
      '"spec.allow[0].jwt" must name an issuer that "spec.jwt" declares',
    ],
    [`{service: cart, jwt: [${issuer('a')}], allow: [{jwt: {issuer: A}}]}`, 'CH1010', 'must name an issuer'],
    [`{service: cart, jwt: [${issuer('a')}], deny: [{jwt: {}}]}`, 'CH1010', '"spec.deny[0].jwt" needs claims'],
    [`{service: cart, jwt: [${issuer('a')}, ${issuer('a')}], deny: [{}]}`, 'CH1010', 'declares one issuer twice'],
    [
      `{service: cart, jwt: [${issuer('a').replace('"inline"', '"remote":{},"inline"')}], deny: [{}]}`,
      'CH1004',
      'the key "remote" is not known here',
    ],
    [`{service: cart, jwt: [${issuer('a', '{}')}], deny: [{}]}`, 'CH1249', 'must be a JSON Web Key Set'],
    [
      `{service: cart, jwt: [${issuer('a').replace('"inline"', '"file":"/a","inline"')}], deny: [{}]}`,
      'CH1010',
      '"spec.jwt[0].jwks" needs either inline or file, and not both',
    ],
    [
      '{service: cart, jwt: [{issuer: a, audiences: [b], jwks: {}}], deny: [{}]}',
      'CH1010',
      '"spec.jwt[0].jwks" needs either inline or file, and not both',
    ],
    [
      '{service: cart, jwt: [{issuer: a, audiences: [b], jwks: {file: keys.json}}], deny: [{}]}',
      'CH1005',
      '"spec.jwt[0].jwks.file" must be the absolute path of a file',
    ],
    [
      `{service: cart, jwt: [${issuer('a', undefined, { payloadHeader: 'x-forwarded-client-cert' })}], deny: [{}]}`,
      'CH1005',
      '"spec.jwt[0].payloadHeader" must not be a header that proxies write',
    ],
  ])('%s is refused', (spec, code, message) => {
    const { problems, authorizations } = worldOf(authorization(spec));
    expect(problems.map((problem) => problem.code).sort()).toEqual([code, 'CH1247'].sort());
    expect(problems.find((problem) => problem.code === code)?.message).toContain(message);
    expect([...authorizations]).toEqual([['cart', [expect.objectContaining(shut)]]]);
  });

  it.each([
    ['rules', `allow: [${Array.from({ length: 129 }, () => '{}').join()}]`],
    ['callers', `allow: [{from: [${Array.from({ length: 257 }, (_, i) => `s${i}`).join()}]}]`],
    ['operations', `allow: [{to: [${Array.from({ length: 33 }, () => '{methods: [GET]}').join()}]}]`],
    ['methods', `allow: [{to: [{methods: [${Array.from({ length: 17 }, () => 'GET').join()}]}]}]`],
    ['paths', `allow: [{to: [{paths: [${Array.from({ length: 65 }, () => '/a').join()}]}]}]`],
    ['a long path', `allow: [{to: [{paths: [/${'a'.repeat(1024)}]}]}]`],
    ['a long prefix', `allow: [{to: [{paths: [{prefix: /${'a'.repeat(1024)}}]}]}]`],
    ['headers', `allow: [{to: [{headers: [${Array.from({ length: 17 }, () => '{name: a, exact: b}').join()}]}]}]`],
    ['a long name', `allow: [{from: [${'a'.repeat(507)}]}]`],
    ['a long value', `allow: [{to: [{headers: [{name: a, exact: ${'b'.repeat(254)}}]}]}]`],
  ])('T9: too many or too long: %s', (_, rest) => {
    const { problems, authorizations } = worldOf(authorization(`{service: cart, ${rest}}`));
    expect(problems.map(({ code }) => code).sort()).toEqual([expect.stringMatching(/^CH100[59]$/), 'CH1247']);
    expect([...authorizations]).toEqual([['cart', [expect.objectContaining(shut)]]]);
  });
});

describe('what an Authorization names', () => {
  it('is told where nobody bears the name, at its place and with a near name', () => {
    const text = `${strict}${authorization('{service: crat, allow: [{from: [web, wbe]}]}')}`;
    expect(
      worldOf(text)
        .problems.filter(({ code }) => code.startsWith('CH124'))
        .map(problemText),
    ).toEqual([
      '[CH1241] Authorization default/cart: service "crat" is not known (objects.yaml:6:1). Correct its name, register it, ' +
        'or write a Service for it; until then the rules protect nothing. Did you mean "cart"? docs: errors#CH1241',
      '[CH1242] Authorization default/cart: calling service "wbe" is not known (objects.yaml:9:44). Correct its name; ' +
        'until somebody bears it, it matches nobody. Did you mean "web"? docs: errors#CH1242',
    ]);
  });

  it('may be any gateway while no Gateway object is there', () => {
    const edge =
      'apiVersion: chancery/v1\nkind: Gateway\nmetadata: {name: edge}\nspec: {listeners: [{port: 80}]}\n---\n';
    const rest = authorization('{service: cart, allow: [{from: [gateway/egde]}]}');
    expect(told(`${strict}${rest}`)).toEqual([]);
    expect(told(`${strict}${edge}${rest}`)).toEqual([['CH1242', 'warning', 'calling gateway "egde" is not known']]);
  });
});

describe('an Authorization that does not do what it seems to', () => {
  const mesh = (mtls: string): string => strict.replace('strict', mtls);
  const tcp = 'apiVersion: chancery/v1\nkind: Service\nmetadata: {name: cart}\nspec: {protocol: tcp}\n---\n';
  const plain = tcp.replace('protocol: tcp', 'tls: none');
  const allow = authorization('{service: cart, allow: [{from: [web], to: [{methods: [GET]}]}]}');

  it('is told where callers show no certificate', () => {
    const off = 'callers of service "cart" show no certificate: mtls is off for it';
    expect(told(`${mesh('off')}${allow}`)).toEqual([['CH1243', 'warning', off]]);
    expect(told(`${mesh('strict')}${allow}`)).toEqual([]);
    expect(told(`${mesh('off')}${authorization('{service: cart, allow: [{to: [{methods: [GET]}]}]}')}`)).toEqual([]);
    expect(told(`${mesh('strict')}${plain}${allow}`)).toEqual([['CH1243', 'warning', off]]);
  });

  it('is told where instances have no sidecar, so that nobody enforces it', () => {
    const text = authorization('{service: web, deny: [{}]}');
    expect(told(`${strict}${text}`, /^CH1250/)).toEqual([
      ['CH1250', 'warning', '1 of 1 instances of service "web" have no sidecar'],
    ]);
    expect(told(`${strict}${allow}`, /^CH1250/)).toEqual([]);
  });

  it('T17: is told where one issuer is declared in two ways', () => {
    const one = (name: string, more: object) =>
      authorization(`{service: cart, jwt: [${issuer('a', undefined, more)}], allow: [{jwt: {}}]}`, `name: ${name}`);
    const message = 'another Authorization of service "cart" declares issuer "a" otherwise';
    expect(told(`${strict}${one('a', {})}---\n${one('b', {})}`, /^CH1251/)).toEqual([]);
    expect(told(`${strict}${one('a', {})}---\n${one('b', { audiences: ['other'] })}`, /^CH1251/)).toEqual([
      ['CH1251', 'warning', message],
      ['CH1251', 'warning', message],
    ]);
  });

  it('is told where a service has no requests to ask of', () => {
    const token = authorization(`{service: cart, jwt: [${issuer('a')}], allow: [{jwt: {}}]}`);
    expect(told(`${strict}${tcp}${token}`)).toMatchObject([['CH1244', 'warning', expect.anything()]]);
    expect(told(`${strict}${tcp}${allow}`)).toEqual([
      ['CH1244', 'warning', 'allow rule 0 asks of requests, and service "cart" has connections only'],
    ]);
  });

  it('T24: is told where a deny rule by name can be passed by in plaintext', () => {
    const deny = authorization('{service: cart, deny: [{from: [web]}]}', 'name: deny');
    const everybody = authorization('{service: cart, deny: [{}]}', 'name: deny');
    const message = 'who calls in plaintext is not known by name, and deny rule 0 names its callers';
    expect(told(`${mesh('permissive')}${deny}`)).toEqual([['CH1245', 'warning', message]]);
    expect(told(`${mesh('strict')}${deny}`)).toEqual([]);
    expect(told(`${mesh('permissive')}${everybody}`)).toEqual([]);
    expect(told(`${mesh('permissive')}${deny}---\n${allow}`)).toEqual([]);
  });
});
