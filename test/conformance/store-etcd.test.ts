// Real etcd as store: the contract as a user with rights on one prefix, and what happens without them.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { StoreConfig } from '../../src/store/store.ts';
import { assertNoLeaks } from '../support/leaks.ts';
import { describeWith, eventually, freePort, type RunningEtcd, startEtcd } from '../support/real-parts.ts';
import { createTempDir, type TempDir } from '../support/temp-dir.ts';
import { bytes, everyRefusal, goesSilent, openStore, refusal, testStore, textOf } from './store-suite.ts';

const prefix = '/chancery/trust/';
const username = 'chancery';
const password = 'hunter2';
const base64 = (text: string): string => Buffer.from(text).toString('base64');

/** With authentication on: `chancery` may read and write below the prefix, and nothing else. */
async function startGuardedEtcd(): Promise<RunningEtcd> {
  const etcd = await startEtcd({ args: ['--bcrypt-cost', '4'] });
  await etcd.put('/chancery/other/key', 'not ours');
  await etcd.call('auth/role/add', { name: 'trust' });
  const perm = { permType: 'READWRITE', key: base64(prefix), range_end: base64('/chancery/trust0') };
  await etcd.call('auth/role/grant', { name: 'trust', perm });
  for (const [name, role] of [
    ['root', 'root'],
    [username, 'trust'],
  ] as const) {
    await etcd.call('auth/user/add', { name, password: name === 'root' ? 'rootpw' : password });
    await etcd.call('auth/user/grant', { user: name, role });
  }
  await etcd.call('auth/enable', {});
  return etcd;
}

testStore({
  name: 'real etcd, a user with rights on the prefix only',
  parts: ['etcd'],
  shared: true,
  async start() {
    const etcd = await startGuardedEtcd();
    const config: StoreConfig = { kind: 'etcd', endpoints: [etcd.url], prefix, username, password };
    const nobody = `http://someone:hunter3@127.0.0.1:${await freePort()}`;
    return { config, unreachable: { ...config, endpoints: [nobody] }, stop: () => etcd.stop() };
  },
});

describeWith(['etcd'], 'store: real etcd that refuses or is silent', () => {
  assertNoLeaks({ deadlineMs: 12_000 });
  let etcd: RunningEtcd;
  let place: TempDir;
  let config: Extract<StoreConfig, { kind: 'etcd' }>;

  beforeAll(async () => {
    etcd = await startGuardedEtcd();
    place = createTempDir('store-etcd');
    config = { kind: 'etcd', endpoints: [etcd.url], prefix, username, password };
  });
  afterAll(async () => {
    await etcd?.stop();
    place?.remove();
  });

  it('T23: is refused beside its prefix, and never told "absent" or "empty"', async () => {
    const beside = openStore({ ...config, prefix: '/chancery/other/' });
    const { username: _, password: __, ...anonymous } = config;
    const unknown = openStore(anonymous);
    const wrong = openStore({ ...config, password: 'hunter4' });
    for (const store of [beside, unknown, wrong])
      for (const said of (await everyRefusal(store, 'key/one')).values()) {
        expect(said.code, said.message).toBe('CH1822');
        expect(said.message).not.toMatch(/hunter|secret/);
      }
    for (const store of [beside, unknown, wrong]) store.close();
  });

  it('takes up a password that was changed, without being told', async () => {
    const passwordFile = join(place.path, 'password');
    writeFileSync(passwordFile, `${password}\n`);
    const { password: _, ...rest } = config;
    const store = openStore({ ...rest, passwordFile });
    const revision = (await store.put('password/one', bytes('a'), 'absent')) ?? '';
    const { token } = await etcd.call('auth/authenticate', { name: 'root', password: 'rootpw' });
    const changed = await fetch(`${etcd.url}/v3/auth/user/changepw`, {
      method: 'POST',
      headers: { authorization: String(token) },
      body: JSON.stringify({ name: username, password: 'hunter5' }),
    });
    expect(changed.status).toBe(200);
    writeFileSync(passwordFile, 'hunter5\n');
    expect(await store.put('password/one', bytes('b'), { revision })).toBeDefined();
    expect(textOf((await store.get('password/one'))?.value)).toBe('b');
    store.close();
    config = { ...config, password: 'hunter5' };
  });

  it('asks the other members where one is dead', async () => {
    const dead = `http://127.0.0.1:${await freePort()}`;
    for (let n = 0; n < 5; n++) {
      const store = openStore({ ...config, endpoints: [dead, etcd.url, dead] });
      const revision = await store.put(`members/${n}`, bytes('x'), 'absent');
      expect(revision).toBeDefined();
      expect(await store.delete(`members/${n}`, { revision: revision ?? '' })).toBe(true);
      store.close();
    }
  });

  it('throws at the deadline where nothing comes back, and goes on when it does', async () => {
    await goesSilent(etcd, (port) => ({ ...config, endpoints: [`http://127.0.0.1:${port}`] }));
  }, 40_000);

  it('goes on after etcd was away', async () => {
    const store = openStore(config);
    const revision = (await store.put('away/one', bytes('x'), 'absent')) ?? '';
    await etcd.kill();
    expect(await refusal(store.get('away/one'))).toMatchObject({ code: 'CH1821' });
    expect(await refusal(store.delete('away/one', { revision }))).toMatchObject({ code: 'CH1821' });
    etcd = await etcd.again();
    await eventually(async () => (await store.get('away/one'))?.revision === revision, { deadlineMs: 20_000 });
    expect(await store.delete('away/one', { revision })).toBe(true);
    store.close();
  }, 60_000);
});
