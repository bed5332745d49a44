// Tokens of the HTTP API with a name, a role and an end. The store keeps a hash of the secret, never the secret, so that all
// replicas know them and one that was revoked is worth nothing at once, wherever it is shown.
// It must not know HTTP. Invariants: what a token may do is what the store says now; secrets are compared in constant time; a
// name belongs to one token at a time.
import { randomBytes } from 'node:crypto';
import { type Role, roles } from '../model/access.ts';
import type { Store } from '../model/store.ts';
import type { Clock } from '../util/clock.ts';
import { AppError } from '../util/errors.ts';
import { decodeRecord, encodeRecord, moment } from './stored-json.ts';
import { createTokenShelf, knowsSecret, type ShelvedToken, secretHashOf, withoutSecret } from './token-shelf.ts';

export interface AccessToken {
  /** Of the token: in lists and in the audit log. */
  readonly name: string;
  readonly role: Role;
  /** Name of the token that made it. */
  readonly createdBy: string;
  /** Wall-clock milliseconds. */
  readonly createdAtMs: number;
  readonly expiresAtMs: number;
}

export interface AccessTokenRequest {
  readonly name: string;
  readonly role: Role;
  /** 1 min to 10 years; default 90 days. */
  readonly ttlMs?: number;
  readonly createdBy: string;
}

export interface AccessTokens {
  /** `text` is a secret: shown once. Rejects with CH1722 where the name is taken, CH1723 where it does not fit, or as the store does. */
  create(request: AccessTokenRequest): Promise<AccessToken & { readonly text: string }>;
  /** Asks the store. Undefined: unknown, revoked or ended. Rejects as the store does. */
  check(text: string): Promise<AccessToken | undefined>;
  /**
   * Whether it is among those that hold, as the list was read at most 5 s ago: for when the store must not be asked as often
   * as strangers wish. Rejects as the store does.
   */
  isListed(text: string): Promise<boolean>;
  /** Those that hold, by name; forgets those that ended. */
  list(): Promise<readonly AccessToken[]>;
  /** False: there is none of this name. */
  revoke(name: string): Promise<boolean>;
}

const prefix = 'access/';
const minuteMs = 60_000;
const dayMs = 86_400_000;
const defaultTtlMs = 90 * dayMs;
const maxTtlMs = 3_653 * dayMs;
/** Tokens there may be. */
const maxTokens = 1_000;
export const accessTokenName = /^[a-z0-9][a-z0-9_-]{0,62}$/;
const textForm = /^ca1\.([a-z0-9][a-z0-9_-]{0,62})\.([A-Za-z0-9_-]{43})$/;

type StoredToken = AccessToken & ShelvedToken;

/** True for what has the form of such a token. */
export function isAccessToken(text: string): boolean {
  return textForm.test(text);
}

export function createAccessTokens(deps: { readonly store: Store; readonly clock: Clock }): AccessTokens {
  const { store, clock } = deps;
  const shelf = createTokenShelf(deps, { prefix, decode: decodeToken });

  return {
    async create({ name, role, ttlMs = defaultTtlMs, createdBy }) {
      if (!accessTokenName.test(name))
        throw new AppError('CH1723', 'a name has 1 to 63 lower-case letters, digits, dashes and underscores');
      if (!roles.includes(role)) throw new AppError('CH1723', `a role is one of ${roles.join(', ')}`);
      if (!(ttlMs >= minuteMs && ttlMs <= maxTtlMs))
        throw new AppError('CH1723', 'a token of the API lives for 1 minute to 10 years');
      if ((await shelf.alive()).length >= maxTokens)
        throw new AppError('CH1723', `there are ${maxTokens} tokens, which is the limit`);
      const secret = randomBytes(32).toString('base64url');
      const createdAtMs = Math.floor(clock.wall());
      const token = { name, role, createdBy, createdAtMs, expiresAtMs: Math.floor(createdAtMs + ttlMs) };
      const record = encodeRecord({ version: 1, ...token, secretHash: secretHashOf(secret) });
      if ((await store.put(prefix + name, record, 'absent')) === undefined)
        throw new AppError('CH1722', `there is a token named "${name}"`);
      return { ...token, text: `ca1.${name}.${secret}` };
    },
    async check(text) {
      const [, name = '', secret = ''] = textForm.exec(text) ?? [];
      if (name === '') return undefined;
      const entry = await store.get(prefix + name);
      const token = entry === undefined ? undefined : decodeToken(name, entry.value);
      if (token === undefined || !knowsSecret(token, secret) || token.expiresAtMs <= clock.wall()) return undefined;
      return withoutSecret(token);
    },
    async isListed(text) {
      const [, name = '', secret = ''] = textForm.exec(text) ?? [];
      const token = (await shelf.recent()).find((one) => one.name === name);
      return token !== undefined && knowsSecret(token, secret);
    },
    list: async () => (await shelf.alive()).map(withoutSecret),
    async revoke(name) {
      if (!accessTokenName.test(name)) return false;
      for (;;) {
        const entry = await store.get(prefix + name);
        if (entry === undefined) return false;
        if (await store.delete(prefix + name, { revision: entry.revision })) return true;
      }
    },
  };
}

function decodeToken(name: string, bytes: Uint8Array): StoredToken | undefined {
  const record = decodeRecord(bytes);
  if (record?.['version'] !== 1 || record['name'] !== name) return undefined;
  const { secretHash, createdBy } = record;
  const role = roles.find((one) => one === record['role']);
  const createdAtMs = moment(record['createdAtMs']);
  const expiresAtMs = moment(record['expiresAtMs']);
  if (role === undefined || createdAtMs === undefined || expiresAtMs === undefined) return undefined;
  if (typeof secretHash !== 'string' || !/^[0-9a-f]{64}$/.test(secretHash)) return undefined;
  if (typeof createdBy !== 'string') return undefined;
  return { name, role, createdBy, createdAtMs, expiresAtMs, secretHash };
}
