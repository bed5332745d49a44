// An authority that somebody gave us: its certificate and what stands above it, its key, and the roots beside it, as PEM.
// Pure but for the keys of a trial. It must not know files. Invariant: what is returned can sign an intermediate for the
// trust domain that openssl and Envoy take, and chains to one of the roots; a key is never part of a message.
import { createPrivateKey, createPublicKey, type KeyObject, X509Certificate } from 'node:crypto';
import { AppError, errorText } from '../util/errors.ts';
import { certificateBlocks } from '../util/pem.ts';
import { readCertificate } from './certificate.ts';
import type { Root } from './contract.ts';
import { type CheckedIntermediate, checkIntermediate, checkRoot } from './foreign-intermediate.ts';
import { certificateText, rootOf } from './root.ts';
import { generateKeyPair, type Issuer, randomSerial, signIntermediate } from './x509.ts';

export interface GivenTexts {
  /** PEM: the authority first, then what stands between it and its root. */
  readonly certificate: Buffer;
  /** PEM, not encrypted: PKCS#8, SEC1 or PKCS#1. */
  readonly key: Buffer;
  /** PEM: all roots that proxies trust. */
  readonly roots: Buffer;
}

export interface GivenAuthority {
  readonly issuer: Issuer;
  /** It, then what stands between it and its root, never a root: empty where it is a root itself. DER. */
  readonly chain: readonly Uint8Array[];
  /** `keyId` of its root. */
  readonly root: string;
  readonly notAfterMs: number;
}

export interface Given {
  readonly authority: GivenAuthority;
  /** In the order of the file; of those the ones that are valid now. */
  readonly roots: readonly Root[];
}

export interface GivenExpectation {
  readonly trustDomain: string;
  readonly nowMs: number;
  /** For messages. */
  readonly paths: { readonly certificate: string; readonly key: string; readonly roots: string };
}

const maxRoots = 32;
const maxChain = 6;
const trialLifeMs = 60_000;

/** Throws CH1881 where these are not what they should be, CH1882 for the authority, CH1883 for the roots. */
export function readGiven(texts: GivenTexts, expect: GivenExpectation): Given {
  const { paths } = expect;
  const chain = certificatesIn(texts.certificate, paths.certificate, maxChain);
  const roots = usableRoots(certificatesIn(texts.roots, paths.roots, maxRoots), expect);
  const [own = new Uint8Array(0)] = chain;
  const issuer = { certificate: own, key: privateKeyIn(texts.key, own, expect) };
  const checked = trial(issuer, chain, roots, expect);
  return {
    authority: {
      issuer,
      ...{ chain: checked.chain, root: checked.root },
      notAfterMs: readCertificate(own).notAfterMs,
    },
    roots,
  };
}

function certificatesIn(pem: Buffer, path: string, most: number): readonly Uint8Array[] {
  const blocks = certificateBlocks(pem.toString('latin1'));
  if (blocks.length === 0 || blocks.length > most)
    throw new AppError('CH1881', `${path} holds ${blocks.length} certificates in PEM, not one to ${most}`, {
      // Whoever writes it may be at it.
      retryable: true,
    });
  try {
    return blocks.map((block) => Uint8Array.from(new X509Certificate(block).raw));
  } catch (cause) {
    throw new AppError('CH1881', `${path} holds something that is no certificate`, { cause, retryable: true });
  }
}

function privateKeyIn(pem: Buffer, certificate: Uint8Array, { paths }: GivenExpectation): KeyObject {
  const key = parsedKey(pem);
  if (key === undefined)
    throw new AppError('CH1881', `${paths.key} does not hold a private key in PEM without a passphrase`, {
      retryable: true,
    });
  const own = Buffer.from(createPublicKey(key).export({ type: 'spki', format: 'der' }));
  if (!own.equals(readCertificate(certificate).publicKey))
    throw new AppError('CH1881', `${paths.key} is not the key of the first certificate in ${paths.certificate}`, {
      retryable: true,
    });
  return key;
}

function parsedKey(pem: Buffer): KeyObject | undefined {
  try {
    return createPrivateKey(pem);
  } catch {
    // What failed might quote the key.
    return undefined;
  }
}

function usableRoots(ders: readonly Uint8Array[], { trustDomain, nowMs, paths }: GivenExpectation): readonly Root[] {
  const unique = new Map(ders.map((der) => [certificateText(der), der]));
  const all = [...unique.values()].map((der) => ({ der, read: readCertificate(der) }));
  // Bundles keep ended ones for long; an ended anchor that fits by name would be in the way of its successor.
  const valid = all.filter(({ read }) => read.notBeforeMs <= nowMs && nowMs < read.notAfterMs);
  if (valid.length === 0) throw new AppError('CH1883', `${paths.roots} has no root that is valid now`);
  for (const { der } of valid) {
    try {
      checkRoot(der, { nowMs, trustDomain });
    } catch (error) {
      throw new AppError('CH1883', `${paths.roots} has a certificate that is no root of ours: ${reason(error)}`);
    }
  }
  return valid.map(({ der }) => rootOf(der));
}

/** Signs for a key that nobody keeps, and checks that as what a foreign authority signs for us is checked. */
function trial(
  issuer: Issuer,
  chain: readonly Uint8Array[],
  roots: readonly Root[],
  { trustDomain, nowMs, paths }: GivenExpectation,
): CheckedIntermediate {
  const { publicKey } = generateKeyPair();
  const { notAfterMs: endMs } = readCertificate(issuer.certificate);
  if (endMs <= nowMs)
    throw new AppError('CH1882', `the authority in ${paths.certificate} ended ${new Date(endMs).toISOString()}`);
  try {
    const validity = { notBeforeMs: nowMs - trialLifeMs, notAfterMs: nowMs + trialLifeMs };
    const certificate = signIntermediate(issuer, { publicKey, trustDomain, validity, serial: randomSerial() });
    const ders = roots.map((root) => root.certificate);
    return checkIntermediate({ certificate, chain, roots: ders, publicKey, nowMs, trustDomain });
  } catch (error) {
    throw new AppError('CH1882', `the authority in ${paths.certificate} cannot sign: ${reason(error)}`);
  }
}

const reason = (error: unknown): string => errorText(error).replaceAll(/\[\w+\] /g, '');
