// Where keys that seal come from: the readers of files, environment and commands, and a key of this machine's own.
// It must not know what is sealed. Invariant: a key of our own is made once, with mode 0600, and never again.
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdir, open, readFile, stat, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { seal, unseal } from '../ca/envelope.ts';
import type { KeyReaders } from '../ca/key-encryption-key.ts';
import type { KeyEncryptionKeyConfig } from '../model/config-trust.ts';
import { AppError } from '../util/errors.ts';

const commandDeadlineMs = 30_000;
const maxOutputBytes = 65_536;

export function keyReaders(environment: Readonly<Record<string, string | undefined>>): KeyReaders {
  return {
    file: readFile,
    environment: (name) => environment[name],
    command: ([program = '', ...args]) =>
      new Promise((resolve, reject) => {
        const options = { encoding: 'buffer', timeout: commandDeadlineMs, maxBuffer: maxOutputBytes } as const;
        execFile(program, args, options, (error, output) => {
          // What it printed is no part of an error: it may be the key.
          if (error === null) resolve(output);
          else reject(new Error(`"${program}" ended with ${error.code ?? 'an error'}`));
        });
      }),
  };
}

/** A key-encryption key from where the configuration says, read whenever it is needed. */
export async function configuredKey(
  environment: Readonly<Record<string, string | undefined>>,
  { file, env, command }: KeyEncryptionKeyConfig,
): Promise<() => Promise<Uint8Array>> {
  const { readKeyEncryptionKey } = await import('../ca/key-encryption-key.ts');
  const readers = keyReaders(environment);
  if (file !== undefined) return () => readKeyEncryptionKey(readers, { kind: 'file', path: file });
  if (env !== undefined) return () => readKeyEncryptionKey(readers, { kind: 'environment', name: env });
  return () => readKeyEncryptionKey(readers, { kind: 'command', command: command ?? [] });
}

/** The key that the configuration names; where it names none, the one of this machine in `folder`. */
export async function sealKeyOf(
  environment: Readonly<Record<string, string | undefined>>,
  configured: KeyEncryptionKeyConfig | undefined,
  folder: string,
): Promise<SealKey> {
  return configured === undefined ? localSealKey(folder) : configuredKey(environment, configured);
}

/** Seals what lies in a store, bound to its path and to the trust domain. `unseal` rejects with CH1806 to CH1808. */
export interface Sealing {
  seal(plain: Uint8Array, path: string): Promise<Uint8Array>;
  unseal(sealed: Uint8Array, path: string): Promise<Uint8Array>;
}

export function createSealing(sealKey: SealKey, trustDomain: string): Sealing {
  const placeOf = (path: string) => ({ path, trustDomain, generation: 1 });
  return {
    seal: async (plain, path) => seal(await sealKey(), placeOf(path), plain),
    unseal: async (sealed, path) => unseal(await sealKey('open'), placeOf(path), sealed),
  };
}

const length = 32;

/** `open`: there is something that it sealed, so that another one would be of no use. */
export type SealKey = (purpose?: 'open') => Promise<Uint8Array>;

/** The key beside a root that is kept in files: `seal.key` in its folder, made at the first use. Rejects with CH1869. */
export function localSealKey(folder: string): SealKey {
  const path = join(folder, 'seal.key');
  let known: Promise<Uint8Array> | undefined;
  return (purpose) => {
    known ??= (purpose === 'open' ? read(path) : readOrMake(folder, path)).catch((error: unknown) => {
      known = undefined;
      throw error;
    });
    return known;
  };
}

async function readOrMake(folder: string, path: string): Promise<Uint8Array> {
  const made = await make(folder, path).catch((error: unknown) => {
    throw new AppError('CH1869', `${path} cannot be made`, {
      cause: error,
      hint: 'Make room on the disk, and have the user that runs Chancery own the folder; then start again.',
    });
  });
  return made ?? read(path);
}

async function read(path: string): Promise<Uint8Array> {
  const { mode } = await stat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error;
    throw new AppError('CH1869', `${path} is missing`, {
      hint: 'Restore it from a backup of its folder: what it sealed opens with no other, so none is made in its place.',
    });
  });
  if (process.platform !== 'win32' && (mode & 0o077) !== 0)
    throw new AppError('CH1869', `${path} can be read by others (mode ${(mode & 0o777).toString(8)})`, {
      hint: `Run chmod 600 ${path}.`,
    });
  const key = await readFile(path);
  if (key.length !== length) throw new AppError('CH1869', `${path} is not a key of ${length} bytes`);
  return key;
}

/** Undefined: it is there. One that could not be written whole is not left behind: nothing would open with it. */
async function make(folder: string, path: string): Promise<Uint8Array | undefined> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const file = await open(path, 'wx', 0o600).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'EEXIST') return undefined;
    throw error;
  });
  if (file === undefined) return undefined;
  try {
    const made = randomBytes(length);
    await file.writeFile(made);
    await file.sync();
    return made;
  } catch (error) {
    await unlink(path).catch(() => {});
    throw error;
  } finally {
    await file.close();
  }
}
