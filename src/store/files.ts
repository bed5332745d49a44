// A folder of files as store, for replicas on one machine. No lock: what decides is always one system call on one name.
// A key that is there is a folder `KEY=` with one empty file, named by the revision; the value lies beside, in a file named
// by the revision too, which is never changed. To change a value is to rename the one file, to delete it is to unlink it:
// of many calls on one revision the kernel lets exactly one succeed. To create a key is to rename a prepared folder into
// its place, which fails unless the place is free or an empty folder. A process that dies leaves a value nobody names, at most.
// It must not know what the values mean. Invariant: a key is never absent between two values, and never names bytes that
// are not on the disk.
import { randomBytes } from 'node:crypto';
import { readdir, readFile, rename, rm, rmdir, stat, unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { StoreEntry } from '../model/store.ts';
import type { Clock } from '../util/clock.ts';
import { errorText } from '../util/errors.ts';
import { type Driver, DriverError } from './driver.ts';
import {
  createFilePlaces,
  errorCode,
  type FilePlaces,
  makeFolder,
  revisionForm,
  syncFolder,
  writeNew,
} from './file-places.ts';
import { sweep } from './file-sweep.ts';

/** A reader that is overtaken by writers looks again. */
const tries = 50;

export function createFilesDriver(clock: Clock, folder: string): Driver {
  const places = createFilePlaces(folder);
  let opening: Promise<void> | undefined;

  /** Makes the folder, or refuses one that others can use; once. */
  async function open(): Promise<void> {
    opening ??= prepare(places, clock).catch((error: unknown) => {
      opening = undefined;
      throw error;
    });
    await opening;
  }

  /** Told "not there" by the file system: true only if the store itself is. */
  async function assertThere(): Promise<void> {
    await stat(places.values);
  }

  /** The revision a key has now; undefined: it is proven that it had none. */
  async function current(place: string): Promise<string | undefined> {
    for (let left = tries; left > 0; left--) {
      const names = await ifThere(readdir(place));
      if (names === undefined) return await assertThere().then(() => undefined);
      const revision = names.find((name) => revisionForm.test(name));
      if (revision !== undefined) return revision;
      if (names.length > 0) throw damaged(`${place} holds "${names[0]}", which is not of the store`);
      // A listing may miss a file that is renamed meanwhile; only an empty folder can be removed.
      if ((await removeEmpty(place)) === 'removed') return undefined;
    }
    throw damaged(`${place} does not come to rest`);
  }

  async function get(key: string): Promise<StoreEntry | undefined> {
    const place = places.key(key);
    for (let left = tries; left > 0; left--) {
      const revision = await current(place);
      if (revision === undefined) return undefined;
      const value = await ifThere(readFile(places.value(revision)));
      if (value !== undefined) return { value: new Uint8Array(value), revision };
    }
    throw damaged(`the value of ${place} is missing`);
  }

  /** True if the key had no value. */
  async function create(key: string, revision: string): Promise<boolean> {
    const place = places.key(key);
    const draft = places.draft(revision);
    await makeFolder(draft);
    try {
      await writeNew(join(draft, revision), new Uint8Array());
      await syncFolder(draft);
      await makeFolder(dirname(place));
      await rename(draft, place);
    } catch (error) {
      await rm(draft, { recursive: true, force: true });
      if (['ENOTEMPTY', 'EEXIST'].includes(errorCode(error))) return false;
      throw error;
    }
    for (let above = dirname(place); above.length >= places.root.length; above = dirname(above))
      await syncFolder(above);
    return true;
  }

  /** True if the key had the revision `from`. */
  async function replace(key: string, from: string, to: string): Promise<boolean> {
    const place = places.key(key);
    const renamed = await ifThere(rename(join(place, from), join(place, to)).then(() => true));
    if (renamed === undefined) {
      await assertThere();
      return false;
    }
    await syncFolder(place);
    await rm(places.value(from), { force: true });
    return true;
  }

  return {
    async get(key) {
      await open();
      return await get(key);
    },
    async list(prefix) {
      await open();
      const keys = await places.keysBelow(prefix);
      if (keys.length === 0) await assertThere();
      const entries = new Map<string, StoreEntry>();
      for (const key of keys) {
        const entry = await get(key);
        if (entry !== undefined) entries.set(key, entry);
      }
      return entries;
    },
    async put(key, value, expect) {
      if (expect !== undefined && !revisionForm.test(expect)) return undefined;
      await open();
      const revision = randomBytes(16).toString('hex');
      await writeNew(places.value(revision), value);
      await syncFolder(places.values);
      const done = await (expect === undefined ? create(key, revision) : replace(key, expect, revision));
      if (done) return revision;
      await rm(places.value(revision), { force: true });
      return undefined;
    },
    async delete(key, revision) {
      if (!revisionForm.test(revision)) return false;
      await open();
      const place = places.key(key);
      const removed = await ifThere(unlink(join(place, revision)).then(() => true));
      if (removed === undefined) {
        await assertThere();
        return false;
      }
      await ifThere(syncFolder(place));
      await rm(places.value(revision), { force: true });
      await removeEmpty(place);
      return true;
    },
    fault(error) {
      if (error instanceof DriverError) return error.fault;
      return { code: 'CH1821', reason: `the folder cannot be used: ${errorText(error)}`, lasting: true };
    },
    close() {},
  };
}

async function prepare(places: FilePlaces, clock: Clock): Promise<void> {
  await makeFolder(places.root);
  const { mode } = await stat(places.root);
  if (process.platform !== 'win32' && (mode & 0o077) !== 0)
    throw new DriverError({
      code: 'CH1826',
      reason: `the folder is open to others (mode ${(mode & 0o777).toString(8)})`,
      hint: `Run chmod 700 ${places.root}.`,
    });
  await makeFolder(places.values);
  await makeFolder(places.drafts);
  // What is left over costs room, and nothing else.
  await sweep(places, clock.wall()).catch(() => undefined);
}

const damaged = (reason: string): DriverError => new DriverError({ code: 'CH1825', reason });

async function ifThere<T>(work: Promise<T>): Promise<T | undefined> {
  try {
    return await work;
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}

/** `removed`: it was empty, or gone. */
async function removeEmpty(place: string): Promise<'removed' | 'in use'> {
  try {
    await ifThere(rmdir(place));
    return 'removed';
  } catch (error) {
    if (['ENOTEMPTY', 'EEXIST'].includes(errorCode(error))) return 'in use';
    throw error;
  }
}
