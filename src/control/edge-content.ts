// A certificate with its key from two PEM texts, if they fit and an Envoy can use them. Pure.
// Invariant: what is thrown names the file and holds nothing of what was in it.
import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { AppError } from '../util/errors.ts';
import { contentHash } from '../util/hash.ts';
import { certificateBlocks } from '../util/pem.ts';

export interface EdgeContent {
  /** DER: the leaf, then those that signed it, as they stand in the file. */
  readonly chain: readonly Uint8Array[];
  /** PKCS#8 DER. */
  readonly key: Uint8Array;
  readonly subject: string;
  /** Hosts it is for. */
  readonly names: readonly string[];
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  /** Of chain and key together. */
  readonly fingerprint: string;
}

interface Pair {
  readonly cert: string;
  readonly key: string;
}

/** Those that Envoy takes in a server's certificate. */
const curves = new Set(['prime256v1', 'secp384r1', 'secp521r1']);
const minRsaBits = 2048;

/** Throws CH1246 with a text for people. */
export function contentOf(paths: Pair, pems: Pair): EdgeContent {
  const attempt = <T>(path: string, what: string, action: () => T): T => {
    try {
      return action();
    } catch {
      throw new AppError('CH1246', `${path} ${what}`);
    }
  };
  const certificates = attempt(paths.cert, 'holds a certificate that cannot be read', () =>
    certificateBlocks(pems.cert).map((pem) => new X509Certificate(pem)),
  );
  const [leaf] = certificates;
  if (leaf === undefined) throw new AppError('CH1246', `${paths.cert} holds no certificate in PEM`);
  const key = attempt(paths.key, 'holds no usable private key in PEM', () => createPrivateKey(pems.key));
  if (!leaf.checkPrivateKey(key))
    throw new AppError('CH1246', `${paths.key} is not the key of the first certificate in ${paths.cert}`);
  if (!usable(key))
    throw new AppError(
      'CH1246',
      `${paths.key} is no key that Envoy takes: RSA of ${minRsaBits} bits at least, or P-256, P-384, P-521`,
    );
  const chain = certificates.map(({ raw }) => new Uint8Array(raw));
  const der = new Uint8Array(key.export({ type: 'pkcs8', format: 'der' }));
  return {
    chain,
    key: der,
    subject: leaf.subject.replaceAll('\n', ', '),
    names: hostsOf(leaf),
    notBeforeMs: Date.parse(leaf.validFrom),
    notAfterMs: Date.parse(leaf.validTo),
    fingerprint: contentHash(Buffer.concat([...chain, der])),
  };
}

/** What is quoted holds what no host has. */
function hostsOf({ subjectAltName = '' }: X509Certificate): readonly string[] {
  const names = subjectAltName.split(', ').filter((name) => !name.includes('"'));
  return names.flatMap((name) => /^(?:DNS|IP Address):(.+)$/.exec(name)?.[1] ?? []);
}

function usable({ asymmetricKeyType, asymmetricKeyDetails }: KeyObject): boolean {
  if (asymmetricKeyType === 'rsa') return (asymmetricKeyDetails?.modulusLength ?? 0) >= minRsaBits;
  return asymmetricKeyType === 'ec' && curves.has(asymmetricKeyDetails?.namedCurve ?? '');
}
