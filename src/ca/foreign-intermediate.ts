// A certificate that an authority outside signed for our key, checked against its roots before anything is done with it.
// It must not know which authority it is, nor how it was asked. Invariant: what is returned is of our key, may sign leaves of
// our trust domain that Envoy takes, and each certificate of its chain is signed by the next, the last by one of the roots.
// Sources: RFC 5280 4.2.1 and 6.1, SPIFFE X509-SVID 4; Envoy (BoringSSL) takes no SHA-1 and no Ed25519.
import { type KeyObject, X509Certificate } from 'node:crypto';
import { AppError } from '../util/errors.ts';
import { publicKeyId } from './certificate.ts';
import { type ForeignCertificate, readForeign } from './foreign-certificate.ts';
import { isIssuedBy } from './issued-by.ts';

export interface ForeignIntermediate {
  /** DER. */
  readonly certificate: Uint8Array;
  /** What came with it, DER, in any order; roots among it and what is of no use are left out. */
  readonly chain: readonly Uint8Array[];
  /** Of the authority, DER. */
  readonly roots: readonly Uint8Array[];
  /** Ours, SPKI DER. */
  readonly publicKey: Uint8Array;
  readonly nowMs: number;
  readonly trustDomain: string;
}

export interface CheckedIntermediate {
  /** What stands between it and its root, in order; neither of them. */
  readonly chain: readonly Uint8Array[];
  /** The earliest end of all, the root included. */
  readonly notAfterMs: number;
  /** SHA-256 of the SubjectPublicKeyInfo of the root it chains to, hex. */
  readonly root: string;
}

interface Link {
  readonly der: Uint8Array;
  readonly x509: X509Certificate;
  readonly read: ForeignCertificate;
  /** For messages. */
  readonly name: string;
}

const maxBetween = 4;
const leastRsaBits = 2048;
const curves = new Set(['prime256v1', 'secp384r1', 'secp521r1']);
/** serverAuth, clientAuth, anyExtendedKeyUsage */
const uses = { server: '2b06010505070301', client: '2b06010505070302', any: '551d2500' };
/** MD5 and SHA-1 with RSA, SHA-1 with ECDSA. */
const weak = new Set(['2a864886f70d010104', '2a864886f70d010105', '2a8648ce3d0401']);

/** Throws CH1871, retryable, where it cannot be used. */
export function checkIntermediate(given: ForeignIntermediate): CheckedIntermediate {
  const { publicKey, nowMs, trustDomain } = given;
  const own = linkOf(given.certificate, 'the intermediate');
  if (Buffer.compare(own.read.publicKey, publicKey) !== 0) throw refused('is of another key than was asked for');
  // The name that leaves have their issuer by, and how TLS libraries find it.
  if (own.read.subject.length <= 2) throw refused('has no subject');
  if (own.read.subjectKeyId === undefined) throw refused('has no subject key identifier');
  const between = given.chain.map((der, index) => linkOf(der, `certificate ${index + 1} of its chain`));
  const roots = given.roots.map((der) => linkOf(der, 'its root'));
  const path = pathOf(own, between, roots);
  path.forEach((link, below) => {
    checkMaySign(link, below);
    checkUsable(link, trustDomain);
    checkTime(link, nowMs);
  });
  return {
    chain: path.slice(1, -1).map(({ der }) => der),
    notAfterMs: Math.min(...path.map(({ read }) => read.notAfterMs)),
    root: publicKeyId(path.at(-1)?.read.publicKey ?? new Uint8Array()),
  };
}

/** Whether proxies can be told to trust it: throws CH1871 where not, as for one that has ended. */
export function checkRoot(
  der: Uint8Array,
  { nowMs, trustDomain }: Pick<ForeignIntermediate, 'nowMs' | 'trustDomain'>,
): void {
  const root = linkOf(der, 'a root of it');
  if (!isIssuedBy(root.x509, root.x509))
    throw new AppError('CH1871', 'a root of the authority is not self-signed', { retryable: true });
  checkMaySign(root, 1);
  checkUsable(root, trustDomain);
  checkTime(root, nowMs);
}

