// HashiCorp Vault's PKI engine, or OpenBao's, as the authority that signs our intermediates.
// It must not know files or the environment. Invariant: the token is read at every use and sent for nothing but signing; what
// comes back is not trusted here, `foreign-roots.ts` checks it.
// Source: Vault's API documentation, secrets engine PKI: List issuers, Read issuer certificate, Sign intermediate (1.11 and later).
import { AppError } from '../util/errors.ts';
import { pemText } from '../util/pem.ts';
import { type AuthorityAsk, pemCertificates, textAt, textsAt } from './authority-ask.ts';
import type { ForeignAuthority } from './foreign-roots.ts';
import { isIssuedBy } from './issued-by.ts';

export interface VaultOptions {
  /** For messages. */
  readonly name: string;
  /** Without a slash at its end. */
  readonly url: string;
  /** Path of the engine: `pki`, `teams/mesh/pki`. */
  readonly mount: string;
  /** Name or id of the issuer that signs; the engine's default one if absent. */
  readonly issuer?: string | undefined;
  readonly namespace?: string | undefined;
  /** PEM; read at every use. Undefined: the machine's own authorities. */
  readonly ca: () => Promise<string | undefined>;
  readonly token: () => Promise<string>;
}

/** Issuers of an engine that are looked at. */
const maxIssuers = 32;

export function vaultWords(body: unknown): string {
  return textsAt(body, 'errors')?.join('; ') ?? '';
}

export function createVault(ask: AuthorityAsk, options: VaultOptions): ForeignAuthority {
  const { name, issuer } = options;
  const base = `${options.url}/v1/${segments(options.mount)}`;
  const headers = {
    'x-vault-request': 'true',
    ...(options.namespace === undefined ? {} : { 'x-vault-namespace': options.namespace }),
  };

  async function get(path: string, what: string): Promise<unknown> {
    const ca = await options.ca();
    return ask({ method: 'GET', url: `${base}/${path}`, what, headers, ...(ca === undefined ? {} : { ca }) });
  }

  /** The certificate, and what stands above it. */
  function chainIn(body: unknown): readonly Uint8Array[] {
    const own = textAt(body, 'data', 'certificate');
    return [own, ...(textsAt(body, 'data', 'ca_chain') ?? [])].flatMap((pem) => pemCertificates(name, pem));
  }

  /** The root at the end of an issuer's chain; undefined where the engine does not have it. */
  async function rootOf(reference: string): Promise<Uint8Array | undefined> {
    const body = await get(`issuer/${encodeURIComponent(reference)}/json`, `reading the issuer "${reference}"`);
    return chainIn(body).find((der) => isIssuedBy(der, der));
  }

  return {
    name,
    async read() {
      const reference = issuer ?? 'default';
      const signs = await rootOf(reference);
      if (signs === undefined)
        throw new AppError('CH1875', `${name} has no root at the end of the chain of its issuer "${reference}"`, {
          hint: 'Import the certificate of the root into the engine: `vault write MOUNT/issuers/import/cert pem_bundle=@root.pem`.',
        });
      if (issuer !== undefined) return { roots: [signs], signs };
      // One that the engine can sign with may be made the default at any time: proxies are told of its root before.
      const list = await get('issuers?list=true', 'listing its issuers');
      const keys = textsAt(list, 'data', 'keys') ?? [];
      const able = keys.filter((key) => (textAt(list, 'data', 'key_info', key, 'key_id') ?? '') !== '');
      const roots = [signs];
      for (const key of able.slice(0, maxIssuers)) {
        const root = await rootOf(key);
        if (root !== undefined) roots.push(root);
      }
      return { roots, signs };
    },
    async sign({ lifeMs, ...order }) {
      const { request, commonName, uri } = order.request();
      const what = 'signing an intermediate';
      const [token, ca] = [await options.token(), await options.ca()];
      const path =
        issuer === undefined ? 'root/sign-intermediate' : `issuer/${encodeURIComponent(issuer)}/sign-intermediate`;
      const body = await ask({
        ...{ method: 'POST', url: `${base}/${path}`, what, secrets: [token] },
        headers: { ...headers, 'x-vault-token': token },
        ...(ca === undefined ? {} : { ca }),
        body: {
          csr: pemText('CERTIFICATE REQUEST', [request]),
          format: 'pem',
          common_name: commonName,
          exclude_cn_from_sans: true,
          uri_sans: uri,
          max_path_length: 0,
          ttl: `${Math.ceil(lifeMs / 1000)}s`,
        },
      });
      const [certificate = new Uint8Array(0), ...chain] = chainIn(body);
      return { certificate, chain };
    },
  };
}

const segments = (path: string): string =>
  path
    .split('/')
    .filter((part) => part !== '')
    .map(encodeURIComponent)
    .join('/');
