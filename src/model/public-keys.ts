// The keys of who issues tokens, as a JSON Web Key Set (RFC 7517). Pure.
// Invariant: what comes out are public keys of an asymmetric algorithm, each by an id of its own, with nothing beside them:
// a shared secret would let everybody who can read the configuration issue tokens.
import { createPublicKey, type KeyObject } from 'node:crypto';

/** Characters of a set, and keys in it. */
export const maxKeySet = 65_536;
const maxKeys = 32;

const curves = ['P-256', 'P-384', 'P-521'];
const algorithms: Readonly<Record<string, readonly string[]>> = {
  RSA: ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'],
  EC: ['ES256', 'ES384', 'ES512'],
  OKP: ['EdDSA'],
};
/** Members of a private or of a shared key. */
const secret = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k'];
const kept = ['kty', 'kid', 'alg', 'use', 'n', 'e', 'crv', 'x', 'y'];

export type KeySet = { readonly keys: string } | { readonly fault: string };

/** `keys`: the set as JSON, with what tells a key and no more. `fault`: words that go on from "must"; no key stands in them. */
export function publicKeySet(text: string): KeySet {
  if (text.length > maxKeySet) return { fault: `have at most ${maxKeySet} characters` };
  const list = keysOf(text);
  if (list === undefined) return { fault: 'be a JSON Web Key Set: {"keys": [...]}' };
  if (list.length === 0 || list.length > maxKeys) return { fault: `have 1 to ${maxKeys} keys` };
  const ids = new Set<unknown>();
  for (const [index, key] of list.entries()) {
    const fault = faultOf(key) ?? (ids.has(key['kid']) ? 'has the "kid" of another' : undefined);
    if (fault !== undefined) return { fault: `have public keys only, and key ${index} ${fault}` };
    ids.add(key['kid']);
  }
  const keys = list.map((key) => Object.fromEntries(kept.flatMap((name) => (name in key ? [[name, key[name]]] : []))));
  return { keys: JSON.stringify({ keys }) };
}

type Key = Readonly<Record<string, unknown>>;

function keysOf(text: string): readonly Key[] | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  const keys = isKey(value) ? value['keys'] : undefined;
  return Array.isArray(keys) && keys.every(isKey) ? keys : undefined;
}

function isKey(value: unknown): value is Key {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function faultOf(key: Key): string | undefined {
  const { kty, kid, alg, use, crv } = key;
  if (kty === 'oct' || secret.some((name) => name in key)) return 'is a secret, which must be replaced now';
  const fitting = typeof kty === 'string' && Object.hasOwn(algorithms, kty) ? algorithms[kty] : undefined;
  if (fitting === undefined) return 'is none of RSA, EC and OKP';
  if (typeof kid !== 'string' || kid === '' || kid.length > 253) return 'has no "kid"';
  if (use !== undefined && use !== 'sig') return 'is not for signatures';
  if (alg !== undefined && !fitting.some((name) => name === alg)) return `is for none of ${fitting.join(', ')}`;
  if (kty === 'EC' && !curves.some((name) => name === crv)) return `is on none of ${curves.join(', ')}`;
  if (kty === 'OKP' && crv !== 'Ed25519') return 'is not on Ed25519';
  const made = publicKey(key);
  if (made === undefined) return 'cannot be read';
  if (kty === 'RSA' && (made.asymmetricKeyDetails?.modulusLength ?? 0) < 2048) return 'has less than 2048 bits';
  return undefined;
}

function publicKey(key: Key): KeyObject | undefined {
  try {
    return createPublicKey({ key, format: 'jwk' });
  } catch {
    return undefined;
  }
}
