// What editors, deployments and people do to directories: swaps, half-written files, loops, bursts. Nothing good may be lost.
import {
  appendFileSync,
  chmodSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ObjectSnapshot } from '../../src/model/snapshot.ts';
import type { ObjectStore } from '../../src/model/source.ts';
import { createFileObjects } from '../../src/sources/files/file-objects.ts';
import { createFileRegistry } from '../../src/sources/files/file-registry.ts';
import type { Clock } from '../../src/util/clock.ts';
import { createSystemClock } from '../../src/util/system-clock.ts';
import { assertNoLeaks } from '../support/leaks.ts';
import { eventually, eventuallyPasses } from '../support/real-parts.ts';
import { createTempDir, type TempDir } from '../support/temp-dir.ts';
import { watch } from './source-registry-suite.ts';
import { rigDeps } from './source-rig.ts';

describe('a directory under stress', () => {
  assertNoLeaks();
  let place: TempDir;
  let directory: string;
  const ends: (() => Promise<void>)[] = [];

  beforeEach(() => {
    place = createTempDir('stress');
    directory = join(place.path, 'objects');
    mkdirSync(directory);
  });
  afterEach(async () => {
    for (const end of ends.splice(0)) await end();
    place.remove();
  });

  function start(clock: Partial<Clock> = {}): {
    store: ObjectStore;
    all: ObjectSnapshot[];
    texts: () => Record<string, string>;
  } {
    const store = createFileObjects(
      { ...rigDeps(), clock: { ...createSystemClock(), ...clock } },
      { name: 'objects', directory },
    );
    const abort = new AbortController();
    const all: ObjectSnapshot[] = [];
    const done = store.run(abort.signal, (snapshot) => all.push(snapshot));
    ends.push(async () => {
      abort.abort();
      await done;
    });
    const texts = () =>
      Object.fromEntries([...(all.at(-1)?.documents ?? [])].map(([path, document]) => [path, document.text]));
    return { store, all, texts };
  }
  const at = (path: string): string => join(directory, path);
  const write = (path: string, text: string): void => writeFileSync(at(path), text);
  /** Waits until a marker written now is seen, so that everything before was too. */
  async function caughtUp(texts: () => Record<string, string>): Promise<void> {
    const marker = `marker-${readdirSync(directory).length}.yaml`;
    write(marker, 'kind: Marker\n');
    await eventually(() => marker in texts());
  }

  it('reads YAML and JSON at every depth, and nothing else', async () => {
    mkdirSync(at('shop/deep'), { recursive: true });
    mkdirSync(at('.git'));
    for (const path of ['a.yaml', 'b.yml', 'c.json', 'shop/d.yaml', 'shop/deep/e.yaml']) write(path, '{}\n');
    for (const path of ['n.txt', '.a.yaml', 'a.yaml~', 'a.yaml.swp', '.git/x.yaml', '#a.yaml#']) write(path, 'no\n');
    const { texts } = start();
    await eventuallyPasses(() =>
      expect(Object.keys(texts())).toEqual(['a.yaml', 'b.yml', 'c.json', 'shop/d.yaml', 'shop/deep/e.yaml']),
    );
    mkdirSync(at('new/deeper'), { recursive: true });
    write('new/deeper/f.yaml', '{}\n');
    await eventually(() => 'new/deeper/f.yaml' in texts());
    write('new/deeper/f.yaml', '{a: 1}\n');
    await eventually(() => texts()['new/deeper/f.yaml'] === '{a: 1}\n');
    rmSync(at('new'), { recursive: true });
    await eventually(() => !('new/deeper/f.yaml' in texts()));
  });

  it('takes a hundred files written at once in few steps, the first of them soon', async () => {
    const { all, texts } = start();
    await eventually(() => all.at(-1)?.complete === true);
    const before = all.length;
    for (let i = 0; i < 100; i++) write(`route-${i}.yaml`, `kind: Route # ${i}\n`);
    await eventually(() => Object.keys(texts()).length === 100);
    expect(all.length - before).toBeLessThanOrEqual(20);
    const known = all.at(-1)?.documents;
    write('route-7.yaml', 'kind: Route # new\n');
    await eventually(() => texts()['route-7.yaml'] === 'kind: Route # new\n');
    expect(all.at(-1)?.documents.get('route-8.yaml')).toBe(known?.get('route-8.yaml'));
  });

  it('sees a file replaced by rename, and one whose size and time are kept', async () => {
    write('a.yaml', 'v: 1\n');
    const { texts } = start();
    await eventually(() => texts()['a.yaml'] === 'v: 1\n');
    writeFileSync(at('.a.tmp'), 'v: 2\n');
    renameSync(at('.a.tmp'), at('a.yaml'));
    await eventually(() => texts()['a.yaml'] === 'v: 2\n');
    const { atime, mtime } = statSync(at('a.yaml'));
    write('a.yaml', 'v: 3\n');
    utimesSync(at('a.yaml'), atime, mtime);
    await eventually(() => texts()['a.yaml'] === 'v: 3\n');
  });

  it('sees a mount swapped by its ..data link, as a whole', async () => {
    const release = (name: string, version: number): void => {
      mkdirSync(at(name));
      for (const file of ['a.yaml', 'b.yaml']) write(`${name}/${file}`, `v: ${version}\n`);
    };
    release('..release-1', 1);
    symlinkSync('..release-1', at('..data'));
    for (const file of ['a.yaml', 'b.yaml']) symlinkSync(`..data/${file}`, at(file));
    const { all, texts } = start();
    await eventuallyPasses(() => expect(texts()).toEqual({ 'a.yaml': 'v: 1\n', 'b.yaml': 'v: 1\n' }));
    for (let version = 2; version < 6; version++) {
      release(`..release-${version}`, version);
      symlinkSync(`..release-${version}`, at('..data-tmp'));
      renameSync(at('..data-tmp'), at('..data'));
      rmSync(at(`..release-${version - 1}`), { recursive: true });
      await eventuallyPasses(() =>
        expect(texts()).toEqual({ 'a.yaml': `v: ${version}\n`, 'b.yaml': `v: ${version}\n` }),
      );
    }
    expect(all.every(({ degraded }) => degraded === undefined)).toBe(true);
    expect(all.filter(({ complete }) => complete).every(({ documents }) => documents.size === 2)).toBe(true);
  });

  it('never shows a file that was truncated and then written, or moved away and then created', async () => {
    write('a.yaml', 'v: 0\n');
    // Time goes by hand, so that the state in between is seen by a pass (the marker tells): as old as a busy machine makes it.
    let nowMs = 0;
    const { all, texts } = start({ now: () => nowMs });
    await eventually(() => texts()['a.yaml'] === 'v: 0\n');
    for (const half of ['', 'v: 1', 'v: 1\nw']) {
      write('a.yaml', half);
      await caughtUp(texts);
      nowMs += 900;
      await caughtUp(texts);
      expect(texts()['a.yaml']).toBe('v: 0\n');
    }
    write('a.yaml', 'v: 1\nw: 2\n');
    await eventually(() => texts()['a.yaml'] === 'v: 1\nw: 2\n');
    renameSync(at('a.yaml'), at('a.yaml~'));
    await caughtUp(texts);
    nowMs += 200;
    await caughtUp(texts);
    expect(texts()['a.yaml']).toBe('v: 1\nw: 2\n');
    write('a.yaml', 'v: 3\n');
    await eventually(() => texts()['a.yaml'] === 'v: 3\n');
    expect(all.filter(({ complete }) => complete).every(({ documents }) => documents.has('a.yaml'))).toBe(true);
    rmSync(at('a.yaml'));
    await caughtUp(texts);
    nowMs += 1000;
    await eventually(() => !('a.yaml' in texts()));
  });

  it('shows a file that stays empty, or without its last line break, as it is', async () => {
    write('a.yaml', 'v: 1\n');
    const { texts } = start();
    await eventually(() => texts()['a.yaml'] === 'v: 1\n');
    write('a.yaml', '');
    await eventually(() => texts()['a.yaml'] === '');
    write('a.yaml', 'v: 2');
    await eventually(() => texts()['a.yaml'] === 'v: 2');
    appendFileSync(at('a.yaml'), '\nw: 3\n');
    await eventually(() => texts()['a.yaml'] === 'v: 2\nw: 3\n');
    rmSync(at('a.yaml'));
    await eventually(() => !('a.yaml' in texts()));
  });

  it('ends where symbolic links lead in a circle, and says which file it cannot read', async () => {
    write('a.yaml', 'v: 1\n');
    mkdirSync(at('sub'));
    symlinkSync('..', at('sub/up'));
    symlinkSync('.', at('here'));
    symlinkSync('gone.yaml', at('dangling.yaml'));
    const { all, texts } = start();
    await caughtUp(texts);
    expect(Object.keys(texts())).toContain('a.yaml');
    expect(Object.keys(texts()).filter((path) => path.split('/').length > 2)).toEqual([]);
    expect(all.at(-1)?.degraded).toBeUndefined();
    symlinkSync('self.yaml', at('self.yaml'));
    await eventually(() => all.at(-1)?.degraded?.kind === 'partial');
    expect(all.at(-1)?.degraded?.reason).toContain('self.yaml');
    rmSync(at('self.yaml'));
    await eventually(() => all.at(-1)?.degraded === undefined);
  });

  it('waits for a directory that is not there yet', async () => {
    rmSync(directory, { recursive: true });
    const { all, texts } = start();
    await eventually(() => all.length > 0);
    expect(all.at(-1)).toMatchObject({ complete: false, degraded: { kind: 'unreachable' } });
    expect(all.at(-1)?.degraded?.reason).toContain(directory);
    mkdirSync(directory);
    write('a.yaml', 'v: 1\n');
    await eventually(() => texts()['a.yaml'] === 'v: 1\n');
  });

  it('is written atomically, with the mode kept and nothing left behind', async () => {
    write('a.yaml', 'v: 1\n');
    chmodSync(at('a.yaml'), 0o640);
    const { store, texts } = start();
    await eventually(() => texts()['a.yaml'] === 'v: 1\n');
    await store.put({ path: 'a.yaml', text: 'v: 2\n' });
    await store.put({ path: 'new/b.yaml', text: 'v: 1' });
    await eventuallyPasses(() => expect(texts()).toEqual({ 'a.yaml': 'v: 2\n', 'new/b.yaml': 'v: 1' }));
    expect(statSync(at('a.yaml')).mode & 0o777).toBe(0o640);
    expect([...readdirSync(directory), ...readdirSync(at('new'))].sort()).toEqual(['a.yaml', 'b.yaml', 'new']);
    await Promise.all(
      Array.from({ length: 20 }, (_, i) => store.put({ path: 'a.yaml', text: `v: ${String(i).repeat(5000)}\n` })),
    );
    expect(readFileSync(at('a.yaml'), 'utf8')).toMatch(/^v: (\d+)\n$/);
    expect(readdirSync(directory).sort()).toEqual(['a.yaml', 'new']);
  });

  it('refuses to write outside of itself', async () => {
    const outside = join(place.path, 'outside');
    mkdirSync(outside);
    writeFileSync(join(outside, 'secret.yaml'), 'untouched\n');
    symlinkSync(outside, at('link'));
    symlinkSync(join(outside, 'secret.yaml'), at('secret.yaml'));
    const { store } = start();
    const paths = [
      '../outside/secret.yaml',
      'link/secret.yaml',
      'link/deeper/new.yaml',
      'secret.yaml',
      '/tmp/x.yaml',
      'a.sh',
      '',
    ];
    for (const path of paths) {
      await expect(store.put({ path, text: 'x' })).rejects.toMatchObject({ code: 'CH1321' });
      await expect(store.remove(path)).rejects.toMatchObject({ code: 'CH1321' });
    }
    expect(readdirSync(outside)).toEqual(['secret.yaml']);
    expect(readFileSync(join(outside, 'secret.yaml'), 'utf8')).toBe('untouched\n');
  });

  it('may hold objects and instance lists side by side', async () => {
    write('route.yaml', 'apiVersion: chancery/v1\nkind: Route\n');
    write('web.yaml', 'service: web\ninstances:\n  - {id: web-1, address: 10.0.0.1, port: 80}\n');
    const { texts } = start();
    const lists = watch(createFileRegistry(rigDeps(), { name: 'lists', directory }));
    ends.push(lists.end);
    await eventuallyPasses(() => expect(Object.keys(texts())).toEqual(['route.yaml']));
    await eventually(() => lists.last()?.services.get('web')?.instances.length === 1);
    write('web.yaml', 'service: web\ninstances:\n  - {id: web-1, address: 10.0.0.1, port: 80\n');
    await eventually(() => lists.last()?.problems.length === 1);
    expect(lists.last()?.problems[0]).toMatchObject({ code: 'CH1320', at: { file: 'web.yaml', line: 4 } });
    expect(lists.last()?.services.get('web')?.instances.length).toBe(1);
    expect(Object.keys(texts())).toEqual(['route.yaml']);
  });

  it('may be one file only', async () => {
    write('web.yaml', 'service: web\ninstances: [{address: 10.0.0.1}]\n');
    write('api.yaml', 'service: api\ninstances: [{address: 10.0.0.1}]\n');
    const lists = watch(createFileRegistry(rigDeps(), { name: 'lists', file: at('web.yaml') }));
    ends.push(lists.end);
    await eventually(() => lists.last()?.complete === true);
    expect([...(lists.last()?.services.keys() ?? [])]).toEqual(['web']);
  });
});
