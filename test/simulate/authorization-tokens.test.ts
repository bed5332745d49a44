// Tokens of requests, good and forged, asked of real Envoys: which rules they meet, and what of them the application sees.
// In plaintext, as rules that ask for no caller hold there too. Each scenario is a virtual host behind one listener.
import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { request as httpRequest } from 'node:http';
import { SignJWT, UnsecuredJWT } from 'jose';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { serviceId } from '../../src/model/names.ts';
import { nextWorld } from '../../src/model/next-world.ts';
import { typeUrls } from '../../src/resources/type-urls.ts';
import { bootstrap } from '../../src/translate/bootstrap.ts';
import { createTranslator } from '../../src/translate/translate.ts';
import { type Answer, type Backend, startBackend } from '../support/backends.ts';
import { objectSnapshot, registrySnapshot } from '../support/objects.ts';
import { testProtos } from '../support/protos.ts';
import { describeWith, freePorts, type RunningEnvoy, startEnvoy } from '../support/real-parts.ts';
import { type Json, ofType } from '../support/static-config.ts';
import { testInstance } from '../support/worlds.ts';

const issuer = 'https://idp.example/realms/a.b';
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const stranger = generateKeyPairSync('rsa', { modulusLength: 2048 });
const partner = generateKeyPairSync('ed25519');
const jwk = (key: KeyObject, kid: string, alg: string) => ({ ...key.export({ format: 'jwk' }), kid, alg, use: 'sig' });
const keys = JSON.stringify({ keys: [jwk(rsa.publicKey, 'one', 'RS256'), jwk(ec.publicKey, 'two', 'ES256')] });
const partnerKeys = JSON.stringify({ keys: [jwk(partner.publicKey, 'one', 'EdDSA')] });

const declared = [
  { issuer, audiences: ['cart', 'shop'], jwks: { inline: keys }, payloadHeader: 'x-token' },
  { issuer: 'partner', audiences: ['cart'], jwks: { inline: partnerKeys } },
];
const rule = (claims?: readonly object[], more: object = {}) => ({
  ...more,
  jwt: { issuer, ...(claims && { claims }) },
});

const scenarios: Readonly<Record<string, object>> = {
  valid: { allow: [rule()] },
  admin: { allow: [rule([{ claim: 'role', exact: 'admin' }])] },
  nested: { allow: [rule([{ claim: ['realm_access', 'roles'], exact: 'admin' }])] },
  both: {
    allow: [
      rule([
        { claim: 'role', exact: 'admin' },
        { claim: 'scope', exact: 'write' },
      ]),
    ],
  },
  dotted: { allow: [rule([{ claim: 'https://shop.example/tier', exact: 'gold' }])] },
  read: { allow: [rule(undefined, { to: [{ methods: ['GET'] }] }), rule([{ claim: 'role', exact: 'admin' }])] },
  banned: { deny: [rule([{ claim: 'role', exact: 'guest' }])] },
  partner: { allow: [{ jwt: { issuer: 'partner' } }] },
  counted: { mode: 'shadow', allow: [rule()] },
  named: { allow: [rule(undefined, { from: ['*'] })] },
};
/**
 * Of listeners of their own: keys that could not be read yet, an issuer that another object declares otherwise, and a
 * listener that has to go on without what it verifies.
 */
const read = { to: [{ methods: ['GET'] }] };
const unbelieved: Readonly<Record<'unread' | 'disputed' | 'without', readonly object[]>> = {
  unread: [{ jwt: [{ ...declared[0], jwks: { file: '/not/there' } }], allow: [read, rule()] }],
  without: [{ jwt: [declared[0]], allow: [read, rule()] }],
  disputed: [
    { jwt: [declared[0]], allow: [read, rule()] },
    { jwt: [{ ...declared[0], audiences: ['cart'] }], allow: [rule()] },
  ],
};
const hostOf = (name: string): string => `${name}.test`;

const now = (): number => Math.floor(Date.now() / 1000);
interface Claims {
  readonly [name: string]: unknown;
}

/** A good token, but for what is said. */
function token(
  claims: Claims = {},
  header: object = {},
  key: KeyObject | Uint8Array = rsa.privateKey,
): Promise<string> {
  return new SignJWT({ iss: issuer, aud: 'cart', exp: now() + 600, ...claims })
    .setProtectedHeader({ alg: 'RS256', kid: 'one', ...header })
    .sign(key);
}

