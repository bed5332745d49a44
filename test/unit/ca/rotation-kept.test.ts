// A rotation over the roots as they are really kept, with the journal in a store: one replica ends before every single thing
// it does, another one that starts anew goes on from what is kept. And what a journal is refused for.
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { KeptRoots } from '../../../src/ca/kept-root.ts';
import { createFileRoots } from '../../../src/ca/roots-files.ts';
import { createSealedRoots } from '../../../src/ca/roots-sealed.ts';
import { type RotationRecord, rotationDuties } from '../../../src/ca/rotation.ts';
import { createRotation } from '../../../src/ca/rotation-driver.ts';
import { createRotationJournal, readRotationRecord } from '../../../src/ca/rotation-journal.ts';
import { generateKeyPair } from '../../../src/ca/x509.ts';
import { silentLogger } from '../../../src/util/log.ts';
import { createFakeClock, type FakeClock } from '../../support/fake-clock.ts';
import { createTempDir } from '../../support/temp-dir.ts';
import { trustDomain, year } from './authority.ts';
import { createMemoryStore, type MemoryStore } from './memory-store.ts';

const minute = 60_000;
type Bundle = () => Promise<readonly string[] | undefined>;
interface Kept {
  provider(bundle: Bundle): KeptRoots;
  remove(): void;
}

const kinds: Readonly<Record<string, (clock: FakeClock, store: MemoryStore) => Kept>> = {
  files(clock) {
    const dir = createTempDir('rotation');
    const options = { folder: join(dir.path, 'ca'), trustDomain, lifeMs: 10 * year };
    return {
      provider: (bundle) => createFileRoots({ clock, uid: process.geteuid?.() }, { ...options, bundle }),
      remove: dir.remove,
    };
  },
  sealed(clock, store) {
    const kek = randomBytes(32);
    const options = { store, keyEncryptionKey: () => Promise.resolve(kek), trustDomain, lifeMs: 10 * year };
    return { provider: (bundle) => createSealedRoots({ clock }, { ...options, bundle }), remove: () => undefined };
  },
};

describe.each(Object.keys(kinds))('a rotation of roots in %s', (kind) => {
  async function world() {
    const clock = createFakeClock();
    const store = createMemoryStore();
    const kept = kinds[kind]?.(clock, store) ?? expect.fail('no such kind');
    const journal = createRotationJournal(store);
    const bundleOf: Bundle = async () => {
      const found = await journal.load();
      return found && rotationDuties(found.record).bundle;
    };

    /** Opens as after a start, and works until its `endAt`-th act. */
    async function start(endAt = Number.POSITIVE_INFINITY) {
      const provider = kept.provider(bundleOf);
      const [first] = (await provider.open()).roots;
      const stopping = new AbortController();
      let acts = 0;
      async function act<T>(work: () => Promise<T>): Promise<T> {
        if (acts++ < endAt && !stopping.signal.aborted) return work();
        stopping.abort();
        throw new Error('it ended');
      }
      const rotation = createRotation(
        {
          ...{ clock, random: () => 0.5, log: silentLogger },
          journal: { load: () => act(journal.load), save: (...saved) => act(() => journal.save(...saved)) },
          roots: {
            prepare: (slot) => act(() => provider.prepare(slot)),
            use: (bundle) => act(() => provider.order(bundle)),
            retire: (keyId) => act(() => provider.retire(keyId)),
          },
          fleet: {
            join: () => act(async () => undefined),
            report: () => act(async () => undefined),
            behind: () => act(async () => 0),
            unconfirmed: () => act(async () => 0),
          },
        },
        {
          ...{ first: { keyId: first?.keyId ?? '', slot: 1 }, lookEveryMs: minute },
          ...{ soakMs: 2 * minute, longestLifeMs: 3 * minute },
        },
      );
      return { provider, rotation, stopping, running: rotation.run(stopping.signal) };
    }
    const record = async (): Promise<RotationRecord | undefined> => (await journal.load())?.record;
    async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
      for (let turn = 0; turn < 2_000; turn++) {
        if (await holds()) return;
        // Files are written outside of the event loop.
        await new Promise((resolve) => setTimeout(resolve, 1));
        if (turn % 3 === 2) await clock.advanceAsync(minute);
      }
      throw new Error(`it stands still: ${JSON.stringify(await record())}`);
    }
    return { kept, start, record, until, bundleOf };
  }

  it('is ended by whoever starts next, wherever one ended', { timeout: 60_000 }, async () => {
    const endedIn = new Set<string | undefined>();
    // How many acts there are differs by how often it waits, as files are written when they are.
    let whole = 0;
    for (let endAt = 0; whole === 0 || (endedIn.size < 5 && whole < 20); endAt++) {
      const { kept, start, record, until, bundleOf } = await world();
      const begun = await start();
      const [old] = (await begun.provider.reload()).roots;
      expect(await begun.rotation.begin()).toBe(true);
      begun.stopping.abort();
      await begun.running;
      const one = await start(endAt);
      await until(async () => one.stopping.signal.aborted || (await record())?.phase === 'steady');
      if (one.stopping.signal.aborted) endedIn.add((await record())?.phase);
      else whole++;
      one.stopping.abort();
      await one.running;
      const two = await start();
      await until(async () => (await record())?.phase === 'steady');
      two.stopping.abort();
      await two.running;
      const last = kept.provider(bundleOf);
      const { generation, roots } = await last.open();
      expect([generation, roots.length], `act ${endAt}`).toEqual([4, 1]);
      expect(roots[0]?.keyId).not.toBe(old?.keyId);
      expect(await record()).toMatchObject({ phase: 'steady', root: roots[0]?.keyId, slot: 2 });
      await last.signIntermediate({ publicKey: generateKeyPair().publicKey, lifeMs: minute });
      // The former key is gone.
      await expect(last.order([old?.keyId ?? ''])).rejects.toThrow('[CH1801]');
      kept.remove();
    }
    expect([...endedIn]).toEqual(expect.arrayContaining(['prepare', 'confirm', 'activate', 'drain', 'retire']));
  });
});

