// A token that a provisioner's key signs for one request to its authority: good once, for minutes.
// It must not know where the key is kept, nor the authority. Invariant: it is bound to one request by its hash.
// Source: step-ca's provisioners JWK and X5C; RFC 7515 4.1.6 (`x5c`).
import { createPublicKey, type KeyObject, randomUUID } from 'node:crypto';
import { SignJWT } from 'jose';

export interface ProvisionerKey {
  readonly key: KeyObject;
  /** The provisioner is found by the `kid` of its key, or its certificates are shown: base64 DER, the key's own first. */
  readonly header: { readonly kid: string } | { readonly x5c: readonly string[] };
}

export interface ProvisionerClaims {
  readonly issuer: string;
  readonly audience: string;
  readonly subject: string;
  /** Further names that the certificate may have. */
  readonly sans: readonly string[];
  /** SHA-256 of the request, base64url. */
  readonly requestHash: string;
  /** Wall clock. */
  readonly nowMs: number;
}

const lifeSeconds = 300;
/** Clocks may differ by so much. */
const skewSeconds = 60;
const curveAlgorithms: Readonly<Record<string, string>> = {
  prime256v1: 'ES256',
  secp384r1: 'ES384',
  secp521r1: 'ES512',
};

export async function signProvisionerToken(
  { key, header }: ProvisionerKey,
  claims: ProvisionerClaims,
): Promise<string> {
  const seconds = Math.floor(claims.nowMs / 1000);
  return new SignJWT({ sans: [...claims.sans], cnf: { 'x5rt#S256': claims.requestHash } })
    .setProtectedHeader({
      ...{ alg: tokenAlgorithm(key) ?? '', typ: 'JWT' },
      ...('kid' in header ? header : { x5c: [...header.x5c] }),
    })
    .setIssuer(claims.issuer)
    .setAudience(claims.audience)
    .setSubject(claims.subject)
    .setJti(randomUUID())
    .setIssuedAt(seconds)
    .setNotBefore(seconds - skewSeconds)
    .setExpirationTime(seconds + lifeSeconds)
    .sign(key);
}

/** Undefined for keys of a kind that no provisioner has. */
export function tokenAlgorithm(key: KeyObject): string | undefined {
  const { asymmetricKeyType: type, asymmetricKeyDetails: details } = createPublicKey(key);
  if (type === 'ec') return curveAlgorithms[details?.namedCurve ?? ''];
  return type === 'rsa' ? 'RS256' : type === 'ed25519' ? 'EdDSA' : undefined;
}
