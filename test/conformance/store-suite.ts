// The contract of a store (src/model/store.ts), as tests over any kind of it.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ClosableStore } from '../../src/store/guard.ts';
import { createStore, type StoreConfig } from '../../src/store/store.ts';
import { errorText } from '../../src/util/errors.ts';
import { createSystemClock } from '../../src/util/system-clock.ts';
import { assertNoLeaks } from '../support/leaks.ts';
import { describeWith, eventually, type PartName } from '../support/real-parts.ts';
import { startTcpProxy } from '../support/tcp-proxy.ts';

export interface StoreRig {
  /** The place, with the credentials of least privilege where it knows any. */
  readonly config: StoreConfig;
  /** The same for a place where nothing answers. Only where the store is `shared`. */
  readonly unreachable?: StoreConfig;
  stop(): Promise<void>;
}

export interface StoreSetup {
  readonly name: string;
  readonly parts: readonly PartName[];
  /** Several stores over one place see each other: all but memory. */
  readonly shared: boolean;
  start(): Promise<StoreRig>;
}

export const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
export const textOf = (value: Uint8Array | undefined): string | undefined =>
  value === undefined ? undefined : new TextDecoder().decode(value);

/** With the real clock; a short deadline where the test waits for it. */
export function openStore(config: StoreConfig, deadlineMs = 10_000): ClosableStore {
  return createStore({ clock: createSystemClock(), deadlineMs }, config);
}

export interface Refusal {
  readonly code: string;
  /** With its causes. */
  readonly message: string;
}

/** What a promise that must reject said. */
export async function refusal(promise: Promise<unknown>): Promise<Refusal> {
  const error: unknown = await promise.then(
    (value) => new Error(`it did not throw, but gave ${JSON.stringify(value)}`),
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof Error)) throw new Error(`it threw ${String(error)}`);
  return { code: 'code' in error ? String(error.code) : '', message: errorText(error) };
}

/** What every kind of call on a key and its folder is refused with, by what messages call it. */
export async function everyRefusal(store: ClosableStore, key: string): Promise<ReadonlyMap<string, Refusal>> {
  const folder = `${key.split('/')[0]}/`;
  return new Map([
    [`get ${key}`, await refusal(store.get(key))],
    [`list ${folder}`, await refusal(store.list(folder))],
    [`put ${key}`, await refusal(store.put(key, bytes('secret'), 'absent'))],
    [`delete ${key}`, await refusal(store.delete(key, { revision: '1'.repeat(store.kind === 'files' ? 32 : 1) }))],
  ]);
}

/** A store whose server keeps its connections and says nothing: it throws at its deadline, and goes on after that. */
export async function goesSilent(
  server: { readonly port: number },
  configAt: (port: number) => StoreConfig,
): Promise<void> {
  const proxy = await startTcpProxy(server);
  const store = openStore(configAt(proxy.port), 700);
  try {
    expect(await store.put('silent/one', bytes('x'), 'absent')).toBeDefined();
    proxy.mode('hold');
    const read = await refusal(store.get('silent/one'));
    expect(read).toMatchObject({ code: 'CH1821' });
    expect(read.message).toContain('no answer in 0.7 s');
    const write = await refusal(store.put('silent/two', bytes('x'), 'absent'));
    expect(write.message).toContain('whether it was done is not known');
    proxy.mode('pass');
    await eventually(async () => textOf((await store.get('silent/one'))?.value) === 'x', { deadlineMs: 20_000 });
  } finally {
    store.close();
    await proxy.stop();
  }
}

const racers = 100;