function generated(specs: object | readonly object[], backend: number) {
  const text = (spec: object, index: number): string =>
    JSON.stringify({
      ...{ apiVersion: 'chancery/v1', kind: 'Authorization', metadata: { name: `cart-${index}` } },
      spec: { service: 'cart', jwt: declared, ...spec },
    });
  const world = nextWorld(undefined, {
    registries: [registrySnapshot({ cart: [testInstance('cart')] })],
    objects: [objectSnapshot({ 'a.yaml': [specs].flat().map(text).join('\n---\n') })],
  });
  expect(world.problems.filter(({ severity }) => severity === 'error')).toEqual([]);
  const inbound = [{ address: '127.0.0.1', port: 21_000, appAddress: '127.0.0.1', appPort: backend }];
  const service = serviceId('default', 'cart');
  const content = createTranslator({ protos: testProtos() }).view(world, {
    ...{ role: 'sidecar', service, inbound, upstreams: [] },
  });
  const [listener] = ofType(content, typeUrls.listener) as unknown as [
    { readonly filter_chains: readonly [{ readonly filters: readonly [{ readonly typed_config: Json }] }] },
  ];
  const [extension] = ofType(content, typeUrls.extension);
  const manager = listener.filter_chains[0].filters[0].typed_config;
  /** As if it had come, or what the listener goes on with without it. */
  const withTokens = (config: 'extension' | 'default'): Json => ({
    ...manager,
    http_filters: (manager['http_filters'] as Json[]).map(({ config_discovery: discovery, ...filter }) => {
      if (discovery === undefined) return filter;
      const { default_config } = discovery as Json;
      return { ...filter, typed_config: config === 'default' ? default_config : extension?.['typed_config'] };
    }),
  });
  const [routes] = ofType(content, typeUrls.routes) as unknown as [{ readonly virtual_hosts: readonly [Json] }];
  return {
    manager: withTokens,
    host: routes.virtual_hosts[0],
    cluster:
      ofType(content, typeUrls.cluster).find(({ name }) => name === 'inbound/21000') ?? expect.fail('no cluster'),
  };
}

type Ports = Readonly<Record<'port' | 'counting' | 'unread' | 'disputed' | 'without', number>>;

function config({ port, counting, unread, disputed, without }: Ports, backend: number): object {
  const hosts = Object.entries(scenarios).map(([name, spec]) => ({
    ...generated(spec, backend).host,
    ...{ name, domains: [hostOf(name)] },
  }));
  const listener = (
    name: string,
    port_value: number,
    specs: object | readonly object[],
    { own = false, config = 'extension' }: { own?: boolean; config?: 'extension' | 'default' } = {},
  ) => {
    const { manager: made, host } = generated(specs, backend);
    const { rds: _, access_log: __, ...manager } = made(config);
    const virtual_hosts = own ? [{ ...host, domains: ['*'] }] : hosts;
    const typed_config = { ...manager, stat_prefix: name, route_config: { name, virtual_hosts } };
    return {
      ...{ name, address: { socket_address: { address: '127.0.0.1', port_value } } },
      filter_chains: [{ filters: [{ name: 'envoy.filters.network.http_connection_manager', typed_config }] }],
    };
  };
  return {
    node: { id: 'static', cluster: 'static' },
    layeredRuntime: bootstrap({ node: 'static', role: 'gateway', xds: { address: '127.0.0.1', port: 1 } })
      .layeredRuntime,
    static_resources: {
      listeners: [
        listener('enforced', port, scenarios['valid'] ?? {}),
        listener('counting', counting, scenarios['counted'] ?? {}),
        listener('unread', unread, unbelieved.unread, { own: true }),
        listener('disputed', disputed, unbelieved.disputed, { own: true }),
        listener('without', without, unbelieved.without, { own: true, config: 'default' }),
      ],
      clusters: [generated({ deny: [{}] }, backend).cluster],
    },
  };
}

