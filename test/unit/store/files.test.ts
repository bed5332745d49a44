// A folder as store: who may read it, what two processes do to each other, and what a dead one leaves.
import { execFile } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ClosableStore } from '../../../src/store/guard.ts';
import { createStore } from '../../../src/store/store.ts';
import { createSystemClock } from '../../../src/util/system-clock.ts';
import { createTempDir, type TempDir } from '../../support/temp-dir.ts';

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const run = promisify(execFile);

/** Every path below a folder. */
function everything(folder: string): readonly string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' }).map((path) => join(folder, path));
}

describe('a folder as store', () => {
  let place: TempDir;
  let folder: string;
  const open = (): ClosableStore =>
    createStore({ clock: createSystemClock(), deadlineMs: 10_000 }, { kind: 'files', folder });

  beforeEach(() => {
    place = createTempDir('store-files');
    folder = join(place.path, 'state', 'store');
  });
  afterEach(() => place.remove());

  it('is for its owner only, down to the last file', async () => {
    const store = open();
    await store.put('tokens/join/a', bytes('secret'), 'absent');
    await store.put('ca/root', bytes('secret'), 'absent');
    const paths = [folder, ...everything(folder)];
    expect(paths.length).toBeGreaterThan(8);
    for (const path of paths) {
      const info = statSync(path);
      expect(info.mode & 0o777, path).toBe(info.isDirectory() ? 0o700 : 0o600);
    }
  });

  it('that is open to others is refused until it is closed to them', async () => {
    mkdirSync(folder, { recursive: true });
    chmodSync(folder, 0o750);
    const store = open();
    await expect(store.get('a')).rejects.toMatchObject({ code: 'CH1826', hint: `Run chmod 700 ${folder}.` });
    await expect(store.put('a', bytes('x'), 'absent')).rejects.toMatchObject({ code: 'CH1826' });
    chmodSync(folder, 0o700);
    expect(await store.get('a')).toBeUndefined();
  });

  it('that was taken away is not an empty one', async () => {
    const store = open();
    const revision = (await store.put('a/b', bytes('x'), 'absent')) ?? '';
    renameSync(folder, `${folder}-away`);
    const calls = [
      () => store.get('a/b'),
      () => store.list(''),
      () => store.put('a/c', bytes('y'), 'absent'),
      () => store.put('a/b', bytes('y'), { revision }),
      () => store.delete('a/b', { revision }),
    ];
    for (const call of calls) await expect(call()).rejects.toMatchObject({ code: 'CH1821' });
    renameSync(`${folder}-away`, folder);
    expect((await store.get('a/b'))?.revision).toBe(revision);
    expect((await store.list('a/')).size).toBe(1);
  });

  it('says so where the bytes of a key are gone, or where something else lies among its own', async () => {
    const store = open();
    await store.put('a', bytes('x'), 'absent');
    await store.put('b', bytes('x'), 'absent');
    for (const name of readdirSync(join(folder, '.values'))) rmSync(join(folder, '.values', name));
    await expect(store.get('a')).rejects.toMatchObject({ code: 'CH1825' });
    await expect(store.list('')).rejects.toMatchObject({ code: 'CH1825' });
    mkdirSync(join(folder, 'c='));
    writeFileSync(join(folder, 'c=', 'notes.txt'), '');
    await expect(store.get('c')).rejects.toThrow('notes.txt');
  });

  it('keeps one file of bytes a key, however often it is changed, and none of what is gone', async () => {
    const store = open();
    let revision = (await store.put('a/b', bytes('0'), 'absent')) ?? '';
    for (let n = 1; n <= 10; n++) revision = (await store.put('a/b', bytes(`${n}`), { revision })) ?? '';
    expect(await store.put('a/b', bytes('lost'), 'absent')).toBeUndefined();
    expect(await store.put('a/b', bytes('lost'), { revision: '0'.repeat(32) })).toBeUndefined();
    expect(readdirSync(join(folder, '.values'))).toEqual([revision]);
    expect(readdirSync(join(folder, '.drafts'))).toEqual([]);
    await store.delete('a/b', { revision });
    expect(readdirSync(join(folder, '.values'))).toEqual([]);
    expect(existsSync(join(folder, 'a', 'b='))).toBe(false);
  });

  it('is not held up by what a process that died left, and drops it after an hour', async () => {
    const first = open();
    const kept = (await first.put('kept', bytes('kept'), 'absent')) ?? '';
    const [fresh, old] = ['1'.repeat(32), '2'.repeat(32)];
    // Died before a key came to be; and between the removal of a key and of its folder.
    for (const name of [fresh, old]) {
      writeFileSync(join(folder, '.values', name), 'secret');
      mkdirSync(join(folder, '.drafts', name));
      writeFileSync(join(folder, '.drafts', name, name), '');
    }
    mkdirSync(join(folder, 'left='));
    const hourAgo = Date.now() / 1000 - 3700;
    for (const path of [join('.values', old), join('.drafts', old), join('.values', kept)])
      utimesSync(join(folder, path), hourAgo, hourAgo);
    const second = open();
    expect(await second.get('left')).toBeUndefined();
    // Removed, which proves that it was empty: a listing alone may miss a name that is changed meanwhile.
    expect(existsSync(join(folder, 'left='))).toBe(false);
    expect(await second.put('left', bytes('x'), 'absent')).toBeDefined();
    expect(readdirSync(join(folder, '.drafts'))).toEqual([fresh]);
    const values = readdirSync(join(folder, '.values'));
    expect(values).toContain(fresh);
    expect(values).not.toContain(old);
    expect((await second.get('kept'))?.revision).toBe(kept);
  });

  it('T4: gives each of 60 keys to one of three processes that all create, change and delete them', async () => {
    const store = open();
    const keys = Array.from({ length: 60 }, (_, n) => `race/${n}`);
    const revisions: string[] = [];
    for (const key of keys.slice(0, 40)) revisions.push((await store.put(key, bytes('x'), 'absent')) ?? '');
    const source = new URL('../../../src/', import.meta.url);
    // 20 keys to delete, 20 to change, 20 to create, all at once; prints the numbers of those it got.
    const program = `
      const { createStore } = await import(${JSON.stringify(new URL('store/store.ts', source).href)});
      const { createSystemClock } = await import(${JSON.stringify(new URL('util/system-clock.ts', source).href)});
      const [folder, revisions] = [process.argv[1], process.argv[2].split(',')];
      const store = createStore({ clock: createSystemClock(), deadlineMs: 30000 }, { kind: 'files', folder });
      const value = new TextEncoder().encode(String(process.pid));
      const turns = Array.from({ length: 60 }, async (_, n) => {
        const key = 'race/' + n;
        if (n < 20) return await store.delete(key, { revision: revisions[n] });
        return (await store.put(key, value, n < 40 ? { revision: revisions[n] } : 'absent')) !== undefined;
      });
      const done = await Promise.all(turns);
      console.log(done.flatMap((won, n) => (won ? [n] : [])).join(','));`;
    const outputs = await Promise.all(
      [1, 2, 3].map(() =>
        run(process.execPath, ['--input-type=module', '-e', program, folder, revisions.join(',')], { timeout: 60_000 }),
      ),
    );
    const won = outputs.flatMap(({ stdout }) => stdout.trim().split(',').filter(Boolean).map(Number));
    expect(won.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 60 }, (_, n) => n));
    expect((await store.list('race/')).size).toBe(40);
  }, 90_000);
});
