// A leaf that Consul's Connect gave, checked before a proxy shows it. Pure. It must not know how Consul is asked.
// Invariants: it bears exactly the name that was asked for and no other, its key is its own, and it chains to a root that
// proxies are told to trust; nothing of the key is ever part of a message.
// Source: Consul API, `GET /v1/agent/connect/ca/leaf/:service`.
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { AppError } from '../util/errors.ts';
import { certificateBlocks } from '../util/pem.ts';
import { readCertificate } from './certificate.ts';
import type { Leaf, Root } from './contract.ts';
import { isIssuedBy } from './issued-by.ts';
import { renewAt } from './renewal.ts';
import { pkcs8 } from './x509.ts';

export interface ConnectLeafExpectation {
  readonly spiffeId: string;
  /** See `LeafRequest`. */
  readonly seed: string;
  /** The active one first. */
  readonly roots: readonly Root[];
  readonly nowMs: number;
}

const maxChain = 6;
const serverAuth = '1.3.6.1.5.5.7.3.1';
const clientAuth = '1.3.6.1.5.5.7.3.2';
/** Of a former root: Consul makes another one within a minute. */
const formerAgainMs = 30_000;

/** `strange`: it is what it should be, but of a root that is not known. Throws CH1887 for everything else. */
export function readConnectLeaf(body: unknown, expect: ConnectLeafExpectation): Leaf | 'strange' {
  const { spiffeId, roots, nowMs } = expect;
  const { CertPEM, PrivateKeyPEM } = (body ?? {}) as Readonly<Record<string, unknown>>;
  if (typeof CertPEM !== 'string' || typeof PrivateKeyPEM !== 'string')
    throw refused(spiffeId, 'has no certificate or no key in it');
  const given = certificatesIn(CertPEM, spiffeId);
  const [leaf] = given;
  if (leaf === undefined) throw refused(spiffeId, 'has no certificate in it');
  const read = readCertificate(leaf.raw);
  // A name of another datacenter or namespace is one that no peer would take.
  if (read.uris.length !== 1 || read.uris[0] !== spiffeId)
    throw refused(
      spiffeId,
      `is for ${read.uris.map((uri) => JSON.stringify(uri.slice(0, 300))).join(', ') || 'nobody'}`,
    );
  const uses = leaf.keyUsage ?? [];
  if (read.mayCertify || !uses.includes(serverAuth) || !uses.includes(clientAuth))
    throw refused(spiffeId, 'is not for servers and clients');
  if (read.notBeforeMs > nowMs || read.notAfterMs <= nowMs)
    throw refused(spiffeId, 'is not valid now: check the clocks');
  const key = ownKey(PrivateKeyPEM, leaf);
  if (key === undefined) throw refused(spiffeId, 'has the key of another certificate');
  const root = rootOf(leaf, given.slice(1), roots);
  if (root === undefined) return 'strange';
  // Consul keeps one for as long as it is good: each time it is asked for again after half of what is left.
  const later = renewAt({ fromMs: nowMs, untilMs: read.notAfterMs }, expect.seed);
  const isFormer = root.keyId !== roots[0]?.keyId;
  return {
    spiffeId,
    // A root that is signed by a former one goes along: whoever knows only that one takes it by it.
    chain: given
      .map(({ raw }) => Uint8Array.from(raw))
      .filter((der) => !roots.some(({ certificate }) => Buffer.compare(certificate, der) === 0)),
    key,
    serial: Buffer.from(read.serial).toString('hex'),
    notBeforeMs: read.notBeforeMs,
    notAfterMs: read.notAfterMs,
    renewAtMs: isFormer ? Math.min(later, nowMs + formerAgainMs) : later,
    root: root.keyId,
  };
}

function certificatesIn(pem: string, spiffeId: string): readonly X509Certificate[] {
  const blocks = certificateBlocks(pem);
  if (blocks.length > maxChain) throw refused(spiffeId, 'has too many certificates above it');
  try {
    return blocks.map((block) => new X509Certificate(block));
  } catch {
    throw refused(spiffeId, 'has something in it that is no certificate');
  }
}

/** PKCS#8 DER, if it is the key of this certificate. */
function ownKey(pem: string, leaf: X509Certificate): Uint8Array | undefined {
  try {
    const key = createPrivateKey(pem);
    return leaf.checkPrivateKey(key) ? pkcs8(key) : undefined;
  } catch {
    // What failed might quote it.
    return undefined;
  }
}

/** The root it chains to by the shortest way. */
function rootOf(leaf: X509Certificate, between: readonly X509Certificate[], roots: readonly Root[]): Root | undefined {
  const path = [leaf];
  for (;;) {
    const last = path.at(-1) ?? leaf;
    const root = roots.find(({ certificate }) => signs(new X509Certificate(certificate), last));
    if (root !== undefined) return root;
    const next = between.find((one) => !path.includes(one) && signs(one, last));
    if (next === undefined) return undefined;
    path.push(next);
  }
}

function signs(issuer: X509Certificate, certificate: X509Certificate): boolean {
  return issuer.ca && isIssuedBy(certificate, issuer);
}

function refused(spiffeId: string, why: string): AppError {
  return new AppError('CH1887', `the certificate that Consul gave for ${spiffeId} ${why}`, { retryable: true });
}
