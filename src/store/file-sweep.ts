// What processes that died left in a store of files: values that no key names, and keys that never came to be.
// Invariant: only what has lain for an hour is removed; a write takes milliseconds.
import { readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type FilePlaces, revisionForm } from './file-places.ts';

const leftOverMs = 3_600_000;

export async function sweep(places: FilePlaces, wallMs: number): Promise<void> {
  const old = async (folder: string): Promise<readonly string[]> => {
    const names = (await readdir(folder)).filter((name) => revisionForm.test(name));
    const ages = await Promise.all(names.map(async (name) => wallMs - (await stat(join(folder, name))).mtimeMs));
    return names.filter((_, index) => (ages[index] ?? 0) > leftOverMs);
  };
  for (const draft of await old(places.drafts)) await rm(places.draft(draft), { recursive: true, force: true });
  const values = await old(places.values);
  if (values.length === 0) return;
  const named = new Set<string>();
  for (const key of await places.keysBelow('')) for (const name of await readdir(places.key(key))) named.add(name);
  for (const value of values) if (!named.has(value)) await rm(places.value(value), { force: true });
}
