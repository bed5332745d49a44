// Real Consul as store: the contract with a token for one prefix, and what happens without it.
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { StoreConfig } from '../../src/store/store.ts';
import { assertNoLeaks } from '../support/leaks.ts';
import { describeWith, freePort, type RunningConsul, startConsul } from '../support/real-parts.ts';
import { createTempDir, type TempDir } from '../support/temp-dir.ts';
import { bytes, everyRefusal, goesSilent, openStore, refusal, testStore } from './store-suite.ts';

const prefix = 'chancery/trust/';

/** A token that may read and write below the prefix, and nothing else. */
async function makeToken(consul: RunningConsul, name: string, below = prefix): Promise<string> {
  const rules = `key_prefix "${below}" { policy = "write" }`;
  await consul.call('PUT', '/v1/acl/policy', { Name: name, Rules: rules });
  const made = await consul.call('PUT', '/v1/acl/token', { Policies: [{ Name: name }] });
  return (made as { readonly SecretID: string }).SecretID;
}

testStore({
  name: 'real Consul, a token for the prefix only',
  parts: ['consul'],
  shared: true,
  async start() {
    const consul = await startConsul({ acl: true });
    const token = await makeToken(consul, 'trust');
    const config: StoreConfig = { kind: 'consul', address: consul.url, prefix, token };
    const nobody = `http://someone:hunter3@127.0.0.1:${await freePort()}`;
    return { config, unreachable: { ...config, address: nobody }, stop: () => consul.stop() };
  },
});

describeWith(['consul'], 'store: real Consul that refuses or is silent', () => {
  assertNoLeaks({ deadlineMs: 14_000 });
  let consul: RunningConsul;
  let place: TempDir;
  let config: Extract<StoreConfig, { kind: 'consul' }>;

  beforeAll(async () => {
    consul = await startConsul({ acl: true });
    place = createTempDir('store-consul');
    config = { kind: 'consul', address: consul.url, prefix, token: await makeToken(consul, 'trust') };
  });
  afterAll(async () => {
    await consul?.stop();
    place?.remove();
  });

  it('T23: is refused beside its prefix, and never told "absent" or "empty"', async () => {
    const { token: _, ...anonymous } = config;
    const beside = { ...config, prefix: 'chancery/other/' };
    const unknown = { ...config, token: '00000000-0000-4000-8000-000000000000' };
    for (const filled of [false, true]) {
      // Without rights Consul answers a list in another way once there is something to hide.
      if (filled)
        for (const folder of [prefix, beside.prefix])
          await consul.call('PUT', `/v1/kv/${folder}key/there`, 'not yours');
      for (const one of [beside, anonymous, unknown]) {
        const store = openStore(one);
        for (const said of (await everyRefusal(store, 'key/one')).values()) {
          expect(said.code, said.message).toBe('CH1822');
          expect(said.message).not.toContain('secret');
          expect(said.message).not.toContain(config.token);
        }
        store.close();
      }
    }
  });

  it('T23: is never given a part of a list for the whole', async () => {
    const narrow = openStore({ ...config, token: await makeToken(consul, 'narrow', `${prefix}part/a/`) });
    const whole = openStore(config);
    await whole.put('part/a/1', bytes('x'), 'absent');
    expect((await narrow.list('part/a/')).size).toBe(1);
    await whole.put('part/b/1', bytes('x'), 'absent');
    expect([...(await whole.list('part/')).keys()]).toEqual(['part/a/1', 'part/b/1']);
    expect(await refusal(narrow.list('part/'))).toMatchObject({ code: 'CH1822' });
    narrow.close();
    whole.close();
  });

  it('takes up a token whose file was changed', async () => {
    const tokenFile = join(place.path, 'token');
    writeFileSync(tokenFile, 'no-token\n');
    const { token, ...rest } = config;
    const store = openStore({ ...rest, tokenFile });
    expect(await refusal(store.get('token/one'))).toMatchObject({ code: 'CH1822' });
    writeFileSync(tokenFile, `${token}\n`);
    expect(await store.get('token/one')).toBeUndefined();
    store.close();
  });

  it('does not believe a 404 that is not of Consul', async () => {
    const server = createServer((_, response) => response.writeHead(404).end());
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const store = openStore({ ...config, address: `http://127.0.0.1:${(server.address() as AddressInfo).port}` });
    try {
      expect(await refusal(store.get('a'))).toMatchObject({ code: 'CH1825' });
      expect(await refusal(store.list('a/'))).toMatchObject({ code: 'CH1825' });
      expect(await refusal(store.put('a', bytes('x'), 'absent'))).toMatchObject({ code: 'CH1821' });
    } finally {
      store.close();
      await new Promise((resolve) => server.close(resolve));
    }
  });

  it('throws at the deadline where nothing comes back, and goes on when it does', async () => {
    await goesSilent(consul, (port) => ({ ...config, address: `http://127.0.0.1:${port}` }));
  }, 40_000);
});
