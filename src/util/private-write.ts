// Files of mode 0600 that appear whole, on the disk. It must not know what is in them.
// Invariant: no file is ever open to others, not for a moment; a reader sees the old text or the new one.
import { randomBytes } from 'node:crypto';
import { open, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

/** Rejects with EEXIST where it is there. */
export async function writeNew(path: string, content: string | Buffer): Promise<void> {
  const file = await open(path, 'wx', 0o600);
  try {
    await file.writeFile(content);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** Writes beside the file and moves it in place. Rejects with what the file system says, and leaves nothing beside. */
export async function replaceFile(path: string, content: string): Promise<void> {
  const beside = join(dirname(path), `.${basename(path)}.${randomBytes(6).toString('hex')}`);
  try {
    await writeNew(beside, content);
    await rename(beside, path);
  } catch (error) {
    await rm(beside, { force: true });
    throw error;
  }
}
