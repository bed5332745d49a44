// A PKCS#10 request (RFC 2986) for the certificate of an intermediate, as an authority outside takes it.
// It must not know where the private key is. Pure. Invariant: it asks for what our own intermediates are: an authority with
// leaves only below it, named by the trust domain.
import { createHash } from 'node:crypto';
import { trustDomainUri } from './alt-names.ts';
import { publicKeyId } from './certificate.ts';
import { bitString, element, readOne, sequence, tags } from './der.ts';
import { authorityExtensions, commonName, keyIdentifier } from './profile.ts';

export interface IntermediateRequest {
  /** DER. */
  readonly request: Uint8Array;
  /** Of its subject; differs with the key. */
  readonly commonName: string;
  /** The trust domain's SPIFFE URI, its only other name. */
  readonly uri: string;
}

const version0 = Buffer.from('020100', 'hex');
const ecdsaWithSha256 = Buffer.from('300a06082a8648ce3d040302', 'hex');
/** PKCS#9 (RFC 2985 5.4.2). */
const extensionRequest = Buffer.from('06092a864886f70d01090e', 'hex');
const attributesTag = 0xa0;
/** Where the point of a P-256 SubjectPublicKeyInfo starts. */
const pointStart = 26;

export function intermediateRequest(of: {
  /** SPKI of P-256, DER. */
  readonly publicKey: Uint8Array;
  /** Signs with its private half: ECDSA, SHA-256, DER. */
  readonly prove: (bytes: Uint8Array) => Uint8Array;
  readonly trustDomain: string;
}): IntermediateRequest {
  const uri = trustDomainUri(of.trustDomain);
  const name = `Chancery intermediate ${publicKeyId(of.publicKey).slice(0, 16)}`;
  const ids = { subject: keyIdentifier(of.publicKey.subarray(pointStart)), authority: undefined };
  const extensions = readOne(authorityExtensions('intermediate', ids, uri), 0xa3).content;
  const attribute = sequence(extensionRequest, element(tags.set, extensions));
  const info = sequence(version0, commonName(name), of.publicKey, element(attributesTag, attribute));
  return { request: sequence(info, ecdsaWithSha256, bitString(of.prove(info))), commonName: name, uri };
}

/** SHA-256 of a request or certificate, as base64url. */
export const sha256Url = (der: Uint8Array): string => createHash('sha256').update(der).digest('base64url');