/** From ours to its root. Roots first: a cross-signed way is longer than it needs to be. */
function pathOf(own: Link, between: readonly Link[], roots: readonly Link[]): readonly Link[] {
  const path = [own];
  for (;;) {
    const last = path.at(-1) ?? own;
    const root = roots.find((one) => signs(one, last));
    if (root !== undefined) return [...path, root];
    const next = between.find((one) => !path.includes(one) && signs(one, last));
    if (next === undefined) throw refused('chains to none of the roots of the authority');
    path.push(next);
    if (path.length > maxBetween + 1) throw refused('has too many certificates between it and its root');
  }
}

function checkMaySign({ read, name }: Link, below: number): void {
  if (!read.mayCertify) throw refused(`cannot be used: ${name} is not one of an authority`);
  if (!read.signsCertificates)
    throw refused(`cannot be used: the key usage of ${name} does not allow to sign certificates`);
  if (read.pathLength !== undefined && read.pathLength < below)
    throw refused(`cannot be used: ${name} allows ${read.pathLength} authorities below it, and there are ${below}`);
}

function checkUsable({ read, x509, name }: Link, trustDomain: string): void {
  const cannot = (why: string): AppError => refused(`cannot be used: ${name} ${why}`);
  const foreign = read.uris.find((uri) => /^spiffe:/i.test(uri) && uri !== `spiffe://${trustDomain}`);
  if (foreign !== undefined)
    throw cannot(`is of ${JSON.stringify(foreign.slice(0, 300))}, not of the trust domain "${trustDomain}"`);
  const { permittedHosts: permitted, excludedHosts: excluded } = read;
  if (
    excluded.some((host) => covers(host, trustDomain)) ||
    permitted?.some((host) => covers(host, trustDomain)) === false
  )
    throw cannot(`has name constraints that do not allow the trust domain "${trustDomain}"`);
  const { extendedUses } = read;
  if (
    extendedUses !== undefined &&
    !extendedUses.includes(uses.any) &&
    !(extendedUses.includes(uses.server) && extendedUses.includes(uses.client))
  )
    throw cannot('is not for servers and clients: its extended key usage leaves one of them out');
  if (read.unknownCritical.length > 0) throw cannot('has a critical extension that Envoy does not know');
  if (weak.has(read.signatureAlgorithm)) throw cannot('is signed with MD5 or SHA-1');
  if (!isStrong(x509.publicKey))
    throw cannot('has a key that Envoy does not take: RSA of 2048 bits, P-256, P-384 and P-521 are');
}

function checkTime({ read, name }: Link, nowMs: number): void {
  const day = (ms: number): string => new Date(ms).toISOString();
  if (read.notBeforeMs > nowMs)
    throw refused(`cannot be used: ${name} begins ${day(read.notBeforeMs)}; here it is ${day(nowMs)}`);
  if (read.notAfterMs <= nowMs)
    throw refused(`cannot be used: ${name} ended ${day(read.notAfterMs)}; here it is ${day(nowMs)}`);
}

/** RFC 5280 4.2.1.10: with a leading dot what is below it, without one exactly this host. */
function covers(constraint: string, host: string): boolean {
  return constraint === '' || (constraint.startsWith('.') ? host.endsWith(constraint) : host === constraint);
}

function isStrong(key: KeyObject): boolean {
  const { modulusLength = 0, namedCurve = '' } = key.asymmetricKeyDetails ?? {};
  return key.asymmetricKeyType === 'rsa' ? modulusLength >= leastRsaBits : curves.has(namedCurve);
}

function signs(issuer: Link, certificate: Link): boolean {
  return isIssuedBy(certificate.x509, issuer.x509);
}

function linkOf(der: Uint8Array, name: string): Link {
  try {
    return { der, x509: new X509Certificate(der), read: readForeign(der), name };
  } catch (cause) {
    throw new AppError('CH1871', `${name} that the authority gave is no certificate`, { cause, retryable: true });
  }
}

function refused(why: string): AppError {
  return new AppError('CH1871', `the intermediate that the authority gave ${why}`, { retryable: true });
}
