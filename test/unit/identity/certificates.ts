// Certificates for tests as bytes: whatever names, times and uses are asked for, right or wrong. They sign themselves, as the
// chain is the TLS library's affair.
import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto';

export interface CertificateParts {
  /** GeneralNames: `uri('...')`, `dns('...')`. */
  readonly names?: readonly Uint8Array[];
  readonly ca?: boolean;
  /** Last number of the OID 1.3.6.1.5.5.7.3.x; default client (2); server is 1. Empty: no such extension. */
  readonly uses?: readonly number[];
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  readonly serial?: Uint8Array;
  readonly keys?: { readonly publicKey: KeyObject; readonly privateKey: KeyObject };
}

export const newKeys = (): { publicKey: KeyObject; privateKey: KeyObject } =>
  generateKeyPairSync('ec', { namedCurve: 'P-256' });

export const uri = (text: string): Uint8Array => tlv(0x86, Buffer.from(text, 'latin1'));
export const dns = (text: string): Uint8Array => tlv(0x82, Buffer.from(text, 'latin1'));

/** DER. */
export function makeCertificate(parts: CertificateParts): Uint8Array {
  const { publicKey, privateKey } = parts.keys ?? newKeys();
  const algorithm = sequence(oid('2a8648ce3d040302'));
  const extensions = [
    ...(parts.ca ? [extension('551d13', sequence(tlv(0x01, Buffer.from([0xff]))))] : []),
    ...(parts.uses?.length === 0 ? [] : [extension('551d25', sequence(...(parts.uses ?? [2]).map(use)))]),
    ...((parts.names ?? []).length === 0 ? [] : [extension('551d11', sequence(...(parts.names ?? [])))]),
  ];
  const toSign = sequence(
    tlv(0xa0, tlv(0x02, Buffer.from([2]))),
    tlv(0x02, parts.serial ?? Buffer.from('5a11', 'hex')),
    algorithm,
    sequence(),
    sequence(time(parts.notBeforeMs), time(parts.notAfterMs)),
    sequence(),
    publicKey.export({ type: 'spki', format: 'der' }),
    tlv(0xa3, sequence(...extensions)),
  );
  const signature = sign('sha256', toSign, privateKey);
  return sequence(toSign, algorithm, tlv(0x03, Buffer.from([0]), signature));
}

function tlv(tag: number, ...parts: readonly Uint8Array[]): Uint8Array {
  const content = Buffer.concat(parts);
  const { length } = content;
  const size = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...size]), content]);
}

const sequence = (...parts: readonly Uint8Array[]): Uint8Array => tlv(0x30, ...parts);
const oid = (hex: string): Uint8Array => tlv(0x06, Buffer.from(hex, 'hex'));
const use = (last: number): Uint8Array => oid(`2b060105050703${last.toString(16).padStart(2, '0')}`);
const extension = (id: string, value: Uint8Array): Uint8Array => sequence(oid(id), tlv(0x04, value));
const time = (ms: number): Uint8Array =>
  tlv(0x18, Buffer.from(`${new Date(ms).toISOString().replaceAll(/\D/g, '').slice(0, 14)}Z`));
