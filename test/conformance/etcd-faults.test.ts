// What real etcd does to a watcher: cut and held connections, compaction, restarts, leases, users. Nothing may be lost.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Etcd3 } from 'etcd3';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { RegistrySnapshot } from '../../src/model/snapshot.ts';
import { createEtcdRegistry, type EtcdRegistryOptions } from '../../src/sources/etcd/etcd-registry.ts';
import { listKeys } from '../../src/sources/etcd/key-range.ts';
import { openWatch, type WatchEnd } from '../../src/sources/etcd/watch-stream.ts';
import { prefixRange } from '../../src/util/etcd/key-range.ts';
import { assertNoLeaks } from '../support/leaks.ts';
import { describeWith, eventually, eventuallyPasses, type RunningEtcd, startEtcd } from '../support/real-parts.ts';
import { startTcpProxy, type TcpProxy } from '../support/tcp-proxy.ts';
import { createTempDir } from '../support/temp-dir.ts';
import { watch } from './source-registry-suite.ts';
import { rigDeps } from './source-rig.ts';

const key = (id: string | number): string => `/services/web/instances/${id}`;
const value = (port: number, pad = ''): string =>
  JSON.stringify({ address: '10.0.0.1', port, ...(pad === '' ? {} : { metadata: { pad } }) });
const base64 = (text: string): string => Buffer.from(text).toString('base64');

/** Puts many keys, a hundred in each revision. */
async function putMany(etcd: RunningEtcd, entries: readonly (readonly [string, string])[]): Promise<void> {
  for (let at = 0; at < entries.length; at += 100)
    await etcd.call('kv/txn', {
      success: entries.slice(at, at + 100).map(([name, text]) => ({
        requestPut: { key: base64(name), value: base64(text) },
      })),
    });
}

async function compact(etcd: RunningEtcd): Promise<void> {
  await etcd.call('kv/compaction', { revision: String(await etcd.revision()), physical: true });
}

const ports = (snapshot: RegistrySnapshot | undefined): Record<string, number> =>
  Object.fromEntries((snapshot?.services.get('web')?.instances ?? []).map(({ id, port }) => [id, port]));

