// Atomic writes below one directory: a temporary file beside the target, flushed, then renamed over it, mode kept.
// Invariant: no path leads outside the directory, through `..`, an absolute path or a symbolic link.
import { lstat, mkdir, open, realpath, rename, stat, unlink } from 'node:fs/promises';
import { basename, dirname, join, sep } from 'node:path';
import { AppError } from '../../util/errors.ts';
import type { Random } from '../../util/random.ts';
import { errorCode, fault, isConfigurationName } from './directory-pass.ts';

export interface FileWriter {
  /** Rejects with AppError CH1321 for a path that may not be written, CH1322 when writing fails. */
  put(path: string, text: string): Promise<void>;
  /** A file that is not there is fine. */
  remove(path: string): Promise<void>;
}

/** Why a path relative to the directory may not be written; undefined when it may. */
export function pathFault(path: string): string | undefined {
  if (path === '' || path.includes('\0')) return 'it is empty or has a NUL character';
  if (path.startsWith('/') || path.includes('\\')) return 'it must be relative, with "/" between its parts';
  const parts = path.split('/');
  if (parts.some((part) => part === '' || part.startsWith('.'))) return 'a part of it is empty or starts with a dot';
  if (!isConfigurationName(parts.at(-1) ?? '')) return 'its name must end in .yaml, .yml or .json';
  return undefined;
}

export function createFileWriter(root: string, random: Random): FileWriter {
  /** The real place of `path`, its directory made if need be. */
  async function target(path: string, make: boolean): Promise<string> {
    const wrong = pathFault(path);
    if (wrong !== undefined) throw refused(path, wrong);
    const realRoot = await realpath(root);
    const directory = join(realRoot, dirname(path));
    await inside(realRoot, await nearest(directory, realRoot), path);
    if (make) await mkdir(directory, { recursive: true });
    const real = join(await realpath(directory), basename(path));
    const info = await lstat(real).catch(() => undefined);
    if (info?.isSymbolicLink() !== true) return real;
    const linked = await realpath(real);
    await inside(realRoot, linked, path);
    return linked;
  }

  /** The deepest part of `directory` that exists, as it really is. */
  async function nearest(directory: string, realRoot: string): Promise<string> {
    try {
      return await realpath(directory);
    } catch (error) {
      if (errorCode(error) !== 'ENOENT' || directory === realRoot) throw error;
      return await nearest(dirname(directory), realRoot);
    }
  }

  async function inside(realRoot: string, real: string, path: string): Promise<void> {
    if (real !== realRoot && !real.startsWith(realRoot.endsWith(sep) ? realRoot : realRoot + sep))
      throw refused(path, 'a symbolic link leads outside the directory');
  }

  return {
    async put(path, text) {
      try {
        const real = await target(path, true);
        const mode = await stat(real).then(
          (info) => info.mode & 0o7777,
          () => undefined,
        );
        const mark = Math.floor(random() * 2 ** 32).toString(36);
        // Hidden and without a known extension: no reader takes it for a configuration file.
        const temporary = join(dirname(real), `.${basename(real)}.${mark}.tmp`);
        try {
          await using handle = await open(temporary, 'wx', mode ?? 0o666);
          if (mode !== undefined) await handle.chmod(mode);
          await handle.writeFile(text);
          await handle.sync();
          await rename(temporary, real);
        } catch (error) {
          await unlink(temporary).catch(() => undefined);
          throw error;
        }
        await syncDirectory(dirname(real));
      } catch (error) {
        throw asFailure(path, error);
      }
    },
    async remove(path) {
      try {
        const real = await target(path, false);
        await unlink(real);
        await syncDirectory(dirname(real));
      } catch (error) {
        // Gone already, unless the directory itself is gone.
        const rootThere = await stat(root).then(
          () => true,
          () => false,
        );
        if (errorCode(error) === 'ENOENT' && rootThere) return;
        throw asFailure(path, error);
      }
    },
  };
}

async function syncDirectory(directory: string): Promise<void> {
  await using handle = await open(directory, 'r');
  await handle.sync();
}

function refused(path: string, why: string): AppError {
  return new AppError('CH1321', `the path "${path}" is refused: ${why}`);
}

function asFailure(path: string, error: unknown): AppError {
  return error instanceof AppError
    ? error
    : new AppError('CH1322', `file "${path}" cannot be written: ${fault(error)}`, { cause: error, retryable: true });
}
