// Smallstep's step-ca as the authority that signs our intermediates, through a provisioner whose template makes them.
// It must not know files. Invariants: nothing that it says is believed before its root was found by the fingerprint that the
// configuration pins; the key of the provisioner signs tokens that are good once, for one request, for minutes.
// Source: step-ca's api package (sign.go, api.go) and its provisioners JWK and X5C.
import { createHash } from 'node:crypto';
import type { Clock } from '../util/clock.ts';
import { AppError } from '../util/errors.ts';
import { pemText } from '../util/pem.ts';
import { type AuthorityAsk, pemCertificates, textAt, textsAt } from './authority-ask.ts';
import { sha256Url } from './csr.ts';
import type { ForeignAuthority } from './foreign-roots.ts';
import { isIssuedBy } from './issued-by.ts';

/** What a token is signed for: one request, for minutes. */
export interface StepCaToken {
  /** Common name of the request. */
  readonly subject: string;
  readonly sans: readonly string[];
  /** SHA-256 of the request, base64url. */
  readonly requestHash: string;
}

export interface StepCaOptions {
  /** For messages. */
  readonly name: string;
  /** Without a slash at its end. */
  readonly url: string;
  /** SHA-256 of its root certificate, lower-case hex. */
  readonly fingerprint: string;
  /** Signed by the provisioner's key, which is read at every use. */
  readonly token: (of: StepCaToken) => Promise<string>;
}

export function stepCaWords(body: unknown): string {
  return textAt(body, 'message') ?? '';
}

export function createStepCa(
  { ask, clock }: { readonly ask: AuthorityAsk; readonly clock: Clock },
  options: StepCaOptions,
): ForeignAuthority {
  const { name, url, fingerprint } = options;
  let pinned: Uint8Array | undefined;

  async function listed(path: string, what: string, ca: string): Promise<readonly Uint8Array[]> {
    const pems = textsAt(await ask({ method: 'GET', url: `${url}/${path}`, what, ca }), 'crts');
    return pemCertificates(name, pems?.join(''));
  }

  /** What its TLS certificate may chain to: the pinned root, and roots that it told of since, over such a connection. */
  async function trusted(known: readonly Uint8Array[]): Promise<string> {
    pinned ??= known.find((der) => fingerprintOf(der) === fingerprint) ?? (await fetchPinned());
    return pemText('CERTIFICATE', [pinned, ...known]);
  }

  /** From whoever answers: the fingerprint says whether it is the one. */
  async function fetchPinned(): Promise<Uint8Array> {
    const what = 'asking for its root';
    const body = await ask({ method: 'GET', url: [url, 'root', fingerprint].join('/'), what, anybody: true });
    const [root] = pemCertificates(name, textAt(body, 'ca'));
    if (root === undefined || fingerprintOf(root) !== fingerprint)
      throw new AppError('CH1877', `${name} showed a root with another fingerprint than ${fingerprint}`);
    return root;
  }

  return {
    name,
    async read(known) {
      const ca = await trusted(known);
      const roots = await listed('roots', 'asking for its roots', ca);
      return { roots, signs: await signsUnder(roots, ca) };
    },
    async sign({ lifeMs, ...order }, known) {
      const { request, commonName, uri } = order.request();
      const what = 'signing an intermediate';
      const ca = await trusted(known);
      const ott = await options.token({ subject: commonName, sans: [uri], requestHash: sha256Url(request) });
      const notAfter = new Date(clock.wall() + lifeMs).toISOString().replace(/\.\d+Z$/, 'Z');
      const csr = pemText('CERTIFICATE REQUEST', [request]);
      const body = await ask({
        method: 'POST',
        url: `${url}/1.0/sign`,
        what,
        ca,
        secrets: [ott],
        body: { csr, ott, notAfter },
      });
      const [certificate = new Uint8Array(0)] = pemCertificates(name, textAt(body, 'crt'));
      return { certificate, chain: pemCertificates(name, textsAt(body, 'certChain')?.join('')) };
    },
  };

  /** The root of its own certificate, where it tells (0.28 and later): the one that the next intermediate chains to. */
  async function signsUnder(roots: readonly Uint8Array[], ca: string): Promise<Uint8Array | undefined> {
    try {
      const [own] = await listed('intermediates', 'asking for its intermediates', ca);
      return own && roots.find((root) => isIssuedBy(own, root));
    } catch (error) {
      if (error instanceof AppError && error.code !== 'CH1873') return undefined;
      throw error;
    }
  }
}

const fingerprintOf = (der: Uint8Array): string => createHash('sha256').update(der).digest('hex');
