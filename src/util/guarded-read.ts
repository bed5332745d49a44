// Reads files that somebody else writes and replaces at any time, keys among them. It must not know what is in them.
// Invariants: bounded, regular files only; links are followed, since that is how orchestrators replace files; a key that others
// can read is refused, never mended in silence; what is thrown names the file and holds nothing of it.
import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import type { ErrorCodeName } from './error-codes.ts';
import { AppError } from './errors.ts';

export interface GuardedRead {
  /** Of what it rejects with; retryable where the file cannot be opened or read. */
  readonly code: ErrorCodeName;
  readonly maxBytes: number;
  /** User id that a key may belong to, beside root's. Undefined: it is no key, or files have no owner here (Windows). */
  readonly owner?: number | undefined;
}

export async function guardedRead(path: string, { code, maxBytes, owner }: GuardedRead): Promise<Buffer> {
  try {
    // A pipe would wait for somebody to write.
    const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
    try {
      const found = await file.stat();
      const fault = !found.isFile() || found.size > maxBytes ? 'is no file, or too large' : ownerFault(found, owner);
      if (fault !== undefined) throw new AppError(code, `${path} ${fault}`);
      return await file.readFile();
    } finally {
      await file.close();
    }
  } catch (cause) {
    if (cause instanceof AppError) throw cause;
    throw new AppError(code, `${path} cannot be read`, { cause, retryable: true });
  }
}

/** Ours alone; or root's, who may give it to our group to read, as Kubernetes does with `fsGroup`. */
function ownerFault(
  { uid, mode }: { readonly uid: number; readonly mode: number },
  owner: number | undefined,
): string | undefined {
  if (owner === undefined) return undefined;
  if (uid !== owner && uid !== 0) return `belongs to the user ${uid}, not to ${owner} or root`;
  const forbidden = uid === 0 && owner !== 0 ? 0o037 : 0o077;
  return (mode & forbidden) === 0 ? undefined : `is open to others (mode ${(mode & 0o777).toString(8)})`;
}
