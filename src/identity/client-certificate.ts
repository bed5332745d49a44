// Who shows a client certificate. The TLS library verified its chain against our authorities; here it is read, once, and only
// what was verified is used. It must not know sockets.
// Invariant: exactly one URI SAN, an identity of our trust domain; what the library prints in quotes (a comma, a NUL, a
// letter outside ASCII in a name) is refused, so that no name can be taken for two, or for another one.
import { X509Certificate } from 'node:crypto';
import type { Caller } from '../model/principal.ts';
import { readSpiffeId } from '../model/spiffe.ts';
import type { Clock } from '../util/clock.ts';
import { certificateRef, readCertificateMark } from './certificate-mark.ts';
import type { Verifier } from './contract.ts';
import { refuse } from './refusals.ts';

export interface ClientCertificateOptions {
  readonly trustDomain: string;
  /**
   * Believe those that may serve too, as other authorities make them. Ours makes such for proxies to show each other: they
   * are given to whoever has a credential, so that one of them must not be another, which would outlive the first, its
   * revocation and its node. Default false.
   */
  readonly servers?: boolean;
}

/** DER above it is not looked at; a leaf of ours has under 1 kB. */
const maxBytes = 16_384;
const maxModulusBits = 8192;
const clientAuth = '1.3.6.1.5.5.7.3.2';
const serverAuth = '1.3.6.1.5.5.7.3.1';

export function createCertificateVerifier(
  { clock }: { readonly clock: Clock },
  { trustDomain, servers = false }: ClientCertificateOptions,
): Verifier {
  return {
    kind: 'certificate',
    verify({ tls, certificate }) {
      if (!tls || certificate === undefined) return undefined;
      return readCertificate(certificate, { trustDomain, servers }, clock.wall());
    },
  };
}

function readCertificate(
  der: Uint8Array,
  { trustDomain, servers }: Required<ClientCertificateOptions>,
  nowMs: number,
): Caller {
  const parsed = parse(der);
  if (parsed === undefined || (parsed.serves && !servers)) return refuse('malformed');
  const { leaf, uris } = parsed;
  // Again on every stream: a connection may outlive its certificate, and a resumed one may begin after its end.
  if (leaf.validFromDate.getTime() > nowMs) return refuse('not-yet-valid');
  const notAfterMs = leaf.validToDate.getTime();
  // Also where the end cannot be read: NaN is not after now.
  if (!(notAfterMs > nowMs)) return refuse('expired');
  const [uri = '', ...more] = uris;
  const identity = more.length === 0 ? readSpiffeId(uri) : undefined;
  if (identity === undefined) return refuse('malformed');
  if (identity.trustDomain !== trustDomain) return refuse('foreign-trust-domain');
  if (identity.kind === 'control-plane') return refuse('not-entitled');
  const mark = readCertificateMark(leaf);
  return {
    id: uri,
    services: identity.kind === 'service' ? [identity.service] : [],
    gateways: identity.kind === 'gateway' ? [identity.gateway] : [],
    // Ours begin a little before they were made.
    issuedAtMs: leaf.validFromDate.getTime(),
    ...(mark === undefined ? {} : { sinceMs: mark.sinceMs }),
    notAfterMs,
    credential: { kind: 'certificate', ...certificateRef(leaf) },
  };
}

interface Parsed {
  readonly leaf: X509Certificate;
  readonly uris: readonly string[];
  readonly serves: boolean;
}

/** The certificate and its URI names; undefined where it is not one that a client may show. */
function parse(der: Uint8Array): Parsed | undefined {
  if (der.length > maxBytes) return undefined;
  try {
    const leaf = new X509Certificate(der);
    // Bytes after the certificate would be bytes that nobody verified.
    if (leaf.raw.length !== der.length) return undefined;
    const { modulusLength } = leaf.publicKey.asymmetricKeyDetails ?? {};
    if (modulusLength !== undefined && modulusLength > maxModulusBits) return undefined;
    const uses = extendedKeyUsage(leaf);
    if (leaf.ca || !uses.includes(clientAuth)) return undefined;
    const names = leaf.subjectAltName ?? '';
    if (names.includes('"')) return undefined;
    const uris = names.split(', ').filter((name) => name.startsWith('URI:'));
    return { leaf, uris: uris.map((name) => name.slice('URI:'.length)), serves: uses.includes(serverAuth) };
  } catch {
    return undefined;
  }
}

/** OIDs. What Node calls `keyUsage` is the extended key usage. */
function extendedKeyUsage(leaf: X509Certificate): readonly string[] {
  return leaf.keyUsage ?? [];
}
