// Certificates: fixed DER templates around what differs, signed by node:crypto: with ECDSA P-256 and SHA-256, but for an issuer
// that somebody gave us and that has another key.
// A general library takes five milliseconds a certificate; a fleet that renews needs thousands a second.
// It must not know where keys are kept, nor the time. Invariant: only a public key comes from outside; names are checked, the
// rest is `profile.ts`, and no certificate outlives its issuer.
import { createPublicKey, generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto';
import { AppError } from '../util/errors.ts';
import { checkedIdentity, edgeNames, serverNames, trustDomainUri } from './alt-names.ts';
import { type Certificate, publicKeyId, readCertificate } from './certificate.ts';
import { bitString, sequence, time, unsignedInteger } from './der.ts';
import {
  authorityExtensions,
  commonName,
  emptyName,
  keyIdentifier,
  leafExtensions,
  nodeExtensions,
  serverExtensions,
} from './profile.ts';

export { publicKeyId };

export interface KeyPair {
  /** SubjectPublicKeyInfo, DER. */
  readonly publicKey: Uint8Array;
  readonly privateKey: KeyObject;
}

/** Pass the same object for every signature: its certificate is read, and its key compared with it, once. */
export interface Issuer {
  /** DER. */
  readonly certificate: Uint8Array;
  readonly key: KeyObject;
}

/** Cut to whole seconds and clamped to the issuer's. */
export interface Validity {
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
}

interface Issued {
  /** SubjectPublicKeyInfo of P-256, DER. */
  readonly publicKey: Uint8Array;
  readonly validity: Validity;
  /** See `randomSerial`. */
  readonly serial: Uint8Array;
}

const version3 = Buffer.from('a003020102', 'hex');
/** How an issuer signs: AlgorithmIdentifier, DER (RFC 5758 3.2, RFC 8017 A.2.4), and its hash. */
interface Algorithm {
  readonly id: Uint8Array;
  readonly hash: 'sha256' | 'sha384' | 'sha512';
}
const ecdsaWithSha256: Algorithm = { id: Buffer.from('300a06082a8648ce3d040302', 'hex'), hash: 'sha256' };
const byCurve: Readonly<Record<string, Algorithm>> = {
  prime256v1: ecdsaWithSha256,
  secp384r1: { id: Buffer.from('300a06082a8648ce3d040303', 'hex'), hash: 'sha384' },
  secp521r1: { id: Buffer.from('300a06082a8648ce3d040304', 'hex'), hash: 'sha512' },
};
const rsaWithSha256: Algorithm = { id: Buffer.from('300d06092a864886f70d01010b0500', 'hex'), hash: 'sha256' };
const leastRsaBits = 2048;
/** Everything of a P-256 SubjectPublicKeyInfo before the point, whose first byte says that it is uncompressed. */
const spkiHead = Buffer.from('3059301306072a8648ce3d020106082a8648ce3d03010703420004', 'hex');
const spkiLength = 91;
const pointStart = 26;
const serialLength = 16;

/** A fresh P-256 pair. Takes about 0.1 ms: many of them belong in a worker. */
export function generateKeyPair(): KeyPair {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return { publicKey: publicKey.export({ type: 'spki', format: 'der' }), privateKey };
}

/** PKCS#8 DER. */
export function pkcs8(key: KeyObject): Uint8Array {
  return key.export({ type: 'pkcs8', format: 'der' });
}

/** 16 random bytes, most significant first; the first is not zero, so that every tool prints the same digits. */
export function randomSerial(): Uint8Array {
  for (;;) {
    const serial = randomBytes(serialLength);
    if (serial[0] !== 0) return serial;
  }
}

export function selfSignedRoot(
  pair: KeyPair,
  of: { readonly trustDomain: string; readonly validity: Validity; readonly serial: Uint8Array },
): Uint8Array {
  const uri = trustDomainUri(of.trustDomain);
  const subject = authorityName('root', pair.publicKey);
  const ids = { subject: keyIdentifier(pointOf(pair.publicKey)), authority: undefined };
  const signer = { name: subject, ...signingKey(pair.privateKey, pair.publicKey) };
  return certificate(signer, subject, { ...of, publicKey: pair.publicKey }, authorityExtensions('root', ids, uri));
}

export function signIntermediate(issuer: Issuer, of: Issued & { readonly trustDomain: string }): Uint8Array {
  const signer = signerOf(issuer);
  const uri = trustDomainUri(of.trustDomain);
  const ids = idsOf(signer, of.publicKey);
  sameTrustDomain(signer, of.trustDomain);
  const subject = authorityName('intermediate', of.publicKey);
  return certificate(signer, subject, clamped(signer, of), authorityExtensions('intermediate', ids, uri));
}

type Named = Issued & { readonly spiffeId: string };

/** What a proxy shows to other proxies. `spiffeId` is its only name. */
export function signLeaf(issuer: Issuer, of: Named): Uint8Array {
  return signNamed(issuer, of, leafExtensions);
}

/** What a node shows to the control plane. `spiffeId` is its only name; `mark` stands in the subject, for us to read again. */
export function signNode(issuer: Issuer, of: Named & { readonly mark?: string }): Uint8Array {
  return signNamed(issuer, of, nodeExtensions, of.mark === undefined ? emptyName() : commonName(of.mark));
}

function signNamed(
  issuer: Issuer,
  of: Named,
  extensionsOf: typeof leafExtensions,
  subject: Uint8Array = emptyName(),
): Uint8Array {
  const signer = signerOf(issuer);
  sameTrustDomain(signer, checkedIdentity(of.spiffeId).trustDomain);
  const extensions = extensionsOf(idsOf(signer, of.publicKey), of.spiffeId);
  return certificate(signer, subject, clamped(signer, of), extensions);
}

/** What the control plane's own listener shows; `uri` is the control plane's SPIFFE id. */
export function signServer(
  issuer: Issuer,
  of: Issued & { readonly dns: readonly string[]; readonly ips: readonly string[]; readonly uri: string },
): Uint8Array {
  const signer = signerOf(issuer);
  const names = serverNames(of);
  sameTrustDomain(signer, checkedIdentity(of.uri).trustDomain);
  const extensions = serverExtensions(idsOf(signer, of.publicKey), names);
  return certificate(signer, emptyName(), clamped(signer, of), extensions);
}

/** What an edge shows to clients: hosts, and no name of the mesh. */
export function signEdge(issuer: Issuer, of: Issued & { readonly hosts: readonly string[] }): Uint8Array {
  const signer = signerOf(issuer);
  const extensions = serverExtensions(idsOf(signer, of.publicKey), edgeNames(of.hosts));
  return certificate(signer, emptyName(), clamped(signer, of), extensions);
}

interface Signer extends SigningKey {
  readonly name: Uint8Array;
}

interface SigningKey {
  readonly key: KeyObject;
  readonly algorithm: Algorithm;
}

interface IssuingSigner extends Signer {
  readonly keyId: Uint8Array;
  readonly read: Certificate;
}

/** A memo: an issuer signs thousands of leaves. */
const signers = new WeakMap<Issuer, IssuingSigner>();

function signerOf(issuer: Issuer): IssuingSigner {
  const known = signers.get(issuer);
  if (known !== undefined) return known;
  const read = readCertificate(issuer.certificate);
  if (!read.mayCertify) throw new AppError('CH1811', 'the certificate of the issuer is not one of an authority');
  if (read.subjectKeyId === undefined)
    throw new AppError('CH1811', 'the certificate of the issuer has no key identifier');
  const signer = { name: read.subject, ...signingKey(issuer.key, read.publicKey), keyId: read.subjectKeyId, read };
  signers.set(issuer, signer);
  return signer;
}

/** The key and how it signs, if it is a private one that Envoy takes and the other half of this public key. */
function signingKey(key: KeyObject, publicKey: Uint8Array): SigningKey {
  const algorithm = key.type === 'private' ? algorithmOf(key) : undefined;
  const fits =
    algorithm !== undefined && createPublicKey(key).export({ type: 'spki', format: 'der' }).equals(publicKey);
  if (!fits)
    throw new AppError(
      'CH1811',
      'the key of the issuer is not that of its certificate, or of a kind that Envoy does not take',
    );
  return { key, algorithm };
}

function algorithmOf(key: KeyObject): Algorithm | undefined {
  const { namedCurve = '', modulusLength = 0 } = key.asymmetricKeyDetails ?? {};
  if (key.asymmetricKeyType === 'ec') return byCurve[namedCurve];
  return key.asymmetricKeyType === 'rsa' && modulusLength >= leastRsaBits ? rsaWithSha256 : undefined;
}

/** An authority that names its trust domain signs for no other. */
function sameTrustDomain({ read }: IssuingSigner, trustDomain: string): void {
  const own = read.uris.filter((uri) => uri.startsWith('spiffe://'));
  if (own.length > 0 && !own.includes(`spiffe://${trustDomain}`))
    throw new AppError('CH1809', `the issuer is of the trust domain ${own[0]}, not of "${trustDomain}"`);
}

function idsOf(signer: IssuingSigner, publicKey: Uint8Array): { subject: Uint8Array; authority: Uint8Array } {
  return { subject: keyIdentifier(pointOf(publicKey)), authority: signer.keyId };
}

function isP256(spki: Uint8Array): boolean {
  return spki.length === spkiLength && Buffer.compare(spki.subarray(0, spkiHead.length), spkiHead) === 0;
}

/** The uncompressed point of a P-256 key; anything else is refused, points off the curve too. */
function pointOf(spki: Uint8Array): Uint8Array {
  const refused = (cause?: unknown): AppError =>
    new AppError('CH1810', 'the public key is not an uncompressed P-256 key', { cause });
  if (!isP256(spki)) throw refused();
  try {
    createPublicKey({ key: Buffer.from(spki), format: 'der', type: 'spki' });
  } catch (cause) {
    throw refused(cause);
  }
  return spki.subarray(pointStart);
}

/** Differs with the key: two authorities of one name and two keys would confuse whoever builds a chain. */
function authorityName(kind: 'root' | 'intermediate', publicKey: Uint8Array): Uint8Array {
  return commonName(`Chancery ${kind} ${publicKeyId(publicKey).slice(0, 16)}`);
}

function clamped({ read }: IssuingSigner, of: Issued): Issued {
  const notBeforeMs = Math.max(of.validity.notBeforeMs, read.notBeforeMs);
  const notAfterMs = Math.min(of.validity.notAfterMs, read.notAfterMs);
  return { publicKey: of.publicKey, serial: of.serial, validity: { notBeforeMs, notAfterMs } };
}

function certificate(signer: Signer, subject: Uint8Array, of: Issued, extensions: Uint8Array): Uint8Array {
  const tbs = sequence(
    version3,
    serialNumber(of.serial),
    signer.algorithm.id,
    signer.name,
    period(of.validity),
    subject,
    of.publicKey,
    extensions,
  );
  const { algorithm, key } = signer;
  return sequence(tbs, algorithm.id, bitString(sign(algorithm.hash, tbs, key)));
}

function serialNumber(serial: Uint8Array): Uint8Array {
  if (serial.length !== serialLength || serial.every((byte) => byte === 0))
    throw new AppError('CH1809', 'a serial number is 16 bytes, not all of them zero');
  return unsignedInteger(serial);
}

function period({ notBeforeMs, notAfterMs }: Validity): Uint8Array {
  // NaN fails each of these.
  if (
    !(
      notBeforeMs >= 0 &&
      notAfterMs < Date.UTC(10_000, 0) &&
      Math.floor(notAfterMs / 1000) > Math.floor(notBeforeMs / 1000)
    )
  )
    throw new AppError('CH1812', 'the period of validity is empty, or the issuer is not valid in it');
  return sequence(time(notBeforeMs), time(notAfterMs));
}
