// Reading certificates and DER: what is read agrees with node:crypto, and what is not DER is refused, never half read.
import { execFileSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { publicKeyId, readCertificate } from '../../../src/ca/certificate.ts';
import { element, readElements, readOne, readTime, time, unsignedInteger } from '../../../src/ca/der.ts';
import { describeWithOpenssl } from '../../support/certificates.ts';
import { day, hour, now, testAuthority, testLeaf, trustDomain, webId } from './authority.ts';

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

describe('a certificate that is read', () => {
  const authority = testAuthority();
  const { root, intermediate } = authority;

  it('says of a leaf whose it is, until when, and that it may not sign', () => {
    const der = testLeaf(authority);
    const read = readCertificate(der);
    const same = new X509Certificate(der);
    expect(read.uris).toEqual([webId]);
    expect([read.notBeforeMs, read.notAfterMs]).toEqual([now - 60_000, now + day]);
    expect(read.mayCertify).toBe(false);
    expect(hex(read.subject)).toBe('3000');
    expect(publicKeyId(read.publicKey)).toBe(publicKeyId(same.publicKey.export({ type: 'spki', format: 'der' })));
    expect(BigInt(`0x${hex(read.serial)}`)).toBe(BigInt(`0x${same.serialNumber}`));
    expect(read.subjectKeyId?.length).toBe(20);
  });

  it('says of an authority that it may sign', () => {
    expect(readCertificate(root.certificate).mayCertify).toBe(true);
    expect(readCertificate(intermediate.certificate)).toMatchObject({
      mayCertify: true,
      uris: [`spiffe://${trustDomain}`],
      notBeforeMs: now - hour,
      notAfterMs: now + 7 * day,
    });
  });

  it('T20: is whole or refused with CH1811, however it was cut or changed', () => {
    const der = testLeaf(authority);
    for (let length = 0; length < der.length; length++)
      expect(() => readCertificate(der.subarray(0, length)), `${length} bytes`).toThrow('[CH1811]');
    expect(() => readCertificate(Buffer.concat([der, Buffer.of(0)]))).toThrow('[CH1811]');
    fc.assert(
      fc.property(fc.integer({ min: 0, max: der.length - 1 }), fc.integer({ min: 1, max: 255 }), (at, mask) => {
        const changed = Uint8Array.from(der, (byte, index) => (index === at ? byte ^ mask : byte));
        try {
          readCertificate(changed);
        } catch (error) {
          expect((error as Error).message).toContain('[CH1811]');
        }
      }),
      { numRuns: 500 },
    );
  });

  it('T20: is not noise of any kind', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        expect(() => readCertificate(bytes)).toThrow('[CH1811]');
      }),
      { numRuns: 300 },
    );
    const deep = Array.from({ length: 2000 }).reduce<Uint8Array>((inner) => element(0x30, inner), new Uint8Array(0));
    expect(() => readCertificate(deep)).toThrow('[CH1811]');
  });
});

describeWithOpenssl('a certificate of another maker', () => {
  it('is read too: RSA keys, long names, no extensions that we know', () => {
    const name = ['-subj', `/O=${'x'.repeat(60)}/CN=other`];
    const command = ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-keyout', '/dev/null', '-days', '3', ...name];
    const pem = execFileSync('openssl', command, { encoding: 'utf8', stdio: 'pipe' });
    const same = new X509Certificate(pem);
    const read = readCertificate(same.raw);
    expect(read.mayCertify).toBe(true);
    expect(read.uris).toEqual([]);
    expect(read.notAfterMs).toBe(Date.parse(same.validTo));
    expect(read.publicKey.length).toBeGreaterThan(256);
  });
});

describe('DER', () => {
  it.each([0, 1, 127, 128, 255, 256, 65_535])('an element of %i bytes is written shortest and read back', (length) => {
    const content = new Uint8Array(length).fill(7);
    const written = element(0x04, content);
    expect(written.length).toBe(length + (length < 128 ? 2 : length < 256 ? 3 : 4));
    expect(hex(readOne(written, 0x04).content)).toBe(hex(content));
  });

  it('an element that is too long is not written', () => {
    expect(() => element(0x04, new Uint8Array(65_536))).toThrow(RangeError);
  });

  it.each([
    ['an indefinite length', '30800000'],
    ['a length that is not the shortest', '048101ff'],
    ['a length with leading zeros', `04820080${'00'.repeat(128)}`],
    ['a length beyond the end', '0405ff'],
    ['a length of more than 16 MiB', '048401000000'],
    ['a tag of several bytes', '1f8101ff'],
    ['a tag alone', '30'],
  ])('%s is refused', (_, text) => {
    expect(() => readElements(Buffer.from(text, 'hex'))).toThrow(RangeError);
  });

  it.each([
    ['00', '020100'],
    ['0000', '020100'],
    ['7f', '02017f'],
    ['80', '02020080'],
    ['0080', '02020080'],
    ['00ff01', '020300ff01'],
  ])('the unsigned number %s is %s', (from, to) => {
    expect(hex(unsignedInteger(Buffer.from(from, 'hex')))).toBe(to);
  });

  it('times are read back, to the second', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: Date.UTC(9999, 11, 31) }), (ms) => {
        expect(readTime(readOne(time(ms), ms < Date.UTC(2050, 0) ? 0x17 : 0x18))).toBe(Math.floor(ms / 1000) * 1000);
      }),
    );
  });

  it.each([
    '3001010000',
    '301301000000Z',
    '300230000000Z',
    '300101240000Z',
    '300101000000+0100',
    '20300101000000',
    '',
    '300101000000.5Z',
  ])('"%s" is no time', (text) => {
    expect(() => readTime(readOne(element(0x17, Buffer.from(text)), 0x17))).toThrow(RangeError);
  });
});
