// The certificate that a provider gave for this replica's intermediate, checked before anything is signed with it.
// It must not know how it was had. Invariant: what is accepted is of our key, may sign, is valid now, and chains to a root
// that proxies are told to trust; so every leaf does.
import { X509Certificate } from 'node:crypto';
import { AppError } from '../util/errors.ts';
import { readCertificate } from './certificate.ts';
import type { RootProvider, Roots } from './contract.ts';
import { isIssuedBy } from './issued-by.ts';
import { publicKeyId } from './x509.ts';

export interface AcceptedIntermediate {
  /** It, then what stands between it and the root; never a root. */
  readonly chain: readonly Uint8Array[];
  readonly notBeforeMs: number;
  /** The earliest end of the chain, its root included. */
  readonly notAfterMs: number;
  /** `keyId` of the root it chains to. */
  readonly root: string;
  /** Its key identifier, hex: what leaves name it by, and what it is tainted by. */
  readonly keyId: string;
}

type Given = Awaited<ReturnType<RootProvider['signIntermediate']>>;

const maxBetween = 4;

/** Throws CH1816 where it cannot be used. */
export function acceptIntermediate(
  given: Given,
  expect: { readonly publicKey: Uint8Array; readonly roots: Roots; readonly nowMs: number },
): AcceptedIntermediate {
  const { roots, nowMs } = expect;
  const read = readCertificate(given.certificate);
  if (Buffer.compare(read.publicKey, expect.publicKey) !== 0) throw refused('is of another key than was asked for');
  if (!read.mayCertify) throw refused('may not sign');
  const trusted = new Map(roots.roots.map((root) => [root.keyId, root]));
  // A provider may add the root; proxies have it from elsewhere.
  const between = given.chain.filter((der) => !trusted.has(publicKeyId(readCertificate(der).publicKey)));
  if (between.length > maxBetween) throw refused(`has ${between.length} certificates between it and its root`);
  const chain = [given.certificate, ...between];
  const last = chain.map((der) => new X509Certificate(der)).reduce(checkSigned);
  const root = roots.roots.find(({ certificate }) => signs(new X509Certificate(certificate), last));
  if (root === undefined) throw refused('chains to none of the roots');
  const periods = [...chain, root.certificate].map(readCertificate);
  const notBeforeMs = Math.max(...periods.map((period) => period.notBeforeMs));
  const notAfterMs = Math.min(...periods.map((period) => period.notAfterMs));
  if (notBeforeMs > nowMs || notAfterMs <= nowMs) throw refused('is not valid now, or its chain is not');
  const keyId = Buffer.from(read.subjectKeyId ?? []).toString('hex');
  return { chain, notBeforeMs, notAfterMs, root: root.keyId, keyId };
}

function checkSigned(certificate: X509Certificate, issuer: X509Certificate): X509Certificate {
  if (!signs(issuer, certificate)) throw refused('came with a chain that is not its own');
  return issuer;
}

function signs(issuer: X509Certificate, certificate: X509Certificate): boolean {
  return issuer.ca && isIssuedBy(certificate, issuer);
}

function refused(why: string): AppError {
  return new AppError('CH1816', `the intermediate that the provider gave ${why}`, { retryable: true });
}
