// What our certificates of nodes say beside their name, in their subject: of which family they are and when that began, for
// whoever revokes a node or an identity. Pure. Invariant: a mark that somebody else made can only have its bearer revoked sooner.
import type { X509Certificate } from 'node:crypto';
import type { CredentialRef } from '../model/principal.ts';

export interface CertificateMark {
  /** At most 40 hex digits. */
  readonly family: string;
  /** Wall-clock milliseconds, of the first of the family. */
  readonly sinceMs: number;
}

const form = /^CN=family-([0-9a-f]{1,40})-([0-9]{1,11})$/;

/** A common name of at most 64 characters. */
export function certificateMark({ family, sinceMs }: CertificateMark): string {
  return `family-${family}-${Math.floor(sinceMs / 1000)}`;
}

export function readCertificateMark({ subject }: X509Certificate): CertificateMark | undefined {
  const [, family, seconds] = form.exec(subject ?? '') ?? [];
  return family === undefined ? undefined : { family, sinceMs: Number(seconds) * 1000 };
}

export function certificateRef(leaf: X509Certificate): CredentialRef {
  const mark = readCertificateMark(leaf);
  const issuer = issuerKeyId(leaf.raw);
  return {
    id: leaf.serialNumber.toLowerCase(),
    ...(mark === undefined ? {} : { family: mark.family }),
    ...(issuer === undefined ? {} : { issuer }),
  };
}

/** OID of the authority key identifier, then an octet string. */
const authorityKeyId = Buffer.from('0603551d2304', 'hex');

/**
 * Which key signed it, hex: Node does not say. The last place that reads so: behind it stand names, in ASCII, and a signature
 * that is ours.
 */
function issuerKeyId(der: Buffer): string | undefined {
  const at = der.lastIndexOf(authorityKeyId);
  const [length = 0, sequence, inner, keyIdentifier, size = 0] = der.subarray(at + authorityKeyId.length);
  const fits = sequence === 0x30 && inner === length - 2 && keyIdentifier === 0x80 && size === length - 4;
  const start = at + authorityKeyId.length + 5;
  return at >= 0 && fits && size > 0 ? der.subarray(start, start + size).toString('hex') : undefined;
}
