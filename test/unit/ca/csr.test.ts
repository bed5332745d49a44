// The request for an intermediate, with the openssl command as a second opinion.
import { spawnSync } from 'node:child_process';
import { sign } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { intermediateRequest, sha256Url } from '../../../src/ca/csr.ts';
import { generateKeyPair } from '../../../src/ca/x509.ts';
import { describeWithOpenssl } from '../../support/certificates.ts';
import { requestedKey } from '../../support/foreign-authority.ts';

function make() {
  const { publicKey, privateKey } = generateKeyPair();
  const prove = (bytes: Uint8Array): Uint8Array => sign('sha256', bytes, privateKey);
  return { publicKey, ...intermediateRequest({ publicKey, prove, trustDomain: 'mesh.example' }) };
}

describe('a request for an intermediate', () => {
  it('is of the key, signed with its private half', () => {
    const { request, publicKey, commonName, uri } = make();
    expect(Buffer.compare(requestedKey(request), publicKey)).toBe(0);
    expect(commonName).toMatch(/^Chancery intermediate [0-9a-f]{16}$/);
    expect(uri).toBe('spiffe://mesh.example');
    expect(sha256Url(request)).toMatch(/^[A-Za-z0-9_-]{43}$/);
  });

  it('names no trust domain that cannot be one', () => {
    const { publicKey } = make();
    const prove = (): Uint8Array => new Uint8Array();
    expect(() => intermediateRequest({ publicKey, prove, trustDomain: 'a/b' })).toThrow('[CH1809]');
  });
});

describeWithOpenssl('openssl', () => {
  function openssl(input: Uint8Array, ...args: readonly string[]): { readonly ok: boolean; readonly text: string } {
    const run = spawnSync('openssl', ['req', '-inform', 'DER', '-noout', ...args], { input, encoding: 'utf8' });
    return { ok: run.status === 0, text: `${run.stdout}${run.stderr}` };
  }

  it('verifies it, and reads what it asks for', () => {
    const { request, commonName } = make();
    expect(openssl(request, '-verify')).toMatchObject({ ok: true, text: expect.stringContaining('OK') });
    const { text } = openssl(request, '-text');
    expect(text).toContain(`Subject: CN = ${commonName}`);
    expect(text).toContain('Requested Extensions:');
    expect(text).toMatch(/Basic Constraints: critical\s+CA:TRUE, pathlen:0/);
    expect(text).toMatch(/Key Usage: critical\s+Certificate Sign, CRL Sign/);
    expect(text).toMatch(/Subject Alternative Name: *\s+URI:spiffe:\/\/mesh\.example\n/);
    expect(text).toContain('ecdsa-with-SHA256');
  });

  it('does not verify it with one bit changed', () => {
    const { request } = make();
    const altered = Uint8Array.from(request);
    altered[20] = (altered[20] ?? 0) ^ 1;
    expect(openssl(altered, '-verify').text).not.toContain('OK');
  });
});
