// Authorities as somebody else makes them, by the openssl command: roots and what stands below them, of any key and path length.
// Invariant: nothing outside the directory is written.
import { execFileSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export interface MadeAuthority {
  readonly name: string;
  /** Paths of PEM files. */
  readonly cert: string;
  readonly key: string;
  /** PEM of the certificate. */
  readonly pem: string;
  readonly der: Uint8Array;
}

export interface MakeOptions {
  /** Self-signed if absent. */
  readonly issuer?: MadeAuthority;
  readonly kind?: 'P-256' | 'P-384' | 'P-521' | 'rsa' | 'ed25519';
  readonly pathLength?: number;
  readonly days?: number;
  /** SPIFFE ids it bears, parted by spaces. */
  readonly uri?: string;
  /** Not one of an authority, but of a proxy. */
  readonly leaf?: boolean;
  /** Its extended key usage, as openssl writes it. */
  readonly uses?: string;
  /** Signs again for the key of this one. */
  readonly keyOf?: MadeAuthority;
}

export function makeAuthority(directory: string, name: string, options: MakeOptions = {}): MadeAuthority {
  const { issuer, kind = 'P-256', pathLength, days = 30, uri, leaf = false, keyOf, uses } = options;
  const at = (file: string): string => join(directory, file);
  const constraints = leaf ? 'CA:false' : `CA:true${pathLength === undefined ? '' : `,pathlen:${pathLength}`}`;
  writeFileSync(
    at(`${name}.cnf`),
    [
      ...[
        '[req]',
        'distinguished_name=dn',
        'x509_extensions=v3',
        'prompt=no',
        '[dn]',
        `CN=${keyOf?.name ?? name}`,
        '[v3]',
      ],
      ...[
        `basicConstraints=critical,${constraints}`,
        `keyUsage=critical,${leaf ? 'digitalSignature' : 'keyCertSign,cRLSign'}`,
      ],
      ...(uses === undefined ? [] : [`extendedKeyUsage=${uses}`]),
      ...['subjectKeyIdentifier=hash', ...(issuer === undefined ? [] : ['authorityKeyIdentifier=keyid'])],
      ...(uri === undefined
        ? []
        : [
            `subjectAltName=${uri
              .split(' ')
              .map((one) => `URI:${one}`)
              .join()}`,
          ]),
      '',
    ].join('\n'),
  );
  const newKey =
    kind === 'rsa'
      ? ['-newkey', 'rsa:2048']
      : kind === 'ed25519'
        ? ['-newkey', 'ed25519']
        : ['-newkey', 'ec', '-pkeyopt', `ec_paramgen_curve:${kind}`];
  const key = keyOf?.key ?? at(`${name}.key`);
  const made = keyOf === undefined ? [...newKey, '-nodes', '-keyout', key] : ['-new', '-key', key];
  const by = issuer === undefined ? [] : ['-CA', issuer.cert, '-CAkey', issuer.key];
  const out = ['-out', `${name}.pem`, '-days', String(days), '-config', `${name}.cnf`];
  execFileSync('openssl', ['req', '-x509', ...made, ...by, ...out], { cwd: directory, stdio: 'pipe' });
  chmodSync(key, 0o600);
  const cert = at(`${name}.pem`);
  const pem = readFileSync(cert, 'utf8');
  return { name, cert, key, pem, der: Uint8Array.from(new X509Certificate(pem).raw) };
}
