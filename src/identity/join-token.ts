// One-time tokens with which a node gets its first credential. The store keeps a hash of the secret, never the secret.
// It must not know credentials. Invariants: of many redemptions of one token exactly one succeeds, whichever replicas they
// reach; what is granted is what the store returned, and nothing of it comes from the text that was sent.
import { randomBytes } from 'node:crypto';
import type { Unknown } from '../model/principal.ts';
import type { Store } from '../model/store.ts';
import type { Clock } from '../util/clock.ts';
import { AppError, errorText } from '../util/errors.ts';
import type { Logger } from '../util/log.ts';
import { holdingsOf, maxNodeIdLength } from './holdings.ts';
import { decodeGrant, encodeGrant, type JoinGrant, type StoredGrant } from './join-grant.ts';
import { joinTokenText, readJoinToken } from './join-token-text.ts';
import { refuse } from './refusals.ts';
import { createTokenShelf, knowsSecret, secretHashOf, withoutSecret } from './token-shelf.ts';

export interface JoinTokenDeps {
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Logger;
}

export interface JoinTokenRequest {
  readonly services: readonly string[];
  readonly gateways: readonly string[];
  readonly nodeId?: string;
  /** 1 s to 24 h; default 10 min. */
  readonly ttlMs?: number;
  /** Hex SHA-256 of the authority's public key, for the node to know the control plane by (`Root.keyId`). */
  readonly pin?: string;
}

export interface CreatedJoinToken {
  /** A secret: shown once. */
  readonly text: string;
  readonly id: string;
  readonly expiresAtMs: number;
}

export interface JoinTokens {
  /** Rejects with CH1833 where names or times do not fit, or as the store does. */
  create(request: JoinTokenRequest): Promise<CreatedJoinToken>;
  /** One answer for unknown, used, expired and malformed; `unavailable` where the store cannot be asked. */
  redeem(text: string): Promise<JoinGrant | Unknown>;
  /**
   * Whether it can be redeemed, as the list was read at most 5 s ago: for when the store must not be asked as often as strangers
   * wish. Nothing is granted by it. Rejects as the store does.
   */
  isListed(text: string): Promise<boolean>;
  /** Those that can be redeemed now; forgets those that ended. */
  list(): Promise<readonly JoinGrant[]>;
  /** False: there is none of this id. */
  revoke(id: string): Promise<boolean>;
}

const open = 'tokens/join/';
const used = 'tokens/joined/';
const dayMs = 86_400_000;
const idForm = /^[0-9a-f]{32}$/;

export function createJoinTokens(deps: JoinTokenDeps, options: { readonly trustDomain: string }): JoinTokens {
  const { store, clock } = deps;
  const log = deps.log.child('audit');
  const waiting = createTokenShelf(deps, { prefix: open, decode: decodeGrant });
  const redeemed = createTokenShelf(deps, { prefix: used, decode: decodeGrant });

  /** Remembers that the token was used, so that a second use can be told from a guess. */
  async function remember(grant: StoredGrant): Promise<void> {
    try {
      await store.put(
        used + grant.id,
        encodeGrant({ ...grant, expiresAtMs: Math.floor(clock.wall() + dayMs) }),
        'absent',
      );
    } catch (error) {
      log.warn('a used join token cannot be remembered', { token: grant.id, error: errorText(error) });
    }
  }

  async function take(id: string, secret: string): Promise<JoinGrant | Unknown> {
    const entry = await store.get(open + id);
    if (entry === undefined) {
      const earlier = await store.get(used + id);
      const grant = earlier === undefined ? undefined : decodeGrant(id, earlier.value);
      // Whoever has the secret and comes second: one of the two was not meant to have it.
      if (grant !== undefined && knowsSecret(grant, secret))
        log.warn('a join token was used a second time', { token: id });
      return refuse('unknown-key');
    }
    const grant = decodeGrant(id, entry.value);
    if (grant === undefined || !knowsSecret(grant, secret)) return refuse('unknown-key');
    if (grant.expiresAtMs <= clock.wall()) return refuse('expired');
    if (!(await store.delete(open + id, { revision: entry.revision }))) {
      log.warn('a join token was used by two at once', { token: id });
      return refuse('unknown-key');
    }
    await remember(grant);
    log.info('a join token was redeemed', { token: id, services: grant.services, gateways: grant.gateways });
    return withoutSecret(grant);
  }

  return {
    async create({ services, gateways, nodeId, ttlMs = 600_000, pin }) {
      const holdings = holdingsOf(options.trustDomain, { services, gateways });
      if (holdings === undefined)
        throw new AppError('CH1833', 'a join token needs one to 64 services or gateways with usable names');
      if (nodeId !== undefined && (nodeId === '' || nodeId.length > maxNodeIdLength))
        throw new AppError('CH1833', `a node id has 1 to ${maxNodeIdLength} characters`);
      if (!(ttlMs >= 1000 && ttlMs <= dayMs)) throw new AppError('CH1833', 'a join token lives for 1 s to 24 h');
      // Nobody may ever ask for the list, so what ended goes here too.
      await waiting.alive();
      await redeemed.alive();
      const id = randomBytes(16).toString('hex');
      const secret = randomBytes(32).toString('base64url');
      const expiresAtMs = Math.floor(clock.wall() + ttlMs);
      const bound = nodeId === undefined ? {} : { nodeId };
      const grant: StoredGrant = { id, ...holdings, ...bound, expiresAtMs, secretHash: secretHashOf(secret) };
      const put = await store.put(open + id, encodeGrant(grant), 'absent');
      if (put === undefined) throw new Error('a random id of 128 bits is taken');
      waiting.forget();
      log.info('a join token was made', { token: id, ...holdings, ...bound, expiresAtMs });
      return { text: joinTokenText({ id, secret, ...(pin === undefined ? {} : { pin }) }), id, expiresAtMs };
    },
    async redeem(text) {
      const token = readJoinToken(text);
      if (token === undefined) return refuse('malformed');
      try {
        return await take(token.id, token.secret);
      } catch (error) {
        log.error('the store cannot be asked about a join token', { token: token.id, error: errorText(error) });
        return refuse('unavailable');
      }
    },
    async isListed(text) {
      const token = readJoinToken(text);
      if (token === undefined) return false;
      const grant = (await waiting.recent()).find(({ id }) => id === token.id);
      return grant !== undefined && knowsSecret(grant, token.secret);
    },
    async list() {
      const grants = await waiting.alive();
      await redeemed.alive();
      return grants.map(withoutSecret);
    },
    async revoke(id) {
      if (!idForm.test(id)) return false;
      const entry = await store.get(open + id);
      if (entry === undefined) return false;
      const revoked = await store.delete(open + id, { revision: entry.revision });
      if (revoked) log.info('a join token was revoked', { token: id });
      return revoked;
    },
  };
}
