// Where a store of files keeps what, and how a file or folder comes onto the disk for good.
// `root/ca/roots/1=/REVISION` (empty: the key `ca/roots/1` has this revision), `root/.values/REVISION` (its bytes),
// `root/.drafts/REVISION/` (a key that is about to be there). No part of a key begins with a dot or ends in `=`.
import { mkdir, open, readdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';

/** Drawn at random for each write, never used again. */
export const revisionForm = /^[0-9a-f]{32}$/;

export interface FilePlaces {
  readonly root: string;
  readonly values: string;
  readonly drafts: string;
  key(key: string): string;
  value(revision: string): string;
  draft(revision: string): string;
  /** Keys that have, or had, a value. The prefix is empty or ends in `/`. */
  keysBelow(prefix: string): Promise<readonly string[]>;
}

export function createFilePlaces(folder: string): FilePlaces {
  const root = resolve(folder);
  const [values, drafts] = [join(root, '.values'), join(root, '.drafts')];

  async function keysBelow(prefix: string): Promise<readonly string[]> {
    const entries = await readdir(join(root, prefix), { withFileTypes: true }).catch((error: unknown) => {
      if (errorCode(error) === 'ENOENT') return [];
      throw error;
    });
    const keys: string[] = [];
    for (const entry of entries) {
      if (!entry.isDirectory() || entry.name.startsWith('.')) continue;
      if (entry.name.endsWith('=')) keys.push(prefix + entry.name.slice(0, -1));
      else keys.push(...(await keysBelow(`${prefix}${entry.name}/`)));
    }
    return keys;
  }

  return {
    root,
    values,
    drafts,
    key: (key) => join(root, `${key}=`),
    value: (revision) => join(values, revision),
    draft: (revision) => join(drafts, revision),
    keysBelow,
  };
}

export function errorCode(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : '';
}

/** With those above it; nothing happens where it is there. */
export async function makeFolder(path: string): Promise<void> {
  await mkdir(path, { recursive: true, mode: 0o700 });
}

/** Mode 0600, and on the disk when it resolves. Rejects where the file is there already. */
export async function writeNew(path: string, bytes: Uint8Array): Promise<void> {
  await using file = await open(path, 'wx', 0o600);
  await file.writeFile(bytes);
  await file.sync();
}

/** The names in a folder are on the disk when it resolves. Windows has no such call. */
export async function syncFolder(path: string): Promise<void> {
  if (process.platform === 'win32') return;
  await using folder = await open(path, 'r');
  await folder.sync();
}
