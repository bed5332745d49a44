// What an authority outside gives is checked before anything is done with it: chains made by the openssl command.
import { execFileSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { checkIntermediate, checkRoot } from '../../../src/ca/foreign-intermediate.ts';
import { describeWithOpenssl } from '../../support/certificates.ts';
import { createTempDir, type TempDir } from '../../support/temp-dir.ts';

const trustDomain = 'mesh.example';
const nowMs = Date.now();
const ca = 'basicConstraints=critical,CA:true\nkeyUsage=critical,keyCertSign,cRLSign\nsubjectKeyIdentifier=hash\n';
const ours = `basicConstraints=critical,CA:true,pathlen:0\nkeyUsage=critical,keyCertSign\nsubjectKeyIdentifier=hash\n`;
const uri = `subjectAltName=URI:spiffe://${trustDomain}\n`;

interface Made {
  readonly name: string;
  readonly der: Uint8Array;
  readonly publicKey: Uint8Array;
}

describeWithOpenssl('a certificate of an authority outside', () => {
  let folder: TempDir;
  let root: Made;
  let middle: Made;
  let count = 0;

  const openssl = (...args: readonly string[]): void => {
    execFileSync('openssl', [...args], { cwd: folder.path, stdio: 'pipe' });
  };
  /** Self-signed where no issuer is named. */
  function make(
    extensions: string,
    {
      issuer,
      key = 'ec',
      curve = 'P-256',
      subject,
      digest = 'sha256',
      days = '2',
    }: {
      issuer?: Made;
      key?: string;
      curve?: string;
      subject?: string;
      digest?: string;
      days?: string;
    } = {},
  ): Made {
    const name = `c${++count}`;
    writeFileSync(join(folder.path, `${name}.cnf`), extensions);
    const kind = key === 'ec' ? ['ec', '-pkeyopt', `ec_paramgen_curve:${curve}`] : [key];
    openssl(
      'req',
      '-newkey',
      ...kind,
      '-nodes',
      '-keyout',
      `${name}.key`,
      '-out',
      `${name}.csr`,
      '-subj',
      subject ?? `/CN=${name}`,
    );
    const by =
      issuer === undefined
        ? ['-signkey', `${name}.key`]
        : ['-CA', `${issuer.name}.pem`, '-CAkey', `${issuer.name}.key`, '-CAcreateserial'];
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
      days,
      `-${digest}`,
      ...by,
    );
    const x509 = new X509Certificate(readFileSync(join(folder.path, `${name}.pem`)));
    return { name, der: x509.raw, publicKey: x509.publicKey.export({ type: 'spki', format: 'der' }) };
  }
  const check = (given: Made, chain: readonly Made[], roots: readonly Made[], more: object = {}) =>
    checkIntermediate({
      ...{ certificate: given.der, publicKey: given.publicKey, nowMs: nowMs + 60_000, trustDomain },
      chain: chain.map(({ der }) => der),
      roots: roots.map(({ der }) => der),
      ...more,
    });
  const refusal = (why: string) =>
    expect.objectContaining({ code: 'CH1871', retryable: true, message: expect.stringContaining(why) });

  beforeAll(() => {
    folder = createTempDir('foreign');
    root = make(ca);
    middle = make(ca, { issuer: root, key: 'rsa:2048' });
  });
  afterAll(() => folder.remove());

  it('is taken with what stands between it and its root, in order, the root left out', () => {
    const below = make(ca, { issuer: middle });
    const given = make(ours + uri, { issuer: below });
    const stray = make(ca);
    const end = Math.min(
      ...[root, middle, below, given].map(({ der }) => Date.parse(new X509Certificate(der).validTo)),
    );
    const checked = check(given, [stray, root, middle, below], [stray, root]);
    expect(checked.chain.map((der) => Buffer.from(der))).toEqual([below.der, middle.der]);
    expect(checked.notAfterMs).toBe(end);
    expect(check(make(ours, { issuer: root }), [], [root]).chain).toEqual([]);
    expect(() => checkRoot(root.der, { nowMs: nowMs + 60_000, trustDomain })).not.toThrow();
  });

  it('of another key, of a wrong chain or of no root of the authority is refused', () => {
    const given = make(ours + uri, { issuer: middle });
    expect(() => check(given, [middle], [root], { publicKey: root.publicKey })).toThrow(refusal('of another key'));
    for (const [chain, roots] of [
      [[], [root]],
      [[make(ca)], [root]],
      [[middle], [make(ca)]],
      [[middle], []],
    ] as const)
      expect(() => check(given, chain, roots)).toThrow(refusal('none of the roots'));
    // The same name, another key.
    const impostor = make(ca, { issuer: root, subject: `/CN=${middle.name}` });
    expect(() => check(given, [impostor], [root])).toThrow(refusal('none of the roots'));
  });

  it('through more authorities than four is refused', () => {
    const chain: Made[] = [];
    for (let index = 0; index < 5; index++) chain.push(make(ca, { issuer: chain.at(-1) ?? root }));
    const given = make(ours, { issuer: chain[4] ?? root });
    expect(() => check(given, chain, [root])).toThrow(refusal('too many'));
  });

  it.each([
    [
      'is no authority',
      'basicConstraints=critical,CA:false\nkeyUsage=keyCertSign\nsubjectKeyIdentifier=hash\n',
      'not one of an authority',
    ],
    ['has no key usage', 'basicConstraints=critical,CA:true\nsubjectKeyIdentifier=hash\n', 'key usage'],
    [
      'may not sign certificates',
      'basicConstraints=critical,CA:true\nkeyUsage=cRLSign,digitalSignature\nsubjectKeyIdentifier=hash\n',
      'key usage',
    ],
    ['is of another trust domain', `${ours}subjectAltName=URI:spiffe://other.example\n`, 'not of the trust domain'],
    [
      'is of a trust domain with a path',
      `${ours}subjectAltName=URI:spiffe://${trustDomain}/a\n`,
      'not of the trust domain',
    ],
    ['permits other hosts only', `${ours}nameConstraints=critical,permitted;URI:other.example\n`, 'name constraints'],
    [
      'permits what is below only',
      `${ours}nameConstraints=critical,permitted;URI:.${trustDomain}\n`,
      'name constraints',
    ],
    ['excludes what the domain is in', `${ours}nameConstraints=critical,excluded;URI:.example\n`, 'name constraints'],
    ['is for clients only', `${ours}extendedKeyUsage=clientAuth\n`, 'extended key usage'],
    ['has an unknown critical extension', `${ours}1.2.3.4=critical,ASN1:NULL\n`, 'critical extension'],
    ['has no key identifier', ours.replace('hash', 'none'), 'key identifier'],
  ])('that %s is refused', (_, extensions, why) => {
    expect(() => check(make(extensions, { issuer: middle }), [middle], [root])).toThrow(refusal(why));
  });

  it.each([
    [
      'name constraints that allow the domain',
      `${ours}nameConstraints=critical,permitted;URI:.example,permitted;DNS:a.example\n`,
    ],
    ['constraints of other names only', `${ours}nameConstraints=critical,permitted;DNS:a.example\n`],
    ['both uses', `${ours}extendedKeyUsage=clientAuth,serverAuth\n`],
    ['any use', `${ours}extendedKeyUsage=anyExtendedKeyUsage\n`],
  ])('with %s is taken', (_, extensions) => {
    expect(check(make(extensions, { issuer: middle }), [middle], [root]).chain).toHaveLength(1);
  });

  it.each([
    ['allows none below it', () => make(`${ca.replace('CA:true', 'CA:true,pathlen:0')}`, { issuer: root }), 'allows 0'],
    [
      'is no authority',
      () => make('basicConstraints=critical,CA:false\nkeyUsage=keyCertSign\n', { issuer: root }),
      'not one of an authority',
    ],
    [
      'is of another trust domain',
      () => make(`${ca}subjectAltName=URI:spiffe://other.example\n`, { issuer: root }),
      'trust domain',
    ],
    ['has RSA of 1024 bits', () => make(ca, { issuer: root, key: 'rsa:1024' }), 'key that Envoy does not take'],
    ['has Ed25519', () => make(ca, { issuer: root, key: 'ed25519' }), 'key that Envoy does not take'],
    ['is signed with SHA-1', () => make(ca, { issuer: root, digest: 'sha1' }), 'SHA-1'],
  ])('below one that %s is refused', (_, between, why) => {
    const issuer = between();
    expect(() => check(make(ours, { issuer }), [issuer], [root])).toThrow(refusal(why));
  });

  it('before and after its time, or that of its root, is refused', () => {
    const given = make(ours, { issuer: root, days: '1' });
    const day = 86_400_000;
    expect(() => check(given, [], [root], { nowMs: nowMs - day })).toThrow(refusal('begins'));
    expect(() => check(given, [], [root], { nowMs: nowMs + 1.5 * day })).toThrow(refusal('the intermediate ended'));
    const long = make(ours, { issuer: root, days: '9' });
    expect(() => check(long, [], [root], { nowMs: nowMs + 3 * day })).toThrow(refusal('its root ended'));
    expect(() => checkRoot(root.der, { nowMs: nowMs + 3 * day, trustDomain })).toThrow('[CH1871]');
  });

  it('that is garbage, truncated or altered is refused', () => {
    const given = make(ours, { issuer: root });
    const altered = Uint8Array.from(given.der);
    altered[altered.length - 1] = (altered.at(-1) ?? 0) ^ 1;
    for (const [certificate, why] of [
      [Buffer.from('<html>'), 'no certificate'],
      [given.der.subarray(0, -3), 'no certificate'],
      [altered, 'none of the roots'],
    ] as const)
      expect(() => check(given, [], [root], { certificate })).toThrow(refusal(why));
    expect(() => check(given, [], [root], { chain: [Buffer.from([1, 2])] })).toThrow(refusal('no certificate'));
    expect(() => checkRoot(given.der, { nowMs: nowMs + 60_000, trustDomain })).toThrow('self-signed');
  });
});
