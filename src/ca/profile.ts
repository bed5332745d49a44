// What stands in our certificates beside keys and times: subjects and extensions, by kind.
// Sources: SPIFFE X509-SVID (one URI in a leaf, none with a path in what signs), RFC 5280 4.2.
// Invariant: nothing that a caller passes can add, remove or soften an extension.
import { createHash } from 'node:crypto';
import { element, octetString, sequence, tags } from './der.ts';

const critical = Buffer.from('0101ff', 'hex');
const oid = {
  commonName: Buffer.from('0603550403', 'hex'),
  subjectKeyId: Buffer.from('0603551d0e', 'hex'),
  keyUsage: Buffer.from('0603551d0f', 'hex'),
  subjectAltName: Buffer.from('0603551d11', 'hex'),
  basicConstraints: Buffer.from('0603551d13', 'hex'),
  authorityKeyId: Buffer.from('0603551d23', 'hex'),
  extendedKeyUsage: Buffer.from('0603551d25', 'hex'),
};

// Values that never differ, as they stand in the file format.
const values = {
  /** digitalSignature */
  leafUsage: Buffer.from('03020780', 'hex'),
  /** keyCertSign, cRLSign */
  authorityUsage: Buffer.from('03020106', 'hex'),
  notAnAuthority: Buffer.from('3000', 'hex'),
  /** cA, pathLenConstraint 1: an intermediate, then a leaf. */
  rootConstraints: Buffer.from('30060101ff020101', 'hex'),
  /** cA, pathLenConstraint 0: leaves only. */
  intermediateConstraints: Buffer.from('30060101ff020100', 'hex'),
  serverAuth: Buffer.from('06082b06010505070301', 'hex'),
  clientAuth: Buffer.from('06082b06010505070302', 'hex'),
};

/** A name in a Subject Alternative Name, already checked. */
export type AltName =
  | { readonly kind: 'uri' | 'dns'; readonly text: string }
  | { readonly kind: 'ip'; readonly bytes: Uint8Array };

/** RFC 7093 method 1: the leftmost 160 bits of SHA-256 over the public key's bits. */
export function keyIdentifier(publicPoint: Uint8Array): Uint8Array {
  return createHash('sha256').update(publicPoint).digest().subarray(0, 20);
}

export const emptyName = (): Uint8Array => sequence();

/** A Name that is only a common name; ASCII, at most 64 characters. */
export function commonName(text: string): Uint8Array {
  const value = element(tags.utf8String, Buffer.from(text, 'latin1'));
  return sequence(element(tags.set, sequence(oid.commonName, value)));
}

export interface KeyIds {
  readonly subject: Uint8Array;
  /** Undefined in a root: it is its own. */
  readonly authority: Uint8Array | undefined;
}

/** Extensions of what a proxy shows, to both sides. */
export function leafExtensions(ids: KeyIds, uri: string): Uint8Array {
  return ownExtensions(ids, uri, [values.serverAuth, values.clientAuth]);
}

/**
 * Extensions of what a node proves itself to the control plane with. It serves nothing: that is how it is told from what a
 * proxy shows, which ends sooner and is no credential.
 */
export function nodeExtensions(ids: KeyIds, uri: string): Uint8Array {
  return ownExtensions(ids, uri, [values.clientAuth]);
}

function ownExtensions(ids: KeyIds, uri: string, uses: readonly Uint8Array[]): Uint8Array {
  return extensions([
    extension(oid.keyUsage, values.leafUsage, critical),
    extension(oid.extendedKeyUsage, sequence(...uses)),
    extension(oid.basicConstraints, values.notAnAuthority, critical),
    ...keyIds(ids),
    // Critical, for the Subject is empty.
    extension(oid.subjectAltName, altNames([{ kind: 'uri', text: uri }]), critical),
  ]);
}

/** Extensions of the control plane's own listener, and of edges: they serve, and call nobody. */
export function serverExtensions(ids: KeyIds, names: readonly AltName[]): Uint8Array {
  return extensions([
    extension(oid.keyUsage, values.leafUsage, critical),
    extension(oid.extendedKeyUsage, sequence(values.serverAuth)),
    extension(oid.basicConstraints, values.notAnAuthority, critical),
    ...keyIds(ids),
    extension(oid.subjectAltName, altNames(names), critical),
  ]);
}

/** Extensions of what signs; `uri` is the trust domain's, without a path. */
export function authorityExtensions(kind: 'root' | 'intermediate', ids: KeyIds, uri: string): Uint8Array {
  const constraints = kind === 'root' ? values.rootConstraints : values.intermediateConstraints;
  return extensions([
    extension(oid.keyUsage, values.authorityUsage, critical),
    extension(oid.basicConstraints, constraints, critical),
    ...keyIds(ids),
    extension(oid.subjectAltName, altNames([{ kind: 'uri', text: uri }])),
  ]);
}

function keyIds({ subject, authority }: KeyIds): readonly Uint8Array[] {
  const own = extension(oid.subjectKeyId, octetString(subject));
  if (authority === undefined) return [own];
  return [own, extension(oid.authorityKeyId, sequence(element(0x80, authority)))];
}

function altNames(names: readonly AltName[]): Uint8Array {
  const general = { uri: 0x86, dns: 0x82 } as const;
  return sequence(
    ...names.map((name) =>
      name.kind === 'ip' ? element(0x87, name.bytes) : element(general[name.kind], Buffer.from(name.text, 'latin1')),
    ),
  );
}

function extension(id: Uint8Array, value: Uint8Array, mark: Uint8Array = new Uint8Array(0)): Uint8Array {
  return sequence(id, mark, octetString(value));
}

const extensions = (all: readonly Uint8Array[]): Uint8Array => element(0xa3, sequence(...all));