describe.each(['envoy', 'envoy-oldest'] as const)('tokens on %s', (part) =>
  describeWith([part], 'a real Envoy', () => {
    let ports: Ports = { port: 0, counting: 0, unread: 0, disputed: 0, without: 0 };
    let backend: Backend;
    let envoy: RunningEnvoy;

    beforeAll(async () => {
      backend = await startBackend('cart');
      const [port = 0, counting = 0, unread = 0, disputed = 0, without = 0] = await freePorts(5);
      ports = { port, counting, unread, disputed, without };
      envoy = await startEnvoy(config(ports, backend.port), part === 'envoy' ? {} : { bin: 'oldest' });
    }, 60_000);
    afterAll(async () => {
      await envoy.stop();
      await backend[Symbol.asyncDispose]();
    });

    interface Asked {
      readonly method?: string;
      readonly path?: string;
      readonly headers?: readonly string[];
      readonly at?: number;
    }

    function ask(
      name: string,
      authorization: readonly string[],
      { method = 'GET', path = '/', headers = [], at = ports.port }: Asked = {},
    ) {
      const lines = ['host', hostOf(name), ...authorization.flatMap((value) => ['authorization', value]), ...headers];
      return new Promise<{ readonly status: number; readonly seen: Answer['headers'] }>((resolve, reject) => {
        httpRequest({ host: '127.0.0.1', port: at, method, path, headers: lines }, (response) => {
          let text = '';
          response.setEncoding('utf8').on('data', (data) => {
            text += data;
          });
          response.once('end', () => {
            const status = response.statusCode ?? 0;
            resolve({ status, seen: status === 200 ? (JSON.parse(text) as Answer).headers : {} });
          });
        })
          .once('error', reject)
          .end();
      });
    }
    const status = async (name: string, jwt?: string, asked?: Asked): Promise<number> =>
      (await ask(name, jwt === undefined ? [] : [`Bearer ${jwt}`], asked)).status;

    it('lets in with a valid token, of either key and audience', async () => {
      expect(await status('valid', await token())).toBe(200);
      expect(await status('valid', await token({ aud: ['other', 'shop'] }))).toBe(200);
      expect(await status('valid', await token({}, { alg: 'ES256', kid: 'two' }, ec.privateKey))).toBe(200);
    });

    it('T17: lets nobody in without a valid token', async () => {
      const good = await token({ role: 'admin' });
      const [head = '', body = '', signature = ''] = good.split('.');
      const other = Buffer.from(JSON.stringify({ iss: issuer, aud: 'cart', exp: now() + 600, role: 'root' }));
      const pem = rsa.publicKey.export({ type: 'spki', format: 'pem' });
      const bad: Readonly<Record<string, string | undefined>> = {
        none: undefined,
        empty: '',
        expired: await token({ exp: now() - 600 }),
        'without an end': await token({ exp: undefined }),
        'not yet valid': await token({ nbf: now() + 600 }),
        'another issuer': await token({ iss: 'https://idp.example' }),
        'without an issuer': await token({ iss: undefined }),
        'the issuer in capitals': await token({ iss: issuer.toUpperCase() }),
        'another issuer that is declared': await token({ iss: 'partner' }),
        'another audience': await token({ aud: 'carts' }),
        'without an audience': await token({ aud: undefined }),
        'alg none': new UnsecuredJWT({ iss: issuer, aud: 'cart', exp: now() + 600 }).encode(),
        'alg none, signed': `${Buffer.from('{"alg":"none","kid":"one"}').toString('base64url')}.${body}.${signature}`,
        'HS256 with the public key': await token({}, { alg: 'HS256' }, new TextEncoder().encode(`${pem}`)),
        'HS256 with the key set': await token({}, { alg: 'HS256' }, new TextEncoder().encode(keys)),
        'another algorithm of the key': await token({}, { alg: 'PS256' }),
        'unknown kid': await token({}, { kid: 'three' }),
        'the kid of another key': await token({}, { kid: 'two' }),
        'a stranger': await token({}, {}, stranger.privateKey),
        'a stranger without kid': await token({}, { kid: undefined }, stranger.privateKey),
        'key in the header': await token({}, { jwk: jwk(stranger.publicKey, 'one', 'RS256') }, stranger.privateKey),
        'other claims': `${head}.${other.toString('base64url')}.${signature}`,
        'cut off': good.slice(0, -8),
        'without signature': `${head}.${body}.`,
      };
      for (const [what, jwt] of Object.entries(bad)) {
        expect(await status('valid', jwt), what).toBe(403);
        // Who is kept out does not come in by leaving the token away, or by breaking it.
        expect(await status('banned', jwt), what).toBe(403);
      }
      expect(await status('partner', await token())).toBe(403);
      const theirs = { alg: 'EdDSA' };
      expect(await status('partner', await token({ iss: 'partner' }, theirs, partner.privateKey))).toBe(200);
      expect(await status('valid', await token({}, theirs, partner.privateKey))).toBe(403);
    });

    it('T17: reads a token in the one Authorization header alone', async () => {
      const good = await token();
      const bad = await token({ exp: now() - 600 });
      expect(await status('valid', undefined, { path: `/?access_token=${good}` })).toBe(403);
      expect(await status('valid', undefined, { headers: ['cookie', `access_token=${good}`] })).toBe(403);
      expect((await ask('valid', [`Basic ${good}`])).status).toBe(403);
      expect((await ask('valid', [`Bearer ${bad}`, `Bearer ${good}`])).status).toBe(403);
      // Which of the two the application would read is not known.
      expect((await ask('valid', [`Bearer ${good}`, `Bearer ${bad}`])).status).toBe(403);
      expect((await ask('valid', [`Bearer ${good}`, `Bearer ${good}`])).status).toBe(403);
      expect((await ask('valid', [`Bearer ${good}, Bearer ${bad}`])).status).toBe(403);
    });

    it('hands on what a valid token says, and no header of that name that a caller wrote', async () => {
      const forged = { headers: ['x-token', 'forged'] };
      const { seen } = await ask('valid', [`Bearer ${await token({ sub: 'ann' })}`], forged);
      expect(seen).not.toHaveProperty('authorization');
      expect(JSON.parse(Buffer.from(seen['x-token'] ?? '', 'base64url').toString())).toMatchObject({ sub: 'ann' });
      const get = await ask('counted', [], forged);
      expect([get.status, get.seen['x-token']]).toEqual([200, undefined]);
    });

    it.each(['unread', 'disputed', 'without'] as const)(
      'T17: believes no token of what is %s, nor their header',
      async (name) => {
        const [at, jwt] = [ports[name], `Bearer ${await token()}`];
        const { status: code, seen } = await ask(name, [jwt], { at, headers: ['x-token', 'forged'] });
        expect([code, seen['x-token']]).toEqual([200, undefined]);
        expect((await ask(name, [jwt], { at, method: 'POST' })).status).toBe(403);
      },
    );

    it('changes nothing of a request where it only counts', async () => {
      const jwt = `Bearer ${await token()}`;
      const { status: code, seen } = await ask('counted', [jwt], { at: ports.counting, headers: ['x-token', 'own'] });
      expect([code, seen['authorization'], seen['x-token']]).toEqual([200, jwt, 'own']);
      expect((await ask('counted', [], { at: ports.counting })).status).toBe(200);
      const counted = await envoy.adminGet('/stats?filter=counting.rbac.*shadow_denied$');
      expect(counted).toMatch(/\.shadow_denied: 1$/m);
    });

    it.each<readonly [string, Claims, number]>([
      ['admin', { role: 'admin' }, 200],
      ['admin', { role: ['guest', 'admin'] }, 200],
      ['admin', {}, 403],
      ['admin', { role: 'Admin' }, 403],
      ['admin', { role: 'admin,guest' }, 403],
      ['admin', { role: 'admin ' }, 403],
      ['admin', { role: 'xadmin' }, 403],
      ['admin', { role: [] }, 403],
      ['admin', { role: [['admin']] }, 403],
      ['admin', { role: { admin: 'admin' } }, 403],
      ['admin', { role: true }, 403],
      ['admin', { 'role.admin': 'admin' }, 403],
      ['nested', { realm_access: { roles: ['user', 'admin'] } }, 200],
      ['nested', { realm_access: { roles: 'admin' } }, 200],
      ['nested', { realm_access: { roles: ['user'] } }, 403],
      ['nested', { 'realm_access.roles': ['admin'] }, 403],
      ['nested', { realm_access: [{ roles: 'admin' }] }, 403],
      ['both', { role: 'admin', scope: 'read write' }, 200],
      ['both', { role: 'admin', scope: 'read' }, 403],
      ['both', { role: 'user', scope: 'write' }, 403],
      ['both', { role: 'admin', scope: 'rewrite writer' }, 403],
      ['dotted', { 'https://shop.example/tier': 'gold' }, 200],
      ['dotted', { 'https://shop': { 'example/tier': 'gold' } }, 403],
      ['banned', { role: 'user' }, 200],
      ['banned', {}, 200],
      ['banned', { role: 'guest' }, 403],
      ['banned', { role: ['user', 'guest'] }, 403],
      // Nobody in plaintext has a name, whatever token there is.
      ['named', { role: 'admin' }, 403],
    ])('asks claims: %s %j', async (name, claims, wanted) => {
      expect(await status(name, await token(claims))).toBe(wanted);
    });

    it('asks of the request and of the token together', async () => {
      expect(await status('read', await token())).toBe(200);
      expect(await status('read', await token(), { method: 'POST' })).toBe(403);
      expect(await status('read', await token({ role: 'admin' }), { method: 'POST' })).toBe(200);
      expect(await status('read')).toBe(403);
    });
  }),
);
