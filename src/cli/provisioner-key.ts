// The key of a provisioner of step-ca, from files: a JWK, or a key in PEM with its certificates.
// It must not know what is signed with it. Invariant: a file that others can read is refused, and no message holds what it says.
import { createPrivateKey, type JsonWebKey, type KeyObject, X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { pemCertificates } from '../ca/authority-ask.ts';
import { type ProvisionerKey, tokenAlgorithm } from '../identity/provisioner-token.ts';
import { AppError } from '../util/errors.ts';
import { guardedRead } from '../util/guarded-read.ts';

export interface ProvisionerFiles {
  readonly jwkFile?: string | undefined;
  readonly certificateFile?: string | undefined;
  readonly privateKeyFile?: string | undefined;
}

const maxBytes = 65_536;

/** `uid`: of the running process; undefined where files have no owner. Rejects with CH1876. */
export async function readProvisionerKey(files: ProvisionerFiles, uid: number | undefined): Promise<ProvisionerKey> {
  const { jwkFile, certificateFile = '', privateKeyFile = '' } = files;
  if (jwkFile !== undefined) return jwkKey(await readPrivate(jwkFile, uid), jwkFile);
  const key = pemKey(await readPrivate(privateKeyFile, uid), privateKeyFile);
  const certificates = await chainOf(certificateFile);
  if (!certificates[0]?.checkPrivateKey(key))
    throw refused(privateKeyFile, `is not the key of the first certificate in ${certificateFile}`);
  return { key: signing(key, privateKeyFile), header: { x5c: certificates.map(({ raw }) => raw.toString('base64')) } };
}

function jwkKey(text: string, path: string): ProvisionerKey {
  let jwk: JsonWebKey & { readonly kid?: unknown; readonly ciphertext?: unknown };
  let key: KeyObject;
  try {
    jwk = JSON.parse(text);
    if (jwk.ciphertext !== undefined)
      throw refused(path, 'is encrypted: put what `step crypto jwe decrypt` makes of it there');
    key = createPrivateKey({ key: jwk, format: 'jwk' });
  } catch (error) {
    // What failed might quote the key.
    throw error instanceof AppError ? error : refused(path, 'does not hold a private key as JWK');
  }
  if (typeof jwk.kid !== 'string' || jwk.kid === '')
    throw refused(path, 'holds a key without `kid`, by which step-ca finds its provisioner');
  return { key: signing(key, path), header: { kid: jwk.kid } };
}

function pemKey(text: string, path: string): KeyObject {
  try {
    return createPrivateKey(text);
  } catch {
    throw refused(path, 'does not hold a private key in PEM without a passphrase');
  }
}

async function chainOf(path: string): Promise<readonly X509Certificate[]> {
  try {
    return pemCertificates(path, await readFile(path, 'utf8')).map((der) => new X509Certificate(der));
  } catch (cause) {
    throw new AppError('CH1876', `${path} does not hold certificates in PEM`, { cause, retryable: true });
  }
}

function signing(key: KeyObject, path: string): KeyObject {
  if (tokenAlgorithm(key) === undefined) throw refused(path, 'holds a key of a kind that step-ca does not take');
  return key;
}

async function readPrivate(path: string, uid: number | undefined): Promise<string> {
  return (await guardedRead(path, { code: 'CH1876', maxBytes, owner: uid })).toString();
}

const refused = (path: string, why: string): AppError => new AppError('CH1876', `${path} ${why}`);
