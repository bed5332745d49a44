// What a node token says, as claims. Pure. It must not know signatures or headers.
// Invariant: every claim is there and of its form, or the token is refused; none has a default that gives something.

import { readSpiffeId } from '../model/spiffe.ts';
import type { Holdings } from './holdings.ts';
import { holdingsOf, holds, maxNames, maxNodeIdLength } from './holdings.ts';
import type { Cause } from './refusals.ts';
import { textList } from './stored-json.ts';

/** The `typ` of the header: no other kind of token is taken for one (RFC 8725, 3.11). */
export const nodeTokenType = 'chancery-node+jwt';

/** All must be there. Times are seconds since the Unix epoch. */
export const requiredClaims = ['sub', 'aud', 'jti', 'iat', 'nbf', 'exp', 'services', 'gateways'];

export interface NodeClaims extends Holdings {
  readonly id: string;
  /** `jti`: 128 bits, hex. */
  readonly tokenId: string;
  readonly nodeId?: string;
  /** `fam`: of the first credential that it was renewed from. Tokens from before there were families have none. */
  readonly family?: string;
  readonly issuedAtMs: number;
  /** `since`: when its family began, in seconds; tokens that are the first of one have none. */
  readonly sinceMs?: number;
  readonly notAfterMs: number;
}

export const audienceOf = (trustDomain: string): string => `chancery:${trustDomain}`;
const tokenId = /^[0-9a-f]{32}$/;
/** The id of a join token, or of the first credential where that is older than families. */
export const familyForm = /^[0-9a-f]{1,40}$/;
/** 9999-12-31, in seconds. */
const lastSecond = 253_402_300_799;

/** `payload` was signed by one of our keys; times and audience are checked elsewhere. */
export function readClaims(payload: Readonly<Record<string, unknown>>, trustDomain: string): NodeClaims | Cause {
  const { sub, aud, jti, iat, nbf, exp, node, cnf, fam, since } = payload;
  const services = textList(payload['services'], maxNames);
  const gateways = textList(payload['gateways'], maxNames);
  if (typeof sub !== 'string' || typeof aud !== 'string' || typeof jti !== 'string' || !tokenId.test(jti))
    return 'malformed';
  if (!isSecond(iat) || !isSecond(nbf) || !isSecond(exp) || services === undefined || gateways === undefined)
    return 'malformed';
  if (node !== undefined && (typeof node !== 'string' || node === '' || node.length > maxNodeIdLength))
    return 'malformed';
  if (fam !== undefined && (typeof fam !== 'string' || !familyForm.test(fam))) return 'malformed';
  if (since !== undefined && !isSecond(since)) return 'malformed';
  // RFC 7800: bound to a key that is not asked for here. Nodes that are to prove a key have a certificate instead.
  if (cnf !== undefined) return 'malformed';
  const identity = readSpiffeId(sub);
  if (identity === undefined) return 'malformed';
  if (identity.trustDomain !== trustDomain) return 'foreign-trust-domain';
  const holdings = holdingsOf(trustDomain, { services, gateways });
  if (holdings === undefined) return 'malformed';
  if (!holds(trustDomain, holdings, sub)) return 'not-entitled';
  return {
    ...holdings,
    id: sub,
    tokenId: jti,
    ...(node === undefined ? {} : { nodeId: node }),
    ...(fam === undefined ? {} : { family: fam }),
    issuedAtMs: iat * 1000,
    ...(since === undefined ? {} : { sinceMs: since * 1000 }),
    notAfterMs: exp * 1000,
  };
}

function isSecond(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0 && value <= lastSecond;
}
