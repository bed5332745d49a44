// Whether one certificate was signed by another. Pure.
// It must not know what either may do, until when they hold, or who is believed. Invariant: a doubt is a no, never a throw.
import { X509Certificate } from 'node:crypto';

type Either = X509Certificate | Uint8Array;

/**
 * By name, key identifiers and signature (RFC 5280 6.1.3 a1, a4). Certificates as such or in DER; false where one is none, and
 * where the key is of a kind that cannot have made the signature.
 */
export function isIssuedBy(certificate: Either, issuer: Either): boolean {
  try {
    const [own, above] = [parsed(certificate), parsed(issuer)];
    return own.checkIssued(above) && own.verify(above.publicKey);
  } catch {
    return false;
  }
}

function parsed(certificate: Either): X509Certificate {
  return certificate instanceof X509Certificate ? certificate : new X509Certificate(certificate);
}
