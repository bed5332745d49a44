// The keys that sign node tokens: P-256, made by the first replica, sealed in the store, known to all. Several verify, so
// that a new one can be brought in; the newest signs, once every replica has had time to read it.
// It must not know tokens, nor how a key is sealed. Invariant: a key that is there and cannot be opened is an error, never a
// reason to make another one; a private key is only ever in memory or sealed.
import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import type { Store } from '../model/store.ts';
import type { Clock } from '../util/clock.ts';
import { AppError, errorText } from '../util/errors.ts';
import { contentHash } from '../util/hash.ts';
import type { Logger } from '../util/log.ts';
import { decodeRecord, encodeRecord, moment } from './stored-json.ts';

export interface SigningKeyDeps {
  readonly store: Store;
  /** Closes bytes so that only who has the key-encryption key opens them; `path` is bound to them. */
  seal(plain: Uint8Array, path: string): Promise<Uint8Array> | Uint8Array;
  /** The reverse. Throws where bytes, path or key-encryption key differ. */
  open(sealed: Uint8Array, path: string): Promise<Uint8Array> | Uint8Array;
  readonly clock: Clock;
  readonly log: Logger;
}

export interface SigningKeyOptions {
  /** How often the store is read. Default 10 s. */
  readonly everyMs?: number;
}

export interface SigningKey {
  /** Says which key signed; from its public half, so that it is never used again. */
  readonly kid: string;
  readonly publicKey: KeyObject;
  readonly privateKey: KeyObject;
  /** Wall-clock milliseconds. */
  readonly createdAtMs: number;
}

export interface SigningKeys {
  /** Reads the keys; where none is, makes one, and all replicas agree on it. Rejects with CH1831, or as the store does. */
  open(): Promise<void>;
  /** The key that signs now. Throws before `open` has resolved. */
  signer(): SigningKey;
  /** The public key of this id, if tokens of it still hold. */
  publicKey(kid: string): KeyObject | undefined;
  /** Makes the next key; it signs after two readings of the store. Resolves to its id. */
  rotate(): Promise<string>;
  /** Takes a key away: all its tokens are refused. False: it is not there, or the only one. */
  retire(kid: string): Promise<boolean>;
  /** Keeps reading the store until aborted. */
  run(signal: AbortSignal): Promise<void>;
}

const prefix = 'tokens/signing/';
const pathOf = (index: number): string => `${prefix}${String(index).padStart(6, '0')}`;

interface Known {
  readonly path: string;
  readonly revision: string;
  readonly key: SigningKey;
}

export function createSigningKeys(deps: SigningKeyDeps, options: SigningKeyOptions = {}): SigningKeys {
  const { store, clock, log } = deps;
  const audit = log.child('audit');
  const { everyMs = 10_000 } = options;
  /** Oldest first. Replaced as a whole. */
  let known: readonly Known[] = [];

  async function refresh(): Promise<void> {
    const entries = await store.list(prefix);
    const before = new Map(known.map((item) => [item.path, item]));
    const next: Known[] = [];
    for (const [path, { value, revision }] of entries) {
      const same = before.get(path);
      next.push(same?.revision === revision ? same : { path, revision, key: await unsealed(deps, value, path) });
    }
    known = next;
  }

  /** Puts a new key behind the ones that are there; false: another replica did so first. */
  async function make(): Promise<string | undefined> {
    const last = known.at(-1)?.path ?? pathOf(0);
    const path = pathOf(Number(last.slice(prefix.length)) + 1);
    const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const record = encodeRecord({
      version: 1,
      createdAtMs: Math.floor(clock.wall()),
      privateKey: privateKey.export({ type: 'pkcs8', format: 'der' }).toString('base64'),
    });
    const put = await store.put(path, await deps.seal(record, path), 'absent');
    return put === undefined ? undefined : kidOf(publicKey);
  }

  return {
    async open() {
      await refresh();
      if (known.length > 0) return;
      const made = await make();
      await refresh();
      if (made !== undefined) audit.info('a key that signs node tokens was made', { kid: made });
    },
    signer() {
      const settled = known.filter(({ key }) => key.createdAtMs + 2 * everyMs <= clock.wall());
      const signing = settled.at(-1) ?? known[0];
      if (signing === undefined) throw new Error('the keys that sign node tokens have not been read');
      return signing.key;
    },
    publicKey: (kid) => known.find(({ key }) => key.kid === kid)?.key.publicKey,
    async rotate() {
      for (;;) {
        await refresh();
        const made = await make();
        if (made === undefined) continue;
        await refresh();
        audit.info('a new key for node tokens was made', { kid: made });
        return made;
      }
    },
    async retire(kid) {
      await refresh();
      const found = known.find(({ key }) => key.kid === kid);
      if (found === undefined || known.length === 1) return false;
      const removed = await store.delete(found.path, { revision: found.revision });
      await refresh();
      if (removed) audit.warn('a key that signs node tokens was retired', { kid });
      return removed;
    },
    async run(signal) {
      while (!signal.aborted) {
        await clock.sleep(everyMs, signal);
        if (signal.aborted) return;
        await refresh().catch((error: unknown) => {
          log.warn('the keys that sign node tokens cannot be read, those known stay in use', {
            error: errorText(error),
          });
        });
      }
    },
  };
}

function kidOf(publicKey: KeyObject): string {
  return contentHash(publicKey.export({ type: 'spki', format: 'der' }));
}

async function unsealed({ open }: SigningKeyDeps, sealed: Uint8Array, path: string): Promise<SigningKey> {
  let plain: Uint8Array;
  try {
    plain = await open(sealed, path);
  } catch (cause) {
    // What is wrong with the key that seals is told by who reads it.
    const told = cause instanceof AppError ? { hint: cause.hint } : {};
    throw new AppError('CH1831', `the token-signing key ${path} cannot be opened`, { cause, ...told });
  }
  const key = readKey(plain);
  if (key === undefined)
    throw new AppError('CH1831', `the token-signing key ${path} is not a P-256 key of this program`);
  return key;
}

/** What is wrong with a key is not said: the words of a parser may hold pieces of it. */
function readKey(plain: Uint8Array): SigningKey | undefined {
  const record = decodeRecord(plain);
  const createdAtMs = moment(record?.['createdAtMs']);
  const text = record?.['privateKey'];
  if (record?.['version'] !== 1 || createdAtMs === undefined || typeof text !== 'string') return undefined;
  try {
    const privateKey = createPrivateKey({ key: Buffer.from(text, 'base64'), format: 'der', type: 'pkcs8' });
    if (privateKey.asymmetricKeyDetails?.namedCurve !== 'prime256v1') return undefined;
    const publicKey = createPublicKey(privateKey);
    return { kid: kidOf(publicKey), publicKey, privateKey, createdAtMs };
  } catch {
    return undefined;
  }
}
