// The openssl command as a second opinion about our certificates. Works on one temporary folder, at a given time.
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Without parsing: it may be broken. */
const pem = (der: Uint8Array): string =>
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
  writeFileSync(join(folder, 'root.pem'), pem(root));
  writeFileSync(join(folder, 'between.pem'), intermediates.map(pem).join(''));
  writeFileSync(join(folder, 'leaf.pem'), pem(leaf));
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
