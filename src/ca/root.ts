// Roots as proxies are told them: made from their bytes, and compared. Pure.
// It must not know who keeps them. Invariant: two roots are the same only if all their bytes are: one that was renewed with its
// key is another.
import { publicKeyId, readCertificate } from './certificate.ts';
import type { Root } from './contract.ts';

/** Of DER; CH1811 where that is no certificate. */
export function rootOf(certificate: Uint8Array): Root {
  const { publicKey, notAfterMs } = readCertificate(certificate);
  return { certificate, keyId: publicKeyId(publicKey), notAfterMs };
}

/** The whole certificate as base64 of its DER: what it is compared, looked up and sorted by. */
export function certificateText(der: Uint8Array): string {
  return Buffer.from(der).toString('base64');
}
