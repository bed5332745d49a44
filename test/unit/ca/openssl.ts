// The openssl command as a second opinion about our certificates. Works on one temporary folder, at a given time.
import { spawnSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

export const pem = (der: Uint8Array): string => new X509Certificate(der).toString();

/** PEM without parsing, for what may be broken. */
const blindPem = (der: Uint8Array): string =>
  `-----BEGIN CERTIFICATE-----\n${Buffer.from(der)
    .toString('base64')
    .replace(/.{64}(?=.)/g, '$&\n')}\n-----END CERTIFICATE-----\n`;

export interface Chain {
  readonly root: Uint8Array;
  readonly intermediates: readonly Uint8Array[];
  readonly leaf: Uint8Array;
}

/** What `openssl verify -x509_strict` says: the exit status and its text. */
export function opensslVerify(
  folder: string,
  { root, intermediates, leaf }: Chain,
  at: { readonly purpose: 'sslclient' | 'sslserver' | 'any'; readonly ms: number },
): { readonly ok: boolean; readonly text: string } {
  writeFileSync(join(folder, 'root.pem'), blindPem(root));
  writeFileSync(join(folder, 'between.pem'), intermediates.map(blindPem).join(''));
  writeFileSync(join(folder, 'leaf.pem'), blindPem(leaf));
  const between = intermediates.length > 0 ? ['-untrusted', 'between.pem'] : [];
  const options = [
    '-x509_strict',
    '-check_ss_sig',
    '-attime',
    String(Math.floor(at.ms / 1000)),
    '-purpose',
    at.purpose,
  ];
  const run = spawnSync('openssl', ['verify', ...options, '-CAfile', 'root.pem', ...between, 'leaf.pem'], {
    cwd: folder,
    encoding: 'utf8',
  });
  return { ok: run.status === 0, text: `${run.stdout}${run.stderr}` };
}

/** `openssl x509 -text` of one certificate. */
export function opensslText(der: Uint8Array): string {
  const run = spawnSync('openssl', ['x509', '-inform', 'DER', '-noout', '-text'], { input: der, encoding: 'utf8' });
  if (run.status !== 0) throw new Error(run.stderr);
  return run.stdout;
}
