// Reads the files that objects name: of certificates, and of the keys of issuers of tokens. Whoever may write objects names
// them, and what is read goes to a proxy: so never a file of the control plane's own.
// It must not know what is in them. Invariant: bounded, regular files only, links followed before they are judged.
import { constants } from 'node:fs';
import { open, realpath } from 'node:fs/promises';
import { resolve, sep } from 'node:path';
import type { CertificateFiles } from '../control/edge-certificates.ts';
import { maxKeySet } from '../model/public-keys.ts';
import type { ErrorCodeName } from '../util/error-codes.ts';
import { AppError } from '../util/errors.ts';
import { fingerprint } from '../util/file-changes.ts';

interface FileKind {
  /** Of what is thrown. */
  readonly code: ErrorCodeName;
  readonly maxBytes: number;
  readonly what: string;
}

const certificates: FileKind = { code: 'CH1246', maxBytes: 1_048_576, what: 'a certificate or a key' };
export const tokenKeys: FileKind = { code: 'CH1252', maxBytes: maxKeySet, what: 'a set of keys' };

/** `closed`: files that are never read, and folders whose files, and everything below, are not. */
export function createEdgeFiles(
  closed: readonly string[],
  { code, maxBytes, what }: FileKind = certificates,
): CertificateFiles {
  async function read(path: string): Promise<string> {
    const refuse = (why: string): never => {
      throw new AppError(code, `${path} ${why}`);
    };
    const real = await realpath(path).catch(() => refuse('cannot be read'));
    for (const folder of closed) {
      const root = await realpath(folder).catch(() => resolve(folder));
      if (real === root || real.startsWith(root.endsWith(sep) ? root : `${root}${sep}`))
        refuse('is a file of the control plane, whose keys are never sent to a proxy');
    }
    // A pipe would wait for somebody to write.
    const file = await open(real, constants.O_RDONLY | constants.O_NONBLOCK).catch(() => refuse('cannot be read'));
    try {
      const found = await file.stat();
      if (!found.isFile()) refuse('is no file');
      if (found.size > maxBytes) refuse(`is too large for ${what}`);
      return await file.readFile('utf8');
    } finally {
      await file.close();
    }
  }

  return { read, fingerprint };
}