describe('the journal', () => {
  const [one, two] = ['a1', 'b2'].map((text) => text.repeat(32));
  const turn = { epoch: 4, sinceMs: 5, slot: 2 };
  const whole = { ...turn, phase: 'confirm', old: one, next: two, forced: false };
  const bytes = (value: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(value));

  it.each([
    { ...turn, phase: 'steady', root: one },
    { ...turn, phase: 'prepare', old: one, forced: true },
    whole,
    ...['activate', 'drain', 'retire'].map((phase) => ({ ...turn, phase, old: one, next: two })),
  ])('reads $phase', (record) => {
    expect(readRotationRecord(bytes(record))).toEqual(record);
  });

  it.each([
    ['nothing', null],
    ['a list', [whole]],
    ['another phase', { ...whole, phase: 'toString' }],
    ['no phase', { ...whole, phase: undefined }],
    ['a member less', { ...whole, forced: undefined }],
    ['a member more', { ...whole, more: 1 }],
    ['a member of another phase', { ...whole, phase: 'drain' }],
    ['no key id', { ...whole, next: 'b2' }],
    ['one root twice', { ...whole, next: one }],
    ['epoch 0', { ...whole, epoch: 0 }],
    ['a slot that is no number', { ...whole, slot: '2' }],
    ['half a slot', { ...whole, slot: 1.5 }],
  ])('refuses %s', async (_, value) => {
    expect(readRotationRecord(bytes(value))).toBeUndefined();
    const store = createMemoryStore();
    store.values.set('ca/rotation', bytes(value));
    await expect(createRotationJournal(store).load()).rejects.toThrow('[CH1819]');
  });

  it('refuses what is no JSON', () => {
    expect(readRotationRecord(Buffer.from('{"phase":'))).toBeUndefined();
    expect(readRotationRecord(Buffer.from([0xff, 0xfe]))).toBeUndefined();
  });

  it('is written on what was read, or not at all', async () => {
    const journal = createRotationJournal(createMemoryStore());
    const steady = { ...turn, phase: 'steady', root: one ?? '' } as const;
    expect(await journal.save(steady, 'absent')).toBe(true);
    expect(await journal.save(steady, 'absent')).toBe(false);
    const { revision = '' } = (await journal.load()) ?? {};
    expect(await journal.save({ ...steady, epoch: 5 }, { revision })).toBe(true);
    expect(await journal.save({ ...steady, epoch: 6 }, { revision })).toBe(false);
    expect((await journal.load())?.record).toEqual({ ...steady, epoch: 5 });
  });
});
