// Client certificates: which name counts, and what is refused however well it was signed.
import { generateKeyPairSync } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createCertificateVerifier } from '../../../src/identity/client-certificate.ts';
import type { Caller } from '../../../src/model/principal.ts';
import { createFakeClock } from '../../support/fake-clock.ts';
import { propertyParameters } from '../../support/property-runs.ts';
import { type CertificateParts, dns, makeCertificate, newKeys, uri } from './certificates.ts';
import { credentials, outcome, principal, trustDomain, webId } from './rig.ts';

const clock = createFakeClock();
const hour = 3_600_000;
const times = { notBeforeMs: clock.wall() - hour, notAfterMs: clock.wall() + hour };
const keys = newKeys();
const verifier = createCertificateVerifier({ clock }, { trustDomain });
const verify = (certificate: Uint8Array): Caller => verifier.verify(credentials({ certificate })) as Caller;
const made = (parts: Partial<CertificateParts>): Uint8Array =>
  makeCertificate({ names: [uri(webId)], ...times, keys, ...parts });

describe('the principal of a certificate', () => {
  it('is the service of its name', () => {
    const serial = Buffer.from('00c0ffee00c0ffee00c0ffee00c0ffee01', 'hex');
    expect(verify(made({ serial }))).toEqual({
      id: webId,
      services: ['web'],
      gateways: [],
      issuedAtMs: times.notBeforeMs,
      notAfterMs: times.notAfterMs,
      credential: { kind: 'certificate', id: 'c0ffee00c0ffee00c0ffee00c0ffee01' },
    });
  });

  it('is a service of another namespace, or a gateway', () => {
    const id = `spiffe://${trustDomain}/ns/prod/svc/web`;
    expect(principal(verify(made({ names: [uri(id)] }))).services).toEqual(['prod|web']);
    const gateway = principal(verify(made({ names: [uri(`spiffe://${trustDomain}/gateway/edge`)] })));
    expect(gateway).toMatchObject({ services: [], gateways: ['edge'] });
  });

  it('may have names of other kinds beside it', () => {
    expect(outcome(verify(made({ names: [dns('web.example'), uri(webId)] })))).toBe('accepted');
  });

  it('needs TLS and a certificate', () => {
    expect(verifier.verify(credentials())).toBeUndefined();
    expect(verifier.verify(credentials({ tls: false, certificate: made({}) }))).toBeUndefined();
  });
});

describe('T5: names that are not one name', () => {
  it.each<[string, readonly Uint8Array[]]>([
    ['the same twice', [uri(webId), uri(webId)]],
    ['two in one, parted as the library prints them', [uri(`${webId}, URI:spiffe://${trustDomain}/svc/api`)]],
    ['a NUL at the end', [uri(`${webId}\0`)]],
    ['a NUL and another domain', [uri(`${webId}\0.bank.example`)]],
    ['a NUL in a name beside it', [uri(webId), dns('web\0.example')]],
    ['a quote', [uri(`${webId}"`)]],
    ['a line end', [uri(`${webId}\n`)]],
    ['a letter outside ASCII', [uri(`${webId}\u00e9`)]],
    ['dots', [uri(`spiffe://${trustDomain}/svc/../svc/web`)]],
    ['percent', [uri(`spiffe://${trustDomain}/svc/%77eb`)]],
    ['a slash at the end', [uri(`${webId}/`)]],
    ['a query', [uri(`${webId}?a=b`)]],
    ['a port', [uri(`spiffe://${trustDomain}:443/svc/web`)]],
    ['a user', [uri(`spiffe://web@${trustDomain}/svc/web`)]],
    ['capitals in the domain', [uri(`spiffe://${trustDomain.toUpperCase()}/svc/web`)]],
    ['another scheme', [uri(`https://${trustDomain}/svc/web`)]],
    ['only the domain', [uri(`spiffe://${trustDomain}`)]],
    ['the default namespace spelled out', [uri(`spiffe://${trustDomain}/ns/default/svc/web`)]],
    ['a name as a host', [dns(webId)]],
    ['an empty name', [uri('')]],
  ])('%s', (_, names) => {
    expect(outcome(verify(made({ names })))).toBe('malformed');
  });

  it('never make another principal, whatever bytes stand in them', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 40 }), { minLength: 1, maxLength: 3 }), (texts) => {
        const names = texts.map((bytes) => uri(webId + Buffer.from(bytes).toString('latin1')));
        const caller = verify(made({ names }));
        if ('refused' in caller) return;
        const text = webId + Buffer.from(texts[0] ?? []).toString('latin1');
        expect([texts.length, caller.id]).toEqual([1, text]);
      }),
      propertyParameters(150),
    );
  });
});

describe('T20: certificates that are no client’s', () => {
  it.each<[string, () => Uint8Array]>([
    ['for servers only', () => made({ uses: [1] })],
    ['for servers too, as proxies show them to each other', () => made({ uses: [1, 2] })],
    ['without a use', () => made({ uses: [] })],
    ['of an authority', () => made({ ca: true })],
    ['with bytes behind it', () => Buffer.concat([made({}), Buffer.from([0])])],
    ['in PEM', () => Buffer.from(`-----BEGIN CERTIFICATE-----\n${Buffer.from(made({})).toString('base64')}\n`)],
    ['cut short', () => made({}).subarray(0, -1)],
    [
      'of more than 16 kB',
      () => made({ names: [uri(webId), ...Array.from({ length: 700 }, () => dns('x'.repeat(30)))] }),
    ],
    ['of no bytes', () => Buffer.alloc(0)],
  ])('%s', (_, certificate) => {
    expect(outcome(verify(certificate()))).toBe('malformed');
  });

  it('takes one that serves too from another authority, whose certificates are no proxy’s', () => {
    const certificate = made({ uses: [1, 2] });
    const foreign = createCertificateVerifier({ clock }, { trustDomain, servers: true });
    expect(outcome(foreign.verify(credentials({ certificate })) as Caller)).toBe('accepted');
  });

  it('takes RSA of a usual size', () => {
    const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
    // The signature says ECDSA, which nobody looks at here: the chain is the TLS library's affair.
    expect(outcome(verify(made({ keys: rsa })))).toBe('accepted');
  });
});

it('T14: is looked at again on every stream', () => {
  const certificate = made({});
  expect(outcome(verify(certificate))).toBe('accepted');
  clock.advance(hour);
  expect(outcome(verify(certificate))).toBe('expired');
  clock.setWall(times.notBeforeMs - 1000);
  expect(outcome(verify(certificate))).toBe('not-yet-valid');
});