export function testStore(setup: StoreSetup): void {
  const body = (): void => {
    assertNoLeaks({ deadlineMs: 12_000 });
    let rig: StoreRig;
    let store: ClosableStore;
    /** As if another replica asked; the same one where the place is the process. */
    let other: ClosableStore;

    beforeAll(async () => {
      rig = await setup.start();
      store = openStore(rig.config);
      other = setup.shared ? openStore(rig.config) : store;
    });
    afterAll(async () => {
      store?.close();
      other?.close();
      await rig?.stop();
    });

    /** Call `n` of many goes to one of the two stores. */
    const race = <T>(fn: (one: ClosableStore, n: number) => Promise<T>): Promise<T[]> =>
      Promise.all(Array.from({ length: racers }, (_, n) => fn(n % 2 === 0 ? store : other, n)));

    async function created(key: string, text = 'first'): Promise<string> {
      const revision = await store.put(key, bytes(text), 'absent');
      if (revision === undefined) throw new Error(`${key} was there`);
      return revision;
    }

    it('knows nothing of a key that was never put', async () => {
      expect(store.kind).toBe(rig.config.kind);
      expect(await store.get('absent/key')).toBeUndefined();
      expect(await store.delete('absent/key', { revision: '1' })).toBe(false);
      expect(await store.put('absent/key', bytes('x'), { revision: '1' })).toBeUndefined();
      expect(await store.get('absent/key')).toBeUndefined();
    });

    it('gives back what was put, to everybody, with its revision', async () => {
      const revision = await created('put/one');
      const entry = await other.get('put/one');
      expect(textOf(entry?.value)).toBe('first');
      expect(entry?.revision).toBe(revision);
    });

    it('puts only on the revision that is there', async () => {
      const first = await created('cas/one');
      expect(await other.put('cas/one', bytes('again'), 'absent')).toBeUndefined();
      const second = await other.put('cas/one', bytes('second'), { revision: first });
      expect(second).toBeDefined();
      expect(second).not.toBe(first);
      expect(await store.put('cas/one', bytes('stale'), { revision: first })).toBeUndefined();
      expect(textOf((await store.get('cas/one'))?.value)).toBe('second');
      expect((await store.get('cas/one'))?.revision).toBe(second);
    });

    it('gives a new revision to an equal value too', async () => {
      const first = await created('cas/equal', 'same');
      const second = await store.put('cas/equal', bytes('same'), { revision: first });
      expect(second).toBeDefined();
      expect(second).not.toBe(first);
      expect(await store.put('cas/equal', bytes('same'), { revision: first })).toBeUndefined();
    });

    it('deletes once, only the revision that is there, and takes the key anew', async () => {
      const first = await created('delete/one');
      const second = (await store.put('delete/one', bytes('second'), { revision: first })) ?? '';
      expect(await other.delete('delete/one', { revision: first })).toBe(false);
      expect(textOf((await store.get('delete/one'))?.value)).toBe('second');
      expect(await other.delete('delete/one', { revision: second })).toBe(true);
      expect(await store.delete('delete/one', { revision: second })).toBe(false);
      expect(await store.get('delete/one')).toBeUndefined();
      expect(await store.put('delete/one', bytes('third'), { revision: second })).toBeUndefined();
      const third = await created('delete/one', 'third');
      expect([first, second]).not.toContain(third);
      expect(await store.delete('delete/one', { revision: second })).toBe(false);
      expect(textOf((await other.get('delete/one'))?.value)).toBe('third');
    });

    it('takes a revision that was never given out for a lost one', async () => {
      await created('odd/one');
      for (const revision of ['', '0', '-1', 'x', '../../odd', '1e3', '99999999999', 'f'.repeat(32)]) {
        expect(await store.put('odd/one', bytes('x'), { revision }), revision).toBeUndefined();
        expect(await store.delete('odd/one', { revision }), revision).toBe(false);
        expect(await store.delete('odd/none', { revision }), revision).toBe(false);
      }
      expect(textOf((await store.get('odd/one'))?.value)).toBe('first');
    });

    it('lists what is under a prefix, sorted, and nothing of its neighbours', async () => {
      const keys = ['list/b', 'list/a/2', 'list/a', 'list/a.b', 'list/a/10', 'list/a-b', 'listing/x', 'lis'];
      const revisions = new Map<string, string>();
      for (const key of keys) revisions.set(key, await created(key, key));
      const below = await other.list('list/');
      const expected = keys.filter((key) => key.startsWith('list/')).sort();
      expect([...below.keys()]).toEqual(expected);
      for (const [key, entry] of below) {
        expect(textOf(entry.value)).toBe(key);
        expect(entry.revision).toBe(revisions.get(key));
      }
      expect([...(await store.list('list/a/')).keys()]).toEqual(['list/a/10', 'list/a/2']);
      expect([...(await store.list('list/a')).keys()]).toEqual(['list/a/10', 'list/a/2']);
      expect((await store.list('none/')).size).toBe(0);
      const all = [...(await store.list('')).keys()];
      expect(all).toEqual([...all].sort());
      expect(all).toEqual(expect.arrayContaining(keys));
    });

    it('keeps every byte, from none to the largest value, and no bytes of the caller', async () => {
      const every = Uint8Array.from({ length: 256 }, (_, at) => at);
      const large = Uint8Array.from({ length: 128 << 10 }, (_, at) => (at * 31 + (at >> 8)) & 0xff);
      for (const [key, value] of Object.entries({
        'value/none': new Uint8Array(),
        'value/every': every,
        'value/large': large,
      })) {
        expect(await store.put(key, value, 'absent'), key).toBeDefined();
        const entry = await other.get(key);
        expect(entry !== undefined && Buffer.compare(entry.value, value), key).toBe(0);
      }
      expect(Buffer.compare((await store.list('value/')).get('value/large')?.value ?? every, large)).toBe(0);
      const mine = bytes('mine');
      await store.put('value/mine', mine, 'absent');
      mine.fill(0);
      expect(textOf((await store.get('value/mine'))?.value)).toBe('mine');
      (await store.get('value/mine'))?.value.fill(0);
      expect(textOf((await store.get('value/mine'))?.value)).toBe('mine');
      const larger = new Uint8Array((128 << 10) + 1);
      expect(await refusal(store.put('value/larger', larger, 'absent'))).toMatchObject({ code: 'CH1824' });
      expect(await store.get('value/larger')).toBeUndefined();
    });

    it('refuses what is no key before it asks anybody', async () => {
      const odd = ['', '/', 'a/', '/a', 'a//b', '../a', 'a/..', '.values/x', 'A', 'a b', 'a=', 'a\0', 'ä', 'a\n'];
      const long = [`a${'/b'.repeat(256)}`, 'a'.repeat(201)];
      for (const key of [...odd, ...long]) {
        expect(await refusal(store.get(key)), key).toMatchObject({ code: 'CH1823' });
        expect(await refusal(store.put(key, bytes('x'), 'absent')), key).toMatchObject({ code: 'CH1823' });
        expect(await refusal(store.delete(key, { revision: '1' })), key).toMatchObject({ code: 'CH1823' });
      }
      expect(await refusal(store.list('../'))).toMatchObject({ code: 'CH1823' });
      const longest = ['a'.repeat(200), 'b'.repeat(200), 'c'.repeat(110)].join('/');
      await created(longest);
      expect(textOf((await other.get(longest))?.value)).toBe('first');
    });

    it(`T4: lets exactly one of ${racers} parallel deletions on one revision succeed`, async () => {
      const revision = await created('race/delete');
      const done = await race((one) => one.delete('race/delete', { revision }));
      expect(done.filter(Boolean)).toHaveLength(1);
      expect(await store.get('race/delete')).toBeUndefined();
    }, 30_000);

    it(`T4: lets exactly one of ${racers} parallel creations succeed`, async () => {
      const done = await race((one, n) => one.put('race/create', bytes(`by ${n}`), 'absent'));
      const winners = done.flatMap((revision, n) => (revision === undefined ? [] : [{ revision, n }]));
      expect(winners).toHaveLength(1);
      const entry = await other.get('race/create');
      expect({ revision: entry?.revision, text: textOf(entry?.value) }).toEqual({
        revision: winners[0]?.revision,
        text: `by ${winners[0]?.n}`,
      });
    }, 30_000);

    it(`lets exactly one of ${racers} parallel changes on one revision succeed, also with equal values`, async () => {
      const revision = await created('race/change');
      const done = await race((one) => one.put('race/change', bytes('equal'), { revision }));
      expect(done.filter((one) => one !== undefined)).toHaveLength(1);
    }, 30_000);

    it('never shows a key as absent, or older than before, while others change it', async () => {
      let revision = await created('race/read', '0');
      let writing = true;
      const readers = Array.from({ length: 4 }, async (_, n) => {
        let last = 0;
        while (writing) {
          const now = Number(textOf((await (n % 2 === 0 ? store : other).get('race/read'))?.value));
          expect(now).toBeGreaterThanOrEqual(last);
          last = now;
          await new Promise((resolve) => setImmediate(resolve));
        }
        return last;
      });
      try {
        for (let n = 1; n <= 100; n++) {
          const next = await store.put('race/read', bytes(String(n)), { revision });
          expect(next, `change ${n}`).toBeDefined();
          revision = next ?? '';
        }
      } finally {
        writing = false;
      }
      await Promise.all(readers);
      expect(textOf((await other.get('race/read'))?.value)).toBe('100');
    }, 30_000);

    const itShared = setup.shared ? it : () => undefined;
    itShared(
      'throws where nothing answers, never "absent"; says whom it asked, and no credentials',
      async () => {
        if (rig.unreachable === undefined) throw new Error('the rig has no unreachable place');
        const nobody = openStore(rig.unreachable, 2000);
        for (const [what, said] of await everyRefusal(nobody, 'a/b')) {
          expect(said.code, said.message).toBe('CH1821');
          expect(said.message).toContain(`"${what}"`);
          expect(said.message).toContain(rig.config.kind);
          expect(said.message).not.toMatch(/secret|hunter/);
        }
        nobody.close();
      },
      30_000,
    );

    it('refuses to be asked after it was closed', async () => {
      const closed = openStore(rig.config);
      closed.close();
      expect(await refusal(closed.get('a'))).toMatchObject({ code: 'CH1821' });
    });
  };
  if (setup.parts.length === 0) describe(`store: ${setup.name}`, body);
  else describeWith(setup.parts, `store: ${setup.name}`, body);
}
