// The certificates themselves: their profile as openssl and node:crypto read it, and what no caller can make them say.
import { createHash, generateKeyPairSync, X509Certificate } from 'node:crypto';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { readElements } from '../../../src/ca/der.ts';
import {
  generateKeyPair,
  pkcs8,
  publicKeyId,
  randomSerial,
  selfSignedRoot,
  signIntermediate,
  signLeaf,
  signServer,
} from '../../../src/ca/x509.ts';
import { describeWithOpenssl } from '../../support/certificates.ts';
import { createTempDir } from '../../support/temp-dir.ts';
import { day, hour, now, testAuthority, testLeaf, trustDomain, webId, year } from './authority.ts';
import { opensslText, opensslVerify } from './openssl.ts';

const authority = testAuthority();
const { root, intermediate } = authority;
const x509 = (der: Uint8Array): X509Certificate => new X509Certificate(der);
const server = (names: { readonly dns?: string[]; readonly ips?: string[]; readonly uri?: string }): Uint8Array =>
  signServer(intermediate, {
    publicKey: generateKeyPair().publicKey,
    dns: names.dns ?? [],
    ips: names.ips ?? [],
    uri: names.uri ?? `spiffe://${trustDomain}/chancery`,
    validity: { notBeforeMs: now, notAfterMs: now + day },
    serial: randomSerial(),
  });

/** The texts of the extensions as openssl prints them, by their titles. */
function extensionsOf(der: Uint8Array): Map<string, string> {
  const text = opensslText(der).split('X509v3 extensions:')[1]?.split('Signature Algorithm:')[0] ?? '';
  return new Map(
    [...text.matchAll(/^ {12}X509v3 (.*?):( critical)? *\n((?: {16}.*\n)+)/gm)].map(
      ([, title = '', mark = '', value = '']) => [title, `${mark.trim()} ${value.trim()}`.trim()],
    ),
  );
}

