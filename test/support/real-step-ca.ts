// Starts a real step-ca with a provisioner that makes intermediates, on a free loopback port. Its roots, and the one that it signs
// under, are changed by starting it again on the same port.
// Invariant: nothing outside its temporary folder is written.
import { execFileSync } from 'node:child_process';
import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  X509Certificate,
} from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { generateKeyPair, type Issuer, publicKeyId, randomSerial, signNode } from '../../src/ca/x509.ts';
import { pemText } from '../../src/util/pem.ts';
import { eventually } from './eventually.ts';
import { type MadeRoot, makeRoot } from './foreign-authority.ts';
import { freePort } from './free-port.ts';
import { type RunningProcess, startProcess } from './process.ts';
import { createTempDir } from './temp-dir.ts';

export interface StepCaState {
  readonly roots: readonly MadeRoot[];
  /** That it signs under; it is one of them. */
  readonly signs: MadeRoot;
  /** With this, below `signs`; by itself if absent. */
  readonly issuer?: Issuer;
}

export interface RunningStepCa extends AsyncDisposable {
  readonly url: string;
  /** SHA-256 of its first root. */
  readonly fingerprint: string;
  /** Files of two provisioners: `mesh` by JWK, `mesh-x5c` by certificate. */
  readonly jwkFile: string;
  readonly x5c: { readonly certificateFile: string; readonly privateKeyFile: string };
  /** With other roots on the same port. */
  change(state: StepCaState): Promise<void>;
  stop(): Promise<void>;
  start(): Promise<void>;
}

/** As docs/authorities.md has it. */
export const intermediateTemplate =
  '{"subject": {{ toJson .Subject }}, "sans": {{ toJson .SANs }}, "keyUsage": ["certSign", "crlSign"], "basicConstraints": {"isCA": true, "maxPathLen": 0}}';

const hour = 3_600_000;
const keyPem = (key: KeyObject): string => key.export({ type: 'pkcs8', format: 'pem' }).toString();

export async function startStepCa(binary: string, first: StepCaState): Promise<RunningStepCa> {
  const folder = createTempDir('step-ca');
  const port = await freePort();
  const at = (name: string): string => join(folder.path, name);
  const url = `https://127.0.0.1:${port}`;
  const jwk = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const about = { kid: 'mesh-key', use: 'sig', alg: 'ES256' };
  writeFileSync(at('provisioner.jwk'), JSON.stringify({ ...jwk.privateKey.export({ format: 'jwk' }), ...about }), {
    mode: 0o600,
  });
  const x5c = x5cProvisioner(at);
  const claims = { maxTLSCertDuration: '192h', defaultTLSCertDuration: '24h' };
  const options = { x509: { template: intermediateTemplate } };
  let running: RunningProcess | undefined;
  let state = first;

  async function start(): Promise<void> {
    const roots = state.roots.map(({ certificate, keyId }) => {
      writeFileSync(at(`${keyId}.pem`), pemText('CERTIFICATE', [certificate]));
      return at(`${keyId}.pem`);
    });
    const issuer = state.issuer ?? state.signs;
    writeFileSync(at('issuer.pem'), pemText('CERTIFICATE', [issuer.certificate]));
    writeFileSync(at('issuer.key'), keyPem(issuer.key), { mode: 0o600 });
    writeFileSync(
      at('ca.json'),
      JSON.stringify({
        ...{ root: roots, crt: at('issuer.pem'), key: at('issuer.key'), address: `127.0.0.1:${port}` },
        ...{ dnsNames: ['127.0.0.1'], logger: { format: 'text' } },
        authority: {
          provisioners: [
            {
              type: 'JWK',
              name: 'mesh',
              key: { ...jwk.publicKey.export({ format: 'jwk' }), ...about },
              claims,
              options,
            },
            { type: 'X5C', name: 'mesh-x5c', roots: x5c.roots, claims, options },
          ],
        },
      }),
    );
    running = await startProcess('step-ca', [binary, at('ca.json')], {
      env: { ...process.env, STEPPATH: folder.path },
    });
    const { exit, logs } = running;
    await eventually(
      () => {
        if (exit() !== undefined) throw new Error(`step-ca ended; it wrote:\n${logs()}`);
        return logs().includes('Serving HTTPS on');
      },
      { deadlineMs: 30_000 },
    );
  }
  const stop = async (): Promise<void> => running?.stop();

  await start();
  const [root] = first.roots;
  return {
    url,
    fingerprint: createHash('sha256')
      .update(root?.certificate ?? '')
      .digest('hex'),
    jwkFile: at('provisioner.jwk'),
    x5c: x5c.files,
    async change(next) {
      await stop();
      state = next;
      await start();
    },
    stop,
    start,
    async [Symbol.asyncDispose]() {
      await stop();
      folder.remove();
    },
  };
}

/** A root for people who ask, and a certificate of it that may sign. */
function x5cProvisioner(at: (name: string) => string) {
  const root = makeRoot(Date.now(), { trustDomain: 'people.example' });
  const pair = generateKeyPair();
  const files = { certificateFile: at('x5c.pem'), privateKeyFile: at('x5c.key') };
  const nowMs = Date.now();
  const certificate = signNode(root, {
    ...{ publicKey: pair.publicKey, serial: randomSerial(), spiffeId: 'spiffe://people.example/svc/operator' },
    // What it signs ends with it at the latest.
    validity: { notBeforeMs: nowMs - hour, notAfterMs: nowMs + 30 * 24 * hour },
  });
  writeFileSync(files.certificateFile, pemText('CERTIFICATE', [certificate]));
  writeFileSync(files.privateKeyFile, keyPem(pair.privateKey), { mode: 0o600 });
  return { files, roots: Buffer.from(pemText('CERTIFICATE', [root.certificate])).toString('base64') };
}

/** A root as `step ca init` makes one, and an intermediate of it that allows one more authority below it. */
export function makeIssuerBelowRoot(): { readonly root: MadeRoot; readonly issuer: Issuer } {
  using folder = createTempDir('issuer');
  const openssl = (...args: readonly string[]): void => {
    execFileSync('openssl', [...args], { cwd: folder.path, stdio: 'pipe' });
  };
  const usage = 'keyUsage=critical,keyCertSign,cRLSign\nsubjectKeyIdentifier=hash\n';
  writeFileSync(join(folder.path, 'root.cnf'), `basicConstraints=critical,CA:true\n${usage}`);
  writeFileSync(join(folder.path, 'issuer.cnf'), `basicConstraints=critical,CA:true,pathlen:1\n${usage}`);
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
  for (const name of ['root', 'issuer'])
    openssl('req', ...key, '-keyout', `${name}.key`, '-out', `${name}.csr`, '-subj', `/CN=${name}`);
  const sign = (name: string, ...by: readonly string[]): void =>
    openssl(
      'x509',
      '-req',
      '-in',
      `${name}.csr`,
      '-out',
      `${name}.pem`,
      '-extfile',
      `${name}.cnf`,
      '-days',
      '30',
      ...by,
    );
  sign('root', '-signkey', 'root.key');
  sign('issuer', '-CA', 'root.pem', '-CAkey', 'root.key', '-CAcreateserial');
  const read = (name: string): Issuer => ({
    certificate: new X509Certificate(readFileSync(join(folder.path, `${name}.pem`))).raw,
    key: createPrivateKey(readFileSync(join(folder.path, `${name}.key`))),
  });
  const root = read('root');
  const keyId = publicKeyId(createPublicKey(root.key).export({ type: 'spki', format: 'der' }));
  return { root: { ...root, keyId }, issuer: read('issuer') };
}
