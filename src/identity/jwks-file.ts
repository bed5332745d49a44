// The public keys of another issuer, from a file that something else keeps fresh. No URL is ever fetched.
// It must not know tokens. Invariant: only what the file says now counts; while it cannot be read, or holds anything but
// public keys for signatures, there are no keys.
import { readFile } from 'node:fs/promises';
import { createLocalJWKSet, type JSONWebKeySet, type JWTVerifyGetKey } from 'jose';
import type { Clock } from '../util/clock.ts';
import { AppError, errorText } from '../util/errors.ts';
import { fingerprint } from '../util/file-changes.ts';
import type { Logger } from '../util/log.ts';

export interface JwksFile {
  /** Rejects with CH1836 where the file cannot be used. */
  keys(): Promise<JWTVerifyGetKey>;
}

const maxBytes = 1_048_576;
const maxKeys = 256;
const kinds = new Set(['RSA', 'EC', 'OKP']);
/** The file is looked at again after this. */
const lookMs = 1000;

interface Loaded {
  readonly fingerprint: string;
  readonly keys: JWTVerifyGetKey | AppError;
}

export function createJwksFile(
  { clock, log }: { readonly clock: Clock; readonly log: Logger },
  path: string,
): JwksFile {
  let loaded: Loaded | undefined;
  let lookedAtMs = Number.NEGATIVE_INFINITY;
  let looking: Promise<Loaded> | undefined;

  async function look(): Promise<Loaded> {
    const now = await fingerprint([path]);
    if (loaded?.fingerprint === now) return loaded;
    try {
      return { fingerprint: now, keys: createLocalJWKSet(await read(path)) };
    } catch (error) {
      const failure = error instanceof AppError ? error : unusable(path, 'cannot be read', error);
      log.error('the keys of an issuer cannot be used: its tokens are refused', { error: errorText(failure) });
      return { fingerprint: now, keys: failure };
    }
  }

  return {
    async keys() {
      if (loaded === undefined || lookedAtMs + lookMs <= clock.now()) {
        looking ??= look().finally(() => {
          looking = undefined;
        });
        loaded = await looking;
        lookedAtMs = clock.now();
      }
      if (loaded.keys instanceof AppError) throw loaded.keys;
      return loaded.keys;
    },
  };
}

async function read(path: string): Promise<JSONWebKeySet> {
  const bytes = await readFile(path);
  if (bytes.length > maxBytes) throw unusable(path, `has more than ${maxBytes} bytes`);
  let parsed: unknown;
  try {
    parsed = JSON.parse(bytes.toString('utf8'));
  } catch {
    throw unusable(path, 'is not JSON');
  }
  const keys: unknown = (parsed as { readonly keys?: unknown } | null)?.keys;
  if (!Array.isArray(keys) || keys.length === 0 || keys.length > maxKeys)
    throw unusable(path, `has no list of 1 to ${maxKeys} keys`);
  const ids = new Set<string>();
  for (const key of keys as readonly unknown[]) {
    if (typeof key !== 'object' || key === null) throw unusable(path, 'has a key that is none');
    const { kty, kid, d } = key as Readonly<Record<string, unknown>>;
    if (typeof kty !== 'string' || !kinds.has(kty)) throw unusable(path, 'has a key that is not RSA, EC or OKP');
    if (d !== undefined) throw unusable(path, 'has a private key');
    if (typeof kid !== 'string' || kid === '' || ids.has(kid))
      throw unusable(path, 'has a key without an id of its own');
    ids.add(kid);
  }
  return { keys: keys as JSONWebKeySet['keys'] };
}

function unusable(path: string, why: string, cause?: unknown): AppError {
  return new AppError('CH1836', `${path} ${why}`, cause === undefined ? {} : { cause });
}
