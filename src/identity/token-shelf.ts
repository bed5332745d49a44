// Tokens that lie in the store under an id each, as hashes of their secrets, until they end: what join tokens and tokens of the
// API have alike.
// It must not know what a token gives. Invariants: what cannot be read is never removed, since it may be of a newer version of
// this program; secrets are compared in constant time.
import { createHash, timingSafeEqual } from 'node:crypto';
import type { Store } from '../model/store.ts';
import type { Clock } from '../util/clock.ts';

export interface ShelvedToken {
  /** Wall-clock milliseconds. */
  readonly expiresAtMs: number;
  /** Hex SHA-256 of its secret. */
  readonly secretHash: string;
}

export interface TokenShelf<T extends ShelvedToken> {
  /** Those that have not ended; what has is removed. Rejects as the store does. */
  alive(): Promise<readonly T[]>;
  /** The same, as it was read at most 5 s ago. Rejects as the store does. */
  recent(): Promise<readonly T[]>;
  /** Has `recent` read anew. */
  forget(): void;
}

const recentMs = 5_000;

/** `decode`: undefined where these bytes are no token of this id. */
export function createTokenShelf<T extends ShelvedToken>(
  { store, clock }: { readonly store: Store; readonly clock: Clock },
  { prefix, decode }: { readonly prefix: string; readonly decode: (id: string, bytes: Uint8Array) => T | undefined },
): TokenShelf<T> {
  let read: { readonly atMs: number; readonly tokens: Promise<readonly T[]> } | undefined;

  async function alive(): Promise<readonly T[]> {
    const found: T[] = [];
    for (const [key, { value, revision }] of await store.list(prefix)) {
      const token = decode(key.slice(prefix.length), value);
      if (token === undefined) continue;
      if (token.expiresAtMs > clock.wall()) found.push(token);
      else await store.delete(key, { revision });
    }
    return found;
  }

  return {
    alive,
    recent() {
      if (read === undefined || clock.now() - read.atMs > recentMs) {
        const tokens = alive();
        read = { atMs: clock.now(), tokens };
        // A list that could not be read is no list.
        tokens.catch(() => {
          read = undefined;
        });
      }
      return read.tokens;
    },
    forget() {
      read = undefined;
    },
  };
}

/** Hex SHA-256. */
export function secretHashOf(secret: string): string {
  return createHash('sha256').update(secret).digest('hex');
}

export function knowsSecret({ secretHash }: Pick<ShelvedToken, 'secretHash'>, secret: string): boolean {
  return timingSafeEqual(Buffer.from(secretHashOf(secret)), Buffer.from(secretHash));
}

export function withoutSecret<T extends ShelvedToken>({ secretHash: _, ...token }: T): Omit<T, 'secretHash'> {
  return token;
}