describeWithOpenssl('the profile, as openssl reads it', () => {
  const folder = createTempDir('ca-profile');
  afterAll(folder.remove);
  const verify = (
    leaf: Uint8Array,
    purpose: 'sslclient' | 'sslserver' | 'any' = 'any',
    intermediates = [intermediate.certificate],
  ) => opensslVerify(folder.path, { root: root.certificate, intermediates, leaf }, { purpose, ms: now });

  it.each(['sslclient', 'sslserver'] as const)('a leaf passes the strict check as %s', (purpose) => {
    expect(verify(testLeaf(authority), purpose)).toMatchObject({ ok: true });
  });

  it('root and intermediate pass the strict check', () => {
    expect(verify(root.certificate, 'any', [])).toMatchObject({ ok: true });
    expect(verify(intermediate.certificate, 'any', [])).toMatchObject({ ok: true });
  });

  it('a server certificate serves, and is no client', () => {
    const leaf = server({ dns: ['plane.example'], ips: ['127.0.0.1', '::1'] });
    expect(verify(leaf, 'sslserver')).toMatchObject({ ok: true });
    expect(verify(leaf, 'sslclient')).toMatchObject({ ok: false, text: expect.stringContaining('purpose') as string });
  });

  it('a leaf needs its intermediate: the order is leaf, intermediate, root', () => {
    expect(verify(testLeaf(authority), 'any', []).ok).toBe(false);
    const direct = signLeaf(root, {
      publicKey: generateKeyPair().publicKey,
      spiffeId: webId,
      validity: { notBeforeMs: now, notAfterMs: now + day },
      serial: randomSerial(),
    });
    expect(verify(direct, 'any', []).ok).toBe(true);
  });

  it('a leaf cannot sign, and an intermediate cannot make another', () => {
    const pair = generateKeyPair();
    const leaf = { certificate: testLeaf(authority, { pair }), key: pair.privateKey };
    const below = {
      publicKey: generateKeyPair().publicKey,
      validity: { notBeforeMs: now, notAfterMs: now + hour },
      serial: randomSerial(),
    };
    expect(() => signLeaf(leaf, { ...below, spiffeId: webId })).toThrow('[CH1811]');
    const second = generateKeyPair();
    const certificate = signIntermediate(intermediate, { ...below, publicKey: second.publicKey, trustDomain });
    const deep = signLeaf({ certificate, key: second.privateKey }, { ...below, spiffeId: webId });
    expect(verify(deep, 'any', [certificate, intermediate.certificate])).toMatchObject({
      ok: false,
      text: expect.stringContaining('path length') as string,
    });
  });

  it('a leaf has exactly these extensions', () => {
    const leaf = testLeaf(authority);
    const found = extensionsOf(leaf);
    expect([...found.keys()].sort()).toEqual([
      'Authority Key Identifier',
      'Basic Constraints',
      'Extended Key Usage',
      'Key Usage',
      'Subject Alternative Name',
      'Subject Key Identifier',
    ]);
    expect(found.get('Key Usage')).toBe('critical Digital Signature');
    expect(found.get('Basic Constraints')).toBe('critical CA:FALSE');
    expect(found.get('Extended Key Usage')).toBe('TLS Web Server Authentication, TLS Web Client Authentication');
    expect(found.get('Subject Alternative Name')).toBe(`critical URI:${webId}`);
    expect(found.get('Authority Key Identifier')).toBe(
      extensionsOf(intermediate.certificate).get('Subject Key Identifier'),
    );
    expect(opensslText(leaf)).toMatch(/Subject: *\n/);
  });

  it.each([
    ['root', root.certificate, 'critical CA:TRUE, pathlen:1'],
    ['intermediate', intermediate.certificate, 'critical CA:TRUE, pathlen:0'],
  ])('a %s signs certificates and nothing else, for one trust domain', (kind, certificate, constraints) => {
    const found = extensionsOf(certificate);
    expect(found.get('Basic Constraints')).toBe(constraints);
    expect(found.get('Key Usage')).toBe('critical Certificate Sign, CRL Sign');
    expect(found.get('Subject Alternative Name')).toBe(`URI:spiffe://${trustDomain}`);
    expect(found.has('Extended Key Usage')).toBe(false);
    expect(x509(certificate).subject).toMatch(new RegExp(`^CN=Chancery ${kind} [0-9a-f]{16}$`));
  });

  it('a certificate with any one bit of any field changed is refused', () => {
    const leaf = testLeaf(authority);
    const fields = fieldsOf(leaf);
    expect(fields.length).toBeGreaterThan(20);
    const passed = fields.filter(({ at, what }) => {
      const changed = Uint8Array.from(leaf);
      changed[at] = (changed[at] ?? 0) ^ 1;
      return what !== '' && verify(changed).ok;
    });
    expect(passed).toEqual([]);
    expect(verify(leaf).ok).toBe(true);
  });
});

/** A byte in every primitive element of a certificate. */
function fieldsOf(der: Uint8Array, base = 0, path = 'certificate'): { readonly what: string; readonly at: number }[] {
  let at = base;
  return readElements(der).flatMap(({ tag, content, whole }, index) => {
    const start = at + whole.length - content.length;
    at += whole.length;
    if ((tag & 0x20) !== 0) return fieldsOf(content, start, `${path}.${index}`);
    return content.length === 0 ? [] : [{ what: `${path}.${index}`, at: start + content.length - 1 }];
  });
}

