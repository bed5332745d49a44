// Certificates for tests, made by the openssl command: an authority, and leaves of it with the names that are asked for.
// Invariant: nothing outside the directory is written.
import { execFileSync, spawnSync } from 'node:child_process';
import { copyFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe } from 'vitest';

export interface Authority {
  /** PEM of the authority. */
  readonly ca: string;
  /** Signs a leaf for `subjectAltName`, e.g. `IP:127.0.0.1,DNS:plane`; returns the paths of its PEM files. */
  leaf(name: string, subjectAltName: string): { readonly cert: string; readonly key: string };
}

const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];

export function createAuthority(directory: string, name = 'ca'): Authority {
  const at = (file: string): string => join(directory, file);
  const openssl = (...args: readonly string[]): void => {
    execFileSync('openssl', [...args], { cwd: directory, stdio: 'pipe' });
  };
  const subject = ['-subj', `/CN=${name}`, '-days', '2'];
  openssl('req', '-x509', ...newKey, '-keyout', `${name}.key`, '-out', `${name}.pem`, ...subject);
  return {
    ca: at(`${name}.pem`),
    leaf(leaf, subjectAltName) {
      writeFileSync(at(`${leaf}.cnf`), `subjectAltName=${subjectAltName}\n`);
      openssl('req', ...newKey, '-keyout', `${leaf}.key`, '-out', `${leaf}.csr`, '-subj', `/CN=${leaf}`);
      const signed = ['-CA', `${name}.pem`, '-CAkey', `${name}.key`, '-CAcreateserial', '-days', '2'];
      openssl('x509', '-req', '-in', `${leaf}.csr`, '-out', `${leaf}.pem`, '-extfile', `${leaf}.cnf`, ...signed);
      return { cert: at(`${leaf}.pem`), key: at(`${leaf}.key`) };
    },
  };
}

/** Puts a copy of one file in the place of another by rename, as renewing tools do. */
export function replaceFile(from: string, to: string): void {
  copyFileSync(from, `${to}.new`);
  renameSync(`${to}.new`, to);
}

const hasOpenssl = spawnSync('openssl', ['version'], { stdio: 'ignore' }).status === 0;

/** A `describe` that is skipped, by name, where certificates cannot be made. */
export function describeWithOpenssl(name: string, fn: () => void): void {
  if (hasOpenssl) describe(name, fn);
  else describe.skip(`${name} [skipped: no openssl command to make certificates]`, fn);
}
