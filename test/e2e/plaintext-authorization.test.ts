// Who may call, where no certificates are issued: what a request says of itself still counts, and so do tokens. What stands
// in a text that cannot be read lets nobody in, also after a restart.
import { generateKeyPairSync } from 'node:crypto';
import { Agent, request } from 'node:http';
import { SignJWT } from 'jose';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Answer } from '../support/backends.ts';
import { describeWith, eventuallyPasses, freePorts, type RunningEnvoy } from '../support/real-parts.ts';
import { registryRigs } from './registry-rigs.ts';
import { type Scene, startScene } from './scene.ts';

const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const keys = JSON.stringify({ keys: [{ ...publicKey.export({ format: 'jwk' }), kid: 'one' }] });
const jwt = [{ issuer: 'idp', audiences: ['api'], jwks: { inline: keys } }];

describeWith(['envoy'], 'authorization without mutual TLS', () => {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  let scene: Scene;
  let api: RunningEnvoy;
  let inbound = 0;
  let bearer = '';

  const rules = (spec: object): void =>
    scene.product.write(
      'rules.yaml',
      JSON.stringify({
        ...{ apiVersion: 'chancery/v1', kind: 'Authorization', metadata: { name: 'api' } },
        spec: { service: 'api', ...spec },
      }),
    );

  beforeAll(async () => {
    const rig = registryRigs.find(({ name }) => name === 'files') ?? expect.fail('no files rig');
    scene = await startScene({ rig });
    let outbound = 0;
    [inbound = 0, outbound = 0] = await freePorts(2);
    await scene.instance('api', 'api-1', { proxyPort: inbound });
    api = await scene.product.envoy('api-1', ['--service', 'api', '--outbound', `127.0.0.1:${outbound}`]);
    const token = new SignJWT({ iss: 'idp', aud: 'api', exp: Math.floor(Date.now() / 1000) + 600, role: 'admin' });
    bearer = `Bearer ${await token.setProtectedHeader({ alg: 'ES256', kid: 'one' }).sign(privateKey)}`;
    await eventuallyPasses(async () => expect(await ask('GET')).toBe(200));
  }, 60_000);
  afterAll(async () => {
    agent.destroy();
    await scene[Symbol.asyncDispose]();
  });

  function answer(method: string, headers: Readonly<Record<string, string>> = {}) {
    const options = { host: '127.0.0.1', port: inbound, method, agent, headers: { host: 'api', ...headers } };
    return new Promise<{ readonly status: number; readonly body: string }>((resolve, reject) => {
      request(options, (response) => {
        let body = '';
        response.setEncoding('utf8').on('data', (chunk: string) => {
          body += chunk;
        });
        response.once('end', () => resolve({ status: response.statusCode ?? 0, body }));
      })
        .once('error', reject)
        .end();
    });
  }
  const ask = async (method: string, headers: Readonly<Record<string, string>> = {}): Promise<number> =>
    (await answer(method, headers)).status;
  /** What the application was told. */
  const headers = async (given: Readonly<Record<string, string>>): Promise<Answer['headers']> =>
    (JSON.parse((await answer('GET', given)).body) as Answer).headers;
  const codes = async (): Promise<readonly string[]> => {
    const { stdout } = await scene.product.cli('problems', '-o', 'json');
    return [...stdout.matchAll(/CH1\d\d\d/g)].map(([code]) => code);
  };

  it('asks what needs no name, on the connection that is open, and touches no listener', async () => {
    const modified = await api.stat('listener_manager.listener_modified');
    const connections = await api.stat('listener_manager.listener_create_success');
    rules({ allow: [{ to: [{ methods: ['GET'] }] }] });
    await eventuallyPasses(async () => expect(await ask('POST')).toBe(403));
    expect(await ask('GET')).toBe(200);
    expect(await api.stat('listener_manager.listener_modified')).toBe(modified);
    expect(await api.stat('listener_manager.listener_create_success')).toBe(connections);
  });

  it('T24: nobody in plaintext is whom a rule names', async () => {
    rules({ allow: [{ from: ['*'] }, { from: ['web'] }] });
    const forged = { 'x-forwarded-client-cert': 'By=x;URI=spiffe://service.local/svc/web' };
    await eventuallyPasses(async () => expect(await ask('GET')).toBe(403));
    expect(await ask('GET', forged)).toBe(403);
    expect(await codes()).toContain('CH1243');
  });

  it('asks for tokens, and its rules about them touch no listener', async () => {
    rules({ jwt, allow: [{ jwt: { claims: [{ claim: 'role', exact: 'admin' }] } }] });
    await eventuallyPasses(async () => expect(await ask('GET', { authorization: bearer })).toBe(200));
    expect(await ask('GET')).toBe(403);
    const modified = await api.stat('listener_manager.listener_modified');
    rules({ jwt, allow: [{ jwt: { claims: [{ claim: 'role', exact: 'owner' }] } }] });
    await eventuallyPasses(async () => expect(await ask('GET', { authorization: bearer })).toBe(403));
    expect(await api.stat('listener_manager.listener_modified')).toBe(modified);
  });

  it('T20: hands on what a token says in a header that no caller can write, with an underscore neither', {
    timeout: 30_000,
  }, async () => {
    const said = { 'x-user': 'forged', x_user: 'forged', x_other: 'own' };
    rules({ jwt, allow: [{}] });
    await eventuallyPasses(async () => expect((await headers(said))['x-user']).toBe('forged'));
    rules({ jwt: [{ ...jwt[0], payloadHeader: 'x-user' }], allow: [{}] });
    await eventuallyPasses(async () => expect((await headers(said))['x-user']).toBeUndefined());
    // That one is of the listener, and holds for connections that begin with it.
    await eventuallyPasses(async () =>
      expect(Object.keys(await headers(said)).filter((name) => name.startsWith('x_'))).toEqual([]),
    );
    const { 'x-user': user = '', ...rest } = await headers({ ...said, authorization: bearer });
    expect(JSON.parse(Buffer.from(user, 'base64url').toString())).toMatchObject({ iss: 'idp', role: 'admin' });
    expect(rest['x_user']).toBeUndefined();
    rules({ deny: [{}] });
    await eventuallyPasses(async () => expect(await ask('GET')).toBe(403));
  });

  it('a text that is refused keeps the last good one, and closes the service after a restart', {
    timeout: 40_000,
  }, async () => {
    rules({ allow: [{ to: [{ methods: ['GET'] }] }] });
    await eventuallyPasses(async () => expect([await ask('GET'), await ask('POST')]).toEqual([200, 403]));
    rules({ allow: [{ to: [{ methods: ['GET'] }] }], alow: [] });
    await eventuallyPasses(async () => expect(await codes()).toContain('CH1110'));
    expect([await ask('GET'), await ask('POST')]).toEqual([200, 403]);
    await scene.product.stop();
    await scene.product.start();
    await eventuallyPasses(async () => expect(await ask('GET')).toBe(403));
    expect(await codes()).toContain('CH1247');
    rules({ allow: [{ to: [{ methods: ['GET'] }] }] });
    await eventuallyPasses(async () => expect(await ask('GET')).toBe(200));
    expect(await ask('POST')).toBe(403);
  });
});