describe('the profile, as node:crypto reads it', () => {
  it('a chain holds together: names, keys and signatures', () => {
    const pair = generateKeyPair();
    const leaf = x509(testLeaf(authority, { pair }));
    expect(leaf.checkIssued(x509(intermediate.certificate))).toBe(true);
    expect(leaf.verify(x509(intermediate.certificate).publicKey)).toBe(true);
    expect(x509(intermediate.certificate).verify(x509(root.certificate).publicKey)).toBe(true);
    expect(leaf.checkPrivateKey(pair.privateKey)).toBe(true);
    expect(leaf.ca).toBe(false);
    expect(leaf.subjectAltName).toBe(`URI:${webId}`);
    expect(leaf.subject ?? '').toBe('');
    expect(leaf.keyUsage).toEqual(['1.3.6.1.5.5.7.3.1', '1.3.6.1.5.5.7.3.2']);
  });

  it('any one bit of any field changed breaks the signature or the form', () => {
    const leaf = testLeaf(authority);
    const issuer = x509(intermediate.certificate).publicKey;
    const passed = fieldsOf(leaf).filter(({ at }) => {
      const changed = Uint8Array.from(leaf);
      changed[at] = (changed[at] ?? 0) ^ 1;
      try {
        return x509(changed).verify(issuer);
      } catch {
        return false;
      }
    });
    expect(passed).toEqual([]);
  });

  it('a server certificate has the names that were asked for', () => {
    const names = {
      dns: ['plane.example', 'localhost', 'node_1'],
      ips: ['127.0.0.1', '::1', '2001:db8::a:0:0:1', '::ffff:10.1.2.3'],
    };
    const certificate = x509(server(names));
    for (const name of ['plane.example', 'localhost']) expect(certificate.checkHost(name)).toBe(name);
    for (const ip of ['127.0.0.1', '::1', '2001:db8::a:0:0:1']) expect(certificate.checkIP(ip)).toBe(ip);
    expect(certificate.subjectAltName).toContain(`URI:spiffe://${trustDomain}/chancery, DNS:plane.example`);
    expect(certificate.subjectAltName).toContain('IP Address:0:0:0:0:0:FFFF:A01:203');
    expect(certificate.keyUsage).toEqual(['1.3.6.1.5.5.7.3.1']);
    expect(certificate.checkHost('other.example')).toBeUndefined();
  });

  it('keys come out in the forms that TLS takes', () => {
    const pair = generateKeyPair();
    expect(pair.publicKey.length).toBe(91);
    expect(publicKeyId(pair.publicKey)).toBe(createHash('sha256').update(pair.publicKey).digest('hex'));
    expect(Buffer.from(pkcs8(pair.privateKey)).subarray(0, 2).toString('hex')).toBe('3081');
  });
});

describe('validity', () => {
  const validityOf = (certificate: Uint8Array): readonly number[] => [
    Date.parse(x509(certificate).validFrom),
    Date.parse(x509(certificate).validTo),
  ];
  const leaf = (notBeforeMs: number, notAfterMs: number): Uint8Array =>
    signLeaf(intermediate, {
      publicKey: generateKeyPair().publicKey,
      spiffeId: webId,
      validity: { notBeforeMs, notAfterMs },
      serial: randomSerial(),
    });

  it('is what was asked for, in whole seconds', () => {
    expect(validityOf(leaf(now + 999, now + day + 999))).toEqual([now, now + day]);
  });

  it('never leaves that of the issuer', () => {
    expect(validityOf(leaf(0, now + year))).toEqual([now - hour, now + 7 * day]);
  });

  it.each([
    ['after the issuer ended', now + 8 * day, now + 9 * day],
    ['before the issuer began', now - 3 * hour, now - 2 * hour],
    ['of no length', now, now],
    ['that is no time', Number.NaN, now],
    ['without an end', now, Number.NaN],
  ])('%s is refused', (_, from, to) => {
    expect(() => leaf(from, to)).toThrow('[CH1812]');
  });

  it.each([
    ['2049-12-31T23:59:59Z', '17', '491231235959Z'],
    ['2050-01-01T00:00:00Z', '18', '20500101000000Z'],
  ])('the end %s is written in the type of its year', (end, tag, digits) => {
    const validity = { notBeforeMs: now, notAfterMs: Date.parse(end) };
    const certificate = selfSignedRoot(generateKeyPair(), { trustDomain, validity, serial: randomSerial() });
    const written = `${tag}${digits.length.toString(16).padStart(2, '0')}${Buffer.from(digits).toString('hex')}`;
    expect(Buffer.from(certificate).toString('hex')).toContain(written);
    expect(Date.parse(x509(certificate).validTo)).toBe(Date.parse(end));
  });
});

