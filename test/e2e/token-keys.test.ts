// The keys of an issuer of tokens in a file of the control plane: exchanged under requests, and not lost when it restarts.
import { generateKeyPairSync } from 'node:crypto';
import { renameSync, writeFileSync } from 'node:fs';
import { Agent } from 'node:http';
import { join } from 'node:path';
import { SignJWT } from 'jose';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { ask, type Load, startLoad } from '../support/load.ts';
import { describeWith, eventually, eventuallyPasses, freePorts, type RunningEnvoy } from '../support/real-parts.ts';
import { createTempDir } from '../support/temp-dir.ts';
import { registryRigs } from './registry-rigs.ts';
import { type Scene, startScene } from './scene.ts';

const pair = () => generateKeyPairSync('ec', { namedCurve: 'P-256' });
const pairs = { one: pair(), two: pair() };
const set = (...kids: readonly (keyof typeof pairs)[]): string =>
  JSON.stringify({ keys: kids.map((kid) => ({ ...pairs[kid].publicKey.export({ format: 'jwk' }), kid })) });

describeWith(['envoy'], 'the keys of an issuer in a file', () => {
  const dir = createTempDir('token-keys');
  const file = join(dir.path, 'keys.json');
  let scene: Scene;
  let api: RunningEnvoy;
  let inbound = 0;
  const warm = new Agent({ keepAlive: true, maxSockets: 1 });
  const bearers = { one: '', two: '' };

  const rules = (mode: 'enforce' | 'shadow' = 'enforce'): void =>
    scene.product.write(
      'rules.yaml',
      JSON.stringify({
        ...{ apiVersion: 'chancery/v1', kind: 'Authorization', metadata: { name: 'api' } },
        spec: {
          ...{ service: 'api', mode },
          jwt: [{ issuer: 'idp', audiences: ['api'], jwks: { file } }],
          allow: [{ jwt: {} }, { to: [{ paths: ['/open'] }] }],
        },
      }),
    );
  /** As an operator would: there is no moment at which half of it stands there. */
  function replace(text: string): void {
    writeFileSync(`${file}.new`, text);
    renameSync(`${file}.new`, file);
  }
  const request = (kid?: keyof typeof pairs) => ({
    ...{ port: inbound, host: 'api' },
    ...(kid === undefined ? {} : { headers: { authorization: bearers[kid] } }),
  });
  const status = async (kid?: keyof typeof pairs): Promise<number> => (await ask(request(kid))).status;
  /** On the one connection that stays open. */
  const open = async (kid?: keyof typeof pairs): Promise<number> =>
    (await ask({ ...request(kid), agent: warm })).status;
  const listeners = async (): Promise<readonly number[]> => [
    await api.stat('listener_manager.listener_modified'),
    await api.stat('listener_manager.listener_in_place_updated'),
    await api.stat('listener_manager.listener_create_success'),
  ];
  const load = (kid: keyof typeof pairs): Load => startLoad({ ...request(kid), perSecond: 50, maxSeconds: 60 });
  const problems = async (): Promise<string> => (await scene.product.cli('problems')).stdout;

  beforeAll(async () => {
    for (const kid of ['one', 'two'] as const) {
      const token = new SignJWT({ iss: 'idp', aud: 'api', exp: Math.floor(Date.now() / 1000) + 600 });
      bearers[kid] = `Bearer ${await token.setProtectedHeader({ alg: 'ES256', kid }).sign(pairs[kid].privateKey)}`;
    }
    const rig = registryRigs.find(({ name }) => name === 'files') ?? expect.fail('no files rig');
    scene = await startScene({ rig });
    let outbound = 0;
    [inbound = 0, outbound = 0] = await freePorts(2);
    await scene.instance('api', 'api-1', { proxyPort: inbound });
    api = await scene.product.envoy('api-1', ['--service', 'api', '--outbound', `127.0.0.1:${outbound}`]);
    await eventuallyPasses(async () => expect(await status()).toBe(200));
  }, 60_000);
  afterAll(async () => {
    warm.destroy();
    await scene[Symbol.asyncDispose]();
    dir.remove();
  });

  it('T17: that is not there closes what asks for its tokens, and no more', async () => {
    rules();
    await eventuallyPasses(async () => expect([await status('one'), await status()]).toEqual([403, 403]));
    expect((await ask({ ...request(), path: '/open' })).status).toBe(200);
    expect(await problems()).toContain(`${file} cannot be read: no token of its issuer is believed`);
    replace(set('one'));
    await eventuallyPasses(async () => expect(await status('one')).toBe(200));
    expect([await status('two'), await status()]).toEqual([403, 403]);
    expect(await problems()).not.toContain('CH1252');
  });

  it('is exchanged under requests with none failed: both keys, then the new one', { timeout: 60_000 }, async () => {
    const first = load('one');
    const before = await listeners();
    expect([await open('one'), await open('two')]).toEqual([200, 403]);
    replace(set('one', 'two'));
    await eventuallyPasses(async () => expect(await open('two')).toBe(200));
    const second = load('two');
    await eventually(() => second.soFar().sent >= 100);
    expect(await first.stop()).toMatchObject({ failed: 0, failures: {} });
    replace(set('two'));
    await eventuallyPasses(async () => expect(await open('one')).toBe(403));
    expect(await listeners()).toEqual(before);
    replace('{"keys": []}');
    await eventuallyPasses(async () => expect(await problems()).toContain('its former keys are believed'));
    replace(set('two'));
    await eventuallyPasses(async () => expect(await problems()).not.toContain('CH1252'));
    const result = await second.stop();
    expect(result).toMatchObject({ failed: 0, failures: {} });
    expect(result.sent).toBeGreaterThan(100);
  });

  it('is read before anything is sent when the control plane starts again', { timeout: 60_000 }, async () => {
    const second = load('two');
    await scene.product.stop();
    await scene.product.start();
    await eventually(() => second.soFar().sent >= 200);
    const before = second.soFar().sent;
    await eventually(() => second.soFar().sent >= before + 100);
    expect(await second.stop()).toMatchObject({ failed: 0, failures: {} });
  });

  it('goes away with the last rule about tokens, with no request of an open connection failed', {
    timeout: 60_000,
  }, async () => {
    expect(await open('two')).toBe(200);
    const second = load('two');
    scene.product.remove('rules.yaml');
    await eventuallyPasses(async () => expect(await open()).toBe(200));
    await eventually(() => second.soFar().sent >= 200);
    expect(await second.stop()).toMatchObject({ failed: 0, failures: {} });
  });

  it('is asked for on connections that began in shadow, with no request refused', { timeout: 60_000 }, async () => {
    const [, before] = await listeners();
    rules('shadow');
    await eventuallyPasses(async () => expect((await listeners())[1]).toBeGreaterThan(before ?? 0));
    const fresh = new Agent({ keepAlive: true, maxSockets: 1 });
    const answer = async (kid?: keyof typeof pairs) => (await ask({ ...request(kid), agent: fresh })).status;
    try {
      expect([await answer(), await answer('two')]).toEqual([200, 200]);
      const [, shadowed] = await listeners();
      rules('enforce');
      const meanwhile = new Set<number>();
      await eventuallyPasses(async () => {
        meanwhile.add(await answer('two'));
        expect(await answer()).toBe(403);
      });
      expect([...meanwhile.add(await answer('two'))]).toEqual([200]);
      expect((await listeners())[1]).toBe(shadowed);
    } finally {
      fresh.destroy();
    }
  });
});
