// The key of a provisioner of step-ca: read from files that are ours alone, as JWK or as PEM with certificates.
import { generateKeyPairSync } from 'node:crypto';
import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { compactVerify, decodeJwt, decodeProtectedHeader } from 'jose';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readProvisionerKey } from '../../../src/cli/provisioner-key.ts';
import { signProvisionerToken } from '../../../src/identity/provisioner-token.ts';
import { createAuthority, describeWithOpenssl } from '../../support/certificates.ts';
import { createTempDir, type TempDir } from '../../support/temp-dir.ts';

const uid = process.geteuid?.();
let folder: TempDir;
beforeEach(() => {
  folder = createTempDir('provisioner');
});
afterEach(() => folder.remove());

function write(name: string, text: string, mode = 0o600): string {
  const path = join(folder.path, name);
  writeFileSync(path, text);
  chmodSync(path, mode);
  return path;
}
const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const jwk = { ...privateKey.export({ format: 'jwk' }), kid: 'k-1' };
const failing = (text: string) => expect.objectContaining({ code: 'CH1876', message: expect.stringContaining(text) });

describe('a provisioner key as JWK', () => {
  it('signs a token for one request, good for minutes', async () => {
    const jwkFile = write('key.jwk', JSON.stringify(jwk));
    const nowMs = Date.UTC(2030, 0, 1);
    const token = await signProvisionerToken(await readProvisionerKey({ jwkFile }, uid), {
      ...{ issuer: 'mesh', audience: 'https://ca/1.0/sign', subject: 'name', sans: ['spiffe://a'] },
      ...{ requestHash: 'hash', nowMs },
    });
    await compactVerify(token, publicKey, { algorithms: ['ES256'] });
    expect(decodeProtectedHeader(token)).toEqual({ alg: 'ES256', typ: 'JWT', kid: 'k-1' });
    const { jti, ...claims } = decodeJwt(token);
    expect(jti).toMatch(/^[0-9a-f-]{36}$/);
    expect(claims).toEqual({
      ...{ iss: 'mesh', aud: 'https://ca/1.0/sign', sub: 'name', sans: ['spiffe://a'], cnf: { 'x5rt#S256': 'hash' } },
      ...{ iat: nowMs / 1000, nbf: nowMs / 1000 - 60, exp: nowMs / 1000 + 300 },
    });
  });

  it.each([
    ['is open to others', JSON.stringify(jwk), 0o644, 'open to others (mode 644)'],
    ['is no JSON', '{"d": "secret', 0o600, 'private key as JWK'],
    [
      'is public',
      JSON.stringify({ ...publicKey.export({ format: 'jwk' }), kid: 'secret' }),
      0o600,
      'private key as JWK',
    ],
    ['has no kid', JSON.stringify({ ...jwk, kid: undefined }), 0o600, '`kid`'],
    ['is encrypted', '{"protected": "secret", "ciphertext": "secret"}', 0o600, 'step crypto jwe decrypt'],
    ['is too large', ' '.repeat(70_000), 0o600, 'too large'],
    [
      'is of a curve that JWTs do not have',
      JSON.stringify({
        ...generateKeyPairSync('ec', { namedCurve: 'secp256k1' }).privateKey.export({ format: 'jwk' }),
        kid: 'a',
      }),
      0o600,
      'of a kind',
    ],
  ])('T21: that %s is refused, without a word of it', async (_, text, mode, why) => {
    const jwkFile = write('key.jwk', text, mode);
    const failure = await readProvisionerKey({ jwkFile }, uid).catch((error: unknown) => error);
    expect(failure).toEqual(failing(why));
    expect(
      JSON.stringify([failure, String(failure), (failure as Error).stack, (failure as Error).cause]),
    ).not.toContain(text.includes('secret') ? 'secret' : (jwk.d ?? ''));
  });

  it('that is not there may come later', async () => {
    await expect(readProvisionerKey({ jwkFile: join(folder.path, 'none') }, uid)).rejects.toThrow(
      expect.objectContaining({ code: 'CH1876', retryable: true }),
    );
  });
});

describeWithOpenssl('a provisioner key with certificates', () => {
  it('is shown with them, and refused where they are of another key', async () => {
    const authority = createAuthority(folder.path);
    const [one, other] = [authority.leaf('one', 'DNS:one'), authority.leaf('other', 'DNS:other')];
    for (const { key } of [one, other]) chmodSync(key, 0o600);
    const files = { certificateFile: one.cert, privateKeyFile: one.key };
    const token = await signProvisionerToken(await readProvisionerKey(files, uid), {
      ...{ issuer: 'mesh', audience: 'https://ca', subject: 'name', sans: [], requestHash: 'hash', nowMs: 0 },
    });
    const { x5c } = decodeProtectedHeader(token);
    const body = readFileSync(one.cert, 'utf8').replaceAll(/-----[A-Z ]+-----|\s/g, '');
    expect(x5c).toEqual([body]);
    await expect(readProvisionerKey({ ...files, privateKeyFile: other.key }, uid)).rejects.toThrow(
      failing('is not the key of'),
    );
    await expect(readProvisionerKey({ ...files, certificateFile: other.key }, uid)).rejects.toThrow(
      failing('certificates in PEM'),
    );
    chmodSync(one.key, 0o640);
    await expect(readProvisionerKey(files, uid)).rejects.toThrow(failing('open to others'));
  });
});
