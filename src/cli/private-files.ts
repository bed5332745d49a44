// Files that only their owner may read, changed so that a reader sees the old text or the new one, whole.
// It must not know what is in them. Invariant: no file is ever open to others, not for a moment; a folder that others can
// read is refused, never mended in silence.
import { chmod, lstat, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { AppError } from '../util/errors.ts';
import { replaceFile } from '../util/private-write.ts';

export interface PrivateFiles {
  /** Makes the folder and those above it, with mode 0700. Rejects with CH1854 where it is there and others may read it. */
  folder(path: string): Promise<void>;
  /** Writes beside the file, to the disk, and moves it in place; mode 0600. Rejects with CH1854. */
  write(folder: string, name: string, text: string): Promise<void>;
}

export function createPrivateFiles(platform: NodeJS.Platform = process.platform): PrivateFiles {
  return {
    async folder(path) {
      const there = await lstat(path).catch(() => undefined);
      if (there === undefined) {
        await mkdir(path, { recursive: true, mode: 0o700 }).catch((cause: unknown) => {
          throw new AppError('CH1854', `folder "${path}" cannot be made`, { cause });
        });
        // The mask of the user may take rights away, never give any; parents may be others' business.
        await chmod(path, 0o700);
        return;
      }
      if (!there.isDirectory()) throw new AppError('CH1854', `"${path}" is no folder`);
      if (platform !== 'win32' && (there.mode & 0o077) !== 0)
        throw new AppError('CH1854', `folder "${path}" is open to others (mode ${(there.mode & 0o777).toString(8)})`, {
          hint: `Run chmod 700 ${path}, or name another folder.`,
        });
    },
    async write(folder, name, text) {
      const path = join(folder, name);
      await replaceFile(path, text).catch((cause: unknown) => {
        throw new AppError('CH1854', `file "${path}" cannot be written`, { cause });
      });
    },
  };
}
