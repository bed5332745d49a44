// The list of revoked credentials: shared through the store, told once, kept until its time.
import { beforeEach, describe, expect, it } from 'vitest';
import { createRevocations, type Revocations } from '../../../src/identity/revocations.ts';
import { noMetrics } from '../../../src/util/metrics.ts';
import { createFakeClock, type FakeClock } from '../../support/fake-clock.ts';
import { createRecorder, createTestStore, type TestStore } from './rig.ts';

let store: TestStore;
let clock: FakeClock;
beforeEach(() => {
  store = createTestStore();
  clock = createFakeClock();
});
const log = createRecorder();
const replica = (): Revocations => createRevocations({ store, clock, log, metrics: noMetrics });
const hour = 3_600_000;

async function running(list: Revocations, use: () => Promise<void>): Promise<void> {
  const stop = new AbortController();
  const run = list.run(stop.signal);
  await use();
  stop.abort();
  await run;
}

describe('revocations', () => {
  it('T15: reach every replica within a reading of the store, and are told once', async () => {
    const [one, two] = [replica(), replica()];
    await one.open();
    await two.open();
    const told: string[][] = [];
    two.onRevoked((ids) => told.push([...ids]));
    await running(two, async () => {
      expect(two.isRevoked('token', 'a1')).toBe(false);
      await one.revoke('token', 'a1', clock.wall() + hour);
      expect(one.isRevoked('token', 'a1')).toBe(true);
      await clock.advanceAsync(10_000);
      expect(two.isRevoked('token', 'a1')).toBe(true);
      expect(two.isRevoked('certificate', 'a1')).toBe(false);
      await clock.advanceAsync(60_000);
    });
    expect(told).toEqual([['a1']]);
  });

  it('are unknown, not absent, before the list was read', async () => {
    const list = replica();
    expect(list.isRevoked('token', 'a1')).toBeUndefined();
    await list.revoke('token', 'b2', clock.wall() + hour);
    expect(list.isRevoked('token', 'a1')).toBeUndefined();
    await list.open();
    expect([list.isRevoked('token', 'a1'), list.isRevoked('token', 'b2')]).toEqual([false, true]);
  });

  it('stay known while the store is away, and when it lost them', async () => {
    const list = replica();
    await list.open();
    await list.revoke('consul', 'a1', clock.wall() + hour);
    await running(list, async () => {
      store.broken = true;
      await clock.advanceAsync(30_000);
      expect(list.isRevoked('consul', 'a1')).toBe(true);
      store.broken = false;
      store.entries.clear();
      await clock.advanceAsync(30_000);
      expect(list.isRevoked('consul', 'a1')).toBe(true);
    });
    expect(log.lines.some(({ level, message }) => level === 'warn' && message.includes('what is known stays'))).toBe(
      true,
    );
  });

  it('end with their time, in memory and in the store', async () => {
    const list = replica();
    await list.open();
    await list.revoke('token', 'a1', clock.wall() + 5000);
    await running(list, () => clock.advanceAsync(10_000));
    expect(list.isRevoked('token', 'a1')).toBe(false);
    expect(list.list()).toEqual([]);
    expect(store.entries.size).toBe(0);
  });

  it('last as long as the longest that was asked for, by whomever', async () => {
    const lists = [replica(), replica(), replica()];
    for (const list of lists) await list.open();
    await Promise.all(lists.map((list, n) => list.revoke('token', 'a1', clock.wall() + n * hour + 1000)));
    const [list] = lists;
    await list?.revoke('token', 'a1', clock.wall() + 1000);
    await list?.open();
    expect(list?.list()).toEqual([{ kind: 'token', id: 'a1', untilMs: clock.wall() + 2 * hour + 1000 }]);
  });

  it('count where their record cannot be read', async () => {
    store.entries.set('revoked/token/a1', { value: Buffer.from('?'), revision: 'x' });
    const list = replica();
    await list.open();
    expect(list.isRevoked('token', 'a1')).toBe(true);
    expect(store.entries.size).toBe(1);
  });

  it.each(['', 'A1', '../x', 'a/b', 'a b', 'x'.repeat(129)])('refuse an id that is none: %j', async (id) => {
    await expect(replica().revoke('token', id, clock.wall() + hour)).rejects.toMatchObject({ code: 'CH1834' });
    expect(store.entries.size).toBe(0);
  });

  it('reject where the store cannot be written', async () => {
    const list = replica();
    await list.open();
    store.broken = true;
    await expect(list.revoke('token', 'a1', clock.wall() + hour)).rejects.toThrow('away');
    await expect(replica().open()).rejects.toThrow('away');
  });
});