describeWith(['etcd'], 'etcd that misbehaves', () => {
  assertNoLeaks();
  let etcd: RunningEtcd;
  let proxy: TcpProxy;
  let running: ReturnType<typeof watch> | undefined;

  beforeEach(async () => {
    etcd = await startEtcd();
    proxy = await startTcpProxy(etcd);
  });
  afterEach(async () => {
    await running?.end();
    running = undefined;
    await proxy.stop();
    await etcd.stop();
  });

  function start(options: Partial<EtcdRegistryOptions> = {}): ReturnType<typeof watch> {
    running = watch(
      createEtcdRegistry(rigDeps(), {
        name: 'etcd',
        endpoints: [`http://127.0.0.1:${proxy.port}`],
        prefix: '/services/',
        layout: 'chancery',
        confirmMs: 100,
        ...options,
      }),
    );
    return running;
  }
  const wait = { deadlineMs: 20_000 };

  it('cut off: misses nothing of what happened meanwhile', async () => {
    for (let i = 0; i < 10; i++) await etcd.put(key(i), value(1000 + i));
    const source = start();
    await eventually(() => Object.keys(ports(source.last())).length === 10, wait);
    proxy.mode('cut');
    await eventually(() => source.last()?.degraded?.kind === 'unreachable', wait);
    for (let i = 0; i < 5; i++) await etcd.remove(key(i));
    await putMany(
      etcd,
      Array.from({ length: 200 }, (_, i) => [key(`new-${i}`), value(2000 + i)] as const),
    );
    await etcd.put(key(7), value(7777));
    proxy.mode('pass');
    await eventually(() => source.last()?.degraded === undefined, wait);
    const found = ports(source.last());
    expect(Object.keys(found)).toHaveLength(205);
    expect(found).toMatchObject({ 7: 7777, 'new-199': 2199 });
    await etcd.put(key('after'), value(1));
    await eventually(() => ports(source.last())['after'] === 1, wait);
  }, 60_000);

  it('cut again and again in the midst of changes: ends equal', async () => {
    const source = start();
    await eventually(() => source.last()?.complete === true, wait);
    for (let round = 0; round < 5; round++) {
      for (let i = 0; i < 20; i++) {
        if (i === 10) proxy.mode('cut');
        if (i === 15) proxy.mode('pass');
        const id = (round * 7 + i) % 23;
        if (i % 3 === 0) await etcd.remove(key(id));
        else await etcd.put(key(id), value(1000 * (round + 1) + i));
      }
    }
    const client = new Etcd3({ hosts: etcd.url });
    const truth = await listKeys(client, '/services/web/instances/').finally(() => client.close());
    const expected = Object.fromEntries(
      [...truth.values.values()].map((entry) => [entry.key, (JSON.parse(entry.value) as { port: number }).port]),
    );
    await eventuallyPasses(() => expect(ports(source.last())).toEqual(expected), wait);
    await eventually(() => source.last()?.degraded === undefined, wait);
  }, 60_000);

  it('compacted while the watcher was away: reads anew, and goes on watching', async () => {
    for (let i = 0; i < 3; i++) await etcd.put(key(i), value(1000 + i));
    const source = start();
    await eventually(() => Object.keys(ports(source.last())).length === 3, wait);
    proxy.mode('cut');
    await eventually(() => source.last()?.degraded?.kind === 'unreachable', wait);
    await etcd.remove(key(0));
    for (let i = 0; i < 20; i++) await etcd.put(key(1), value(2000 + i));
    await compact(etcd);
    proxy.mode('pass');
    await eventually(() => source.last()?.degraded === undefined, wait);
    expect(ports(source.last())).toEqual({ 1: 2019, 2: 1002 });
    await etcd.put(key('after'), value(1));
    await eventually(() => ports(source.last())['after'] === 1, wait);
  }, 60_000);

  it('compacted while a slow watcher is held behind: ends with the truth', async () => {
    const source = start();
    await eventually(() => source.last()?.complete === true, wait);
    proxy.mode('hold');
    const pad = 'x'.repeat(4000);
    for (let round = 0; round < 8; round++)
      await putMany(
        etcd,
        Array.from({ length: 200 }, (_, i) => [key(i), value(1000 * (round + 1) + i, pad)] as const),
      );
    await etcd.remove(key(0));
    await compact(etcd);
    proxy.mode('pass');
    await eventually(() => ports(source.last())[199] === 8199 && ports(source.last())[0] === undefined, wait);
    expect(Object.keys(ports(source.last()))).toHaveLength(199);
    await etcd.put(key('after'), value(1));
    await eventually(() => ports(source.last())['after'] === 1, wait);
  }, 60_000);

  it('held without a word: says it is unreachable, and recovers', async () => {
    await etcd.put(key(1), value(1001));
    const source = start({ probeMs: 200 });
    await eventually(() => source.last()?.complete === true, wait);
    proxy.mode('hold');
    await eventually(() => source.last()?.degraded?.kind === 'unreachable', wait);
    expect(ports(source.last())).toEqual({ 1: 1001 });
    await etcd.put(key(2), value(1002));
    proxy.mode('pass');
    await eventually(() => source.last()?.degraded === undefined && ports(source.last())[2] === 1002, wait);
  }, 60_000);

  it('killed and restarted again and again: misses nothing', async () => {
    const source = start();
    await eventually(() => source.last()?.complete === true, wait);
    for (let round = 0; round < 3; round++) {
      await etcd.put(key(round), value(1000 + round));
      await etcd.kill();
      await eventually(() => source.last()?.degraded?.kind === 'unreachable', wait);
      etcd = await etcd.again();
      if (round > 0) await etcd.remove(key(round - 1));
      await etcd.put(key(`back-${round}`), value(1));
      await eventually(() => ports(source.last())[`back-${round}`] === 1, wait);
    }
    expect(ports(source.last())).toEqual({ 2: 1002, 'back-0': 1, 'back-1': 1, 'back-2': 1 });
  }, 90_000);

  it('whose leases all end at once: doubts it first', async () => {
    const { ID } = await etcd.call('lease/grant', { TTL: 60 });
    for (let i = 0; i < 4; i++)
      await etcd.call('kv/put', { key: base64(key(i)), value: base64(value(1000 + i)), lease: ID });
    const source = start();
    await eventually(() => Object.keys(ports(source.last())).length === 4, wait);
    const before = source.all.length;
    await etcd.call('lease/revoke', { ID });
    await eventually(() => Object.keys(ports(source.last())).length === 0, wait);
    const first = source.all.slice(before).find((snapshot) => Object.keys(ports(snapshot)).length < 4);
    expect(first?.degraded?.kind).toBe('suspect');
    await eventually(() => source.last()?.degraded === undefined, wait);
  }, 60_000);

  it('is listed in pages at one revision', async () => {
    await putMany(
      etcd,
      Array.from({ length: 250 }, (_, i) => [key(String(i).padStart(3, '0')), value(i + 1)] as const),
    );
    const client = new Etcd3({ hosts: etcd.url });
    try {
      for (const page of [1000, 250, 249, 7]) {
        const list = await listKeys(client, '/services/', page);
        expect(list.values.size).toBe(250);
        expect(list.revision).toBe(BigInt(await etcd.revision()));
      }
    } finally {
      client.close();
    }
  }, 60_000);

  it('tells the watch of a compacted revision apart from a fault', async () => {
    for (let i = 0; i < 5; i++) await etcd.put(key(1), value(1000 + i));
    await compact(etcd);
    const client = new Etcd3({ hosts: etcd.url });
    try {
      const { promise, resolve } = Promise.withResolvers<WatchEnd>();
      const options = { prefix: '/services/', range: prefixRange('/services/'), start: 2n };
      await openWatch(client, options, { onEvents: () => {}, onEnd: resolve });
      expect(await promise).toMatchObject({ harmless: true });
    } finally {
      client.close();
    }
  }, 60_000);

  it('with users: reads with a password file that is read again, and outlives its tokens', async () => {
    const { port } = etcd;
    await etcd.stop();
    etcd = await startEtcd({ port, args: ['--auth-token-ttl', '1'] });
    await etcd.put(key(1), value(1001));
    await etcd.call('auth/role/add', { name: 'root' });
    for (const [name, password] of [
      ['root', 'r'],
      ['reader', 'right'],
    ] as const)
      await etcd.call('auth/user/add', { name, password });
    await etcd.call('auth/user/grant', { user: 'root', role: 'root' });
    await etcd.call('auth/role/add', { name: 'services' });
    await etcd.call('auth/role/grant', {
      name: 'services',
      perm: { permType: 'READ', key: base64('/services/'), range_end: base64('/services0') },
    });
    await etcd.call('auth/user/grant', { user: 'reader', role: 'services' });
    await etcd.call('auth/enable', {});
    using place = createTempDir('etcd-password');
    const passwordFile = join(place.path, 'password');
    writeFileSync(passwordFile, 'wrong\n');
    const source = start({ username: 'reader', passwordFile, probeMs: 300, relistMs: 2000 });
    await eventually(() => source.last()?.degraded?.kind === 'unreachable', wait);
    expect(source.last()).toMatchObject({ complete: false });
    expect(source.last()?.degraded?.reason).toContain('authentication failed');
    writeFileSync(passwordFile, 'right\n');
    await eventually(() => source.last()?.complete === true && source.last()?.degraded === undefined, wait);
    const root = new Etcd3({ hosts: etcd.url, auth: { username: 'root', password: 'r' } });
    try {
      // Changes without a pause for three lives of a token, each of which must arrive.
      const end = performance.now() + 3000;
      for (let i = 0; performance.now() < end; i++) {
        await root.put(key(2)).value(value(2000 + i));
        await eventually(() => ports(source.last())[2] === 2000 + i, { ...wait, everyMs: 5 });
      }
      expect(source.all.filter(({ complete }) => complete).every(({ degraded }) => degraded === undefined)).toBe(true);
    } finally {
      root.close();
    }
  }, 60_000);
});
