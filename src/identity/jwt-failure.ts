// Why the JWT library refused a token, in our words. It must not know which token.
// Invariant: an error that is not the token's fault (a bug, a key that cannot be used) is `unavailable`, never a principal.
import { errors } from 'jose';
import type { Cause } from './refusals.ts';

/** Thrown by key look-ups. */
export class UnknownKey extends Error {}

export function jwtFailure(error: unknown): Cause {
  if (error instanceof UnknownKey || error instanceof errors.JWKSNoMatchingKey) return 'unknown-key';
  if (error instanceof errors.JWKSMultipleMatchingKeys) return 'unknown-key';
  if (error instanceof errors.JWTExpired) return 'expired';
  if (error instanceof errors.JWTClaimValidationFailed) return claimFailure(error.claim, error.reason);
  if (error instanceof errors.JOSEAlgNotAllowed) return 'wrong-algorithm';
  if (error instanceof errors.JWSSignatureVerificationFailed) return 'bad-signature';
  if (error instanceof errors.JWSInvalid || error instanceof errors.JWTInvalid) return 'malformed';
  // A header with an unknown `crit` or another curve than the key's.
  if (error instanceof errors.JOSENotSupported) return 'malformed';
  return 'unavailable';
}

function claimFailure(claim: string, reason: string): Cause {
  if (reason !== 'check_failed') return 'malformed';
  if (claim === 'nbf') return 'not-yet-valid';
  if (claim === 'aud') return 'wrong-audience';
  return 'malformed';
}