describe('serial numbers', () => {
  it('have 128 random bits: all different, each bit as often set as not', () => {
    const count = 4000;
    const serials = Array.from({ length: count }, randomSerial);
    expect(new Set(serials.map((serial) => Buffer.from(serial).toString('hex'))).size).toBe(count);
    expect(serials.every((serial) => serial.length === 16)).toBe(true);
    for (let bit = 0; bit < 128; bit++) {
      const set = serials.filter((serial) => ((serial[bit >> 3] ?? 0) & (0x80 >> (bit & 7))) !== 0).length;
      // Eight standard deviations.
      expect(Math.abs(set - count / 2), `bit ${bit}`).toBeLessThan((8 * Math.sqrt(count)) / 2 + 16);
    }
  });

  it.each(['ff'.repeat(16), `7f${'00'.repeat(15)}`, `01${'80'.repeat(15)}`, `${'00'.repeat(15)}01`])(
    '%s is written positive and read back the same',
    (hex) => {
      const read = x509(testLeaf(authority, { serial: Buffer.from(hex, 'hex') })).serialNumber;
      expect(BigInt(`0x${read}`)).toBe(BigInt(`0x${hex}`));
      expect(read.startsWith('-')).toBe(false);
    },
  );

  it.each(['00'.repeat(16), '', '01'.repeat(15), '01'.repeat(20)])('"%s" is refused', (hex) => {
    expect(() => testLeaf(authority, { serial: Buffer.from(hex, 'hex') })).toThrow('[CH1809]');
  });
});

