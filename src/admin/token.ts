// The bearer token of the HTTP API: a file of mode 0600, made at the first start, read again never.
// The token itself is returned to the caller only; it is in no message and no log.
import { randomBytes } from 'node:crypto';
import { mkdir, open, readFile, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { AppError } from '../util/errors.ts';

export interface ApiToken {
  readonly token: string;
  readonly path: string;
  readonly created: boolean;
}

/** 256 bits as base64url; an existing file is taken as it is, if only its owner can read it. Rejects with CH1612. */
export async function ensureToken(path: string): Promise<ApiToken> {
  const made = await make(path).catch((cause: unknown) => {
    throw new AppError('CH1612', `token file "${path}" cannot be made`, { cause });
  });
  if (made !== undefined) return { token: made, path, created: true };
  const { mode } = await stat(path);
  if (process.platform !== 'win32' && (mode & 0o077) !== 0)
    throw new AppError('CH1612', `token file "${path}" can be read by others (mode ${(mode & 0o777).toString(8)})`, {
      hint: `Run chmod 600 ${path}.`,
    });
  const token = (await readFile(path, 'utf8')).trim();
  if (token === '')
    throw new AppError('CH1612', `token file "${path}" is empty`, {
      hint: 'Delete it; the next start makes a new one.',
    });
  return { token, path, created: false };
}

/** The new token, or undefined when the file is there already. */
async function make(path: string): Promise<string | undefined> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const file = await open(path, 'wx', 0o600).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'EEXIST') return undefined;
    throw error;
  });
  if (file === undefined) return undefined;
  try {
    const token = randomBytes(32).toString('base64url');
    await file.writeFile(`${token}\n`);
    return token;
  } finally {
    await file.close();
  }
}
