// Roots in files of one machine: for each a folder of its own with the key and the certificate, readable by nobody else.
// Invariant: both files appear at once, by one rename of their folder, and are never written again; so of many processes that
// start together one wins, and half a root is always damage, never a beginning. A root that is retired is moved aside whole
// before its key is removed.
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { constants, type Stats } from 'node:fs';
import { lstat, mkdir, mkdtemp, open, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../util/clock.ts';
import { AppError } from '../util/errors.ts';
import { writeNew } from '../util/private-write.ts';
import {
  createKeptRoots,
  type KeptRoot,
  type KeptRoots,
  type KeptRootsOptions,
  type RootKeeping,
} from './kept-root.ts';

export interface FileRootsDeps {
  readonly clock: Clock;
  /** Of the running process; undefined where files have no owner or mode (Windows): neither is checked then. */
  readonly uid: number | undefined;
}

export interface FileRootsOptions extends KeptRootsOptions {
  /** Made with mode 0700 if it is missing. */
  readonly folder: string;
}

/** Of folders of roots, in use or retired. */
const slotForm = /^(?:root|retired)-([1-9]\d{0,8})$/;
const keyFile = 'key.pem';
const certificateFile = 'certificate.pem';

export function createFileRoots({ clock, uid }: FileRootsDeps, options: FileRootsOptions): KeptRoots {
  const { folder } = options;
  const placeOf = (slot: number): string => join(folder, `root-${slot}`);
  const asideOf = (slot: number): string => join(folder, `retired-${slot}`);

  async function isThere(path: string): Promise<boolean> {
    const stats = await unlessMissing(lstat(path), path);
    if (stats === undefined) return false;
    if (!stats.isDirectory()) throw new AppError('CH1813', `${path} is not a folder`);
    guard(path, stats, uid);
    return true;
  }
  /** The names too are on the disk before anybody relies on them. */
  async function sync(...paths: readonly string[]): Promise<void> {
    if (uid !== undefined) for (const path of paths) await syncFolder(path);
  }

  const keeping: RootKeeping = {
    kind: 'files',
    placeOf,
    async slots() {
      if (!(await isThere(folder))) return [];
      const names = (await unlessMissing(readdir(folder), folder)) ?? [];
      const numbers = names.map((name) => Number(slotForm.exec(name)?.[1] ?? 0)).filter((slot) => slot > 0);
      return [...new Set(numbers)].sort((one, other) => one - other);
    },
    async load(slot) {
      const own = placeOf(slot);
      return (await isThere(folder)) && (await isThere(own)) ? readRoot(own, uid) : undefined;
    },
    async offer(slot, root) {
      const own = placeOf(slot);
      try {
        await mkdir(folder, { recursive: true, mode: 0o700 });
        guard(folder, await lstat(folder), uid);
        await place(folder, own, root);
        await sync(own, folder);
      } catch (error) {
        throw unusable(folder, error);
      }
    },
    retired: (slot) => isThere(asideOf(slot)),
    async certificate(slot) {
      for (const place of [placeOf(slot), asideOf(slot)]) {
        const pem = (await isThere(place)) ? await readOwn(join(place, certificateFile), uid) : undefined;
        if (pem !== undefined) return certificateOf(pem, place);
      }
      return undefined;
    },
    async retire(slot) {
      const [own, aside] = [placeOf(slot), asideOf(slot)];
      try {
        // Aside first: a folder of a root without its key is damage.
        await unlessMissing(rename(own, aside), own);
        await rm(join(aside, keyFile), { force: true });
        await sync(aside, folder);
      } catch (error) {
        throw unusable(own, error);
      }
    },
  };
  return createKeptRoots({ clock, keeping }, options);
}

async function readRoot(own: string, uid: number | undefined): Promise<KeptRoot> {
  const key = await readOwn(join(own, keyFile), uid);
  const certificate = await readOwn(join(own, certificateFile), uid);
  if (key === undefined) throw new AppError('CH1801', `${join(own, keyFile)} is missing`);
  if (certificate === undefined) throw new AppError('CH1803', `${join(own, certificateFile)} is missing`);
  try {
    return { key: createPrivateKey(key), certificate: certificateOf(certificate, own) };
  } catch {
    // The cause might quote the key.
    throw new AppError('CH1803', `${own} does not hold a key and a certificate in PEM`);
  } finally {
    key.fill(0);
  }
}

function certificateOf(pem: Buffer, place: string): Uint8Array {
  try {
    return Uint8Array.from(new X509Certificate(pem).raw);
  } catch {
    throw new AppError('CH1803', `${place} does not hold a certificate in PEM`);
  }
}

/** What was checked is what is read: both through one handle, and never through a link. */
async function readOwn(path: string, uid: number | undefined): Promise<Buffer | undefined> {
  const file = await unlessMissing(open(path, constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0)), path);
  if (file === undefined) return undefined;
  try {
    guard(path, await file.stat(), uid);
    return await file.readFile();
  } catch (error) {
    throw unusable(path, error);
  } finally {
    await file.close();
  }
}

function guard(path: string, stats: Stats, uid: number | undefined): void {
  if (uid === undefined) return;
  if (stats.uid !== uid) throw new AppError('CH1802', `${path} belongs to the user ${stats.uid}, not to ${uid}`);
  if ((stats.mode & 0o077) !== 0)
    throw new AppError('CH1802', `${path} is open to others (mode ${(stats.mode & 0o777).toString(8)})`);
}

/** Writes beside, then renames: a folder that is there and not empty is never replaced. */
async function place(folder: string, own: string, root: KeptRoot): Promise<void> {
  const beside = await mkdtemp(join(folder, '.new-'));
  try {
    await writeNew(join(beside, keyFile), root.key.export({ type: 'pkcs8', format: 'pem' }));
    await writeNew(join(beside, certificateFile), new X509Certificate(root.certificate).toString());
    await rename(beside, own);
  } catch (error) {
    await rm(beside, { recursive: true, force: true });
    // Somebody was faster; what they made is read next.
    if ((await unlessMissing(lstat(own), own)) === undefined) throw error;
  }
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

async function unlessMissing<T>(pending: Promise<T>, path: string): Promise<T | undefined> {
  try {
    return await pending;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw unusable(path, error);
  }
}

function unusable(path: string, error: unknown): AppError {
  return error instanceof AppError ? error : new AppError('CH1813', `${path} cannot be used`, { cause: error });
}