describe('T5: what comes from outside', () => {
  it.each([
    ['a NUL', `${webId}\0.evil`],
    ['a foreign character', `spiffe://${trustDomain}/svc/wéb`],
    ['a character beyond one byte', `spiffe://${trustDomain}/svc/web\u{12f}`],
    ['a second name', `${webId},URI:spiffe://${trustDomain}/svc/admin`],
    ['a line break', `${webId}\n`],
    ['a percent escape', `spiffe://${trustDomain}/svc/%77eb`],
    ['a step up', `spiffe://${trustDomain}/svc/../svc/admin`],
    ['a slash at the end', `${webId}/`],
    ['too much', `spiffe://${trustDomain}/svc/${'a'.repeat(2048)}`],
    ['no path', `spiffe://${trustDomain}`],
    ['another scheme', `https://${trustDomain}/svc/web`],
    ['another trust domain', 'spiffe://other.example/svc/web'],
    ['nothing', ''],
  ])('an id with %s is refused', (_, spiffeId) => {
    expect(() => testLeaf(authority, { spiffeId })).toThrow('[CH1809]');
  });

  it('whatever text is given, a leaf has one URI, that text, or is refused', () => {
    const segment = fc.stringMatching(/^[A-Za-z0-9._\-/%\0 é]{0,12}$/);
    const { publicKey } = generateKeyPair();
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          segment,
          segment.map((text) => `spiffe://${trustDomain}/svc/${text}`),
        ),
        (spiffeId) => {
          let leaf: Uint8Array;
          try {
            leaf = testLeaf(authority, { publicKey, spiffeId });
          } catch (error) {
            expect((error as Error).message).toContain('[CH1809]');
            return;
          }
          expect(x509(leaf).subjectAltName).toBe(`URI:${spiffeId}`);
        },
      ),
      { numRuns: 300 },
    );
  });

  it.each([
    ['a DNS name with a NUL', { dns: ['plane.example\0.evil'] }],
    ['a wildcard', { dns: ['*.example'] }],
    ['an address as a DNS name', { dns: ['127.0.0.1'] }],
    ['an empty DNS name', { dns: [''] }],
    ['a DNS name that is too long', { dns: [`${'a'.repeat(60)}.`.repeat(5).slice(0, -1)] }],
    ['a name as an address', { ips: ['localhost'] }],
    ['an address with a zone', { ips: ['fe80::1%eth0'] }],
    ['a hundred and one names', { dns: Array.from({ length: 101 }, (_, index) => `n${index}`) }],
    ['a service as the control plane', { uri: webId }],
    ['the control plane of another domain', { uri: 'spiffe://other.example/chancery' }],
  ])('a server certificate with %s is refused', (_, names) => {
    expect(() => server(names)).toThrow('[CH1809]');
  });

  it.each(['', 'Mesh.example', 'a/b', 'mesh example', 'a'.repeat(256), 'mesh\0'])(
    'the trust domain %j is refused',
    (domain) => {
      const validity = { notBeforeMs: now, notAfterMs: now + day };
      expect(() =>
        selfSignedRoot(generateKeyPair(), { trustDomain: domain, validity, serial: randomSerial() }),
      ).toThrow('[CH1809]');
    },
  );

  const spki = (type: 'rsa' | 'ed25519' | 'p384'): Uint8Array => {
    const format = { publicKeyEncoding: { type: 'spki', format: 'der' } } as const;
    const privateKeyEncoding = { type: 'pkcs8', format: 'der' } as const;
    if (type === 'rsa')
      return generateKeyPairSync('rsa', { modulusLength: 2048, ...format, privateKeyEncoding }).publicKey;
    if (type === 'ed25519') return generateKeyPairSync('ed25519', { ...format, privateKeyEncoding }).publicKey;
    return generateKeyPairSync('ec', { namedCurve: 'P-384', ...format, privateKeyEncoding }).publicKey;
  };
  const own = generateKeyPair().publicKey;
  const changed = (at: number, to: number): Uint8Array =>
    Uint8Array.from(own, (byte, index) => (index === at ? to : byte));
  it.each<[string, () => Uint8Array]>([
    ['of RSA', () => spki('rsa')],
    ['of Ed25519', () => spki('ed25519')],
    ['of P-384', () => spki('p384')],
    ['that is empty', () => new Uint8Array(0)],
    ['that is noise', () => Buffer.alloc(91, 0xa5)],
    ['that is cut', () => own.subarray(0, 90)],
    ['with a byte after it', () => Buffer.concat([own, Buffer.alloc(1)])],
    ['off the curve', () => changed(90, (own[90] ?? 0) ^ 1)],
    ['at infinity', () => Buffer.concat([own.subarray(0, 26), Buffer.alloc(65)])],
    ['in the compressed form', () => changed(26, 2)],
    ['of another curve of the same length', () => changed(22, 6)],
    ['that is a megabyte', () => Buffer.alloc(1 << 20, 0x30)],
  ])('a public key %s is refused', (_, make) => {
    expect(() => testLeaf(authority, { publicKey: make() })).toThrow('[CH1810]');
  });

  it('an intermediate of another trust domain is refused', () => {
    const of = { publicKey: own, validity: { notBeforeMs: now, notAfterMs: now + day }, serial: randomSerial() };
    expect(() => signIntermediate(root, { ...of, trustDomain: 'other.example' })).toThrow('[CH1809]');
  });

  it('a key that is not the one of the certificate signs nothing', () => {
    const other = { certificate: intermediate.certificate, key: generateKeyPair().privateKey };
    const of = { publicKey: own, validity: { notBeforeMs: now, notAfterMs: now + day }, serial: randomSerial() };
    expect(() => signLeaf(other, { ...of, spiffeId: webId })).toThrow('[CH1811]');
    expect(() =>
      signLeaf({ certificate: Buffer.from('3000', 'hex'), key: intermediate.key }, { ...of, spiffeId: webId }),
    ).toThrow('[CH1811]');
  });
});
