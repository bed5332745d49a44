// What was renewed from a credential ends with it, whichever of them is named; and what a node gets later does not.
import { X509Certificate } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { generateKeyPair, randomSerial, selfSignedRoot, signIntermediate, signNode } from '../../../src/ca/x509.ts';
import { createEnrolment, type Enrolled } from '../../../src/control/enrolment.ts';
import { createAuthenticator } from '../../../src/identity/authenticator.ts';
import { certificateMark, readCertificateMark } from '../../../src/identity/certificate-mark.ts';
import { createCertificateVerifier } from '../../../src/identity/client-certificate.ts';
import { createFamilies } from '../../../src/identity/families.ts';
import { createRevocations } from '../../../src/identity/revocations.ts';
import { revocableNames } from '../../../src/model/revocable.ts';
import { bearer, createRig, credentials, outcome, principal, type Rig, trustDomain, webId } from './rig.ts';

const hour = 3_600_000;
const family = 'f'.repeat(32);
const request = { id: webId, services: ['web'], gateways: [] };

/** A certificate of a node, as the authority makes it. */
function nodeCertificate({ clock }: Rig, mark?: string): Uint8Array {
  const validity = { notBeforeMs: clock.wall() - hour, notAfterMs: clock.wall() + hour };
  const [rootPair, pair, own] = [generateKeyPair(), generateKeyPair(), generateKeyPair()];
  const root = selfSignedRoot(rootPair, { trustDomain, validity, serial: randomSerial() });
  const certificate = signIntermediate(
    { certificate: root, key: rootPair.privateKey },
    { trustDomain, validity, serial: randomSerial(), publicKey: pair.publicKey },
  );
  return signNode(
    { certificate, key: pair.privateKey },
    {
      ...{ validity, serial: randomSerial(), spiffeId: webId, publicKey: own.publicKey },
      ...(mark === undefined ? {} : { mark }),
    },
  );
}

describe('families of credentials', () => {
  it('T15: what was renewed from a revoked token holds no more, and what is of another family does', async () => {
    const rig = await createRig();
    const [first, second, other] = [
      await rig.tokens.issue({ ...request, family }),
      await rig.tokens.issue({ ...request, family }),
      await rig.tokens.issue(request),
    ];
    const ask = async (text: string) => outcome(await rig.authenticator.authenticate(bearer(text)));
    expect([await ask(first.text), await ask(second.text)]).toEqual(['accepted', 'accepted']);
    const told: string[] = [];
    rig.authenticator.onRevoked((ids) => told.push(...ids));
    await rig.revocations.revoke('family', family, rig.clock.wall() + hour);
    expect([await ask(first.text), await ask(second.text), await ask(other.text)]).toEqual([
      ...['revoked', 'revoked', 'accepted'],
    ]);
    expect(told).toEqual([family]);
  });

  it('T15: begin with a token that names none', async () => {
    const rig = await createRig();
    const old = await rig.tokens.issue(request);
    const renewed = await rig.tokens.issue({ ...request, family: old.credentialId });
    await rig.revocations.revoke('family', old.credentialId, rig.clock.wall() + hour);
    for (const { text } of [old, renewed])
      expect(outcome(await rig.authenticator.authenticate(bearer(text)))).toBe('revoked');
  });

  it('T15: are read in certificates of nodes, which say since when they are', async () => {
    const rig = await createRig();
    const sinceMs = Math.floor(rig.clock.wall() / 1000) * 1000;
    const certificate = nodeCertificate(rig, certificateMark({ family, sinceMs }));
    const caller = principal(await rig.authenticator.authenticate(credentials({ certificate })));
    expect([caller.credential.family, caller.sinceMs]).toEqual([family, sinceMs]);
    expect(readCertificateMark(new X509Certificate(nodeCertificate(rig)))).toBeUndefined();
    await rig.revocations.revoke('family', family, rig.clock.wall() + hour);
    expect(outcome(await rig.authenticator.authenticate(credentials({ certificate })))).toBe('revoked');
  });

  it('T15: a certificate of a node is no credential once what signed it is tainted', async () => {
    const rig = await createRig();
    const certificate = nodeCertificate(rig);
    const caller = principal(await rig.authenticator.authenticate(credentials({ certificate })));
    const { issuer = '' } = caller.credential;
    expect(Buffer.from(certificate).toString('hex')).toContain(`8014${issuer}`);
    expect(issuer).toMatch(/^[0-9a-f]{40}$/);
    const told: string[] = [];
    rig.authenticator.onRevoked((ids) => told.push(...ids));
    await rig.revocations.revoke('issuer', issuer, rig.clock.wall() + hour);
    expect(outcome(await rig.authenticator.authenticate(credentials({ certificate })))).toBe('revoked');
    expect(told).toEqual(revocableNames(caller).flatMap(({ kind, id }) => (kind === 'issuer' ? [id] : [])));
    const other = nodeCertificate(rig);
    expect(outcome(await rig.authenticator.authenticate(credentials({ certificate: other })))).toBe('accepted');
  });

  it('T15: of a certificate beside a token end what both opened', async () => {
    const rig = await createRig();
    const { text } = await rig.tokens.issue(request);
    const certificate = nodeCertificate(rig, certificateMark({ family, sinceMs: rig.clock.wall() }));
    const both = { ...bearer(text), certificate };
    const caller = principal(await rig.authenticator.authenticate(both));
    const serial = new X509Certificate(certificate).serialNumber.toLowerCase();
    const names = revocableNames(caller).map(({ id }) => id);
    expect(names).toEqual(expect.arrayContaining([serial, family, caller.credential.id]));
    await rig.revocations.revoke('certificate', serial, rig.clock.wall() + hour);
    expect(outcome(await rig.authenticator.authenticate(both))).toBe('revoked');
    expect(outcome(await rig.authenticator.authenticate(bearer(text)))).toBe('accepted');
  });

  it('T15: the node and the identity are revoked for what they have until then', async () => {
    const rig = await createRig();
    const now = async (nodeId?: string) =>
      bearer((await rig.tokens.issue({ ...request, ...(nodeId === undefined ? {} : { nodeId }) })).text);
    const [bound, unbound] = [await now('Web 1'), await now()];
    const ask = async (who: ReturnType<typeof bearer>) => outcome(await rig.authenticator.authenticate(who));
    await rig.revocations.revoke('node', 'Web 1', rig.clock.wall() + hour);
    expect([await ask(bound), await ask(unbound)]).toEqual(['revoked', 'accepted']);
    await rig.revocations.revoke('identity', webId, rig.clock.wall() + hour);
    expect(await ask(unbound)).toBe('revoked');
    await rig.clock.advanceAsync(2_000);
    expect([await ask(await now('Web 1')), await ask(bound)]).toEqual(['accepted', 'revoked']);
    // Another replica, or this one after a restart, reads the same.
    await rig.revocations.open();
    expect(rig.revocations.list().map(({ kind, id }) => `${kind} ${id}`)).toEqual([
      ...['node Web 1', `identity ${webId}`],
    ]);
    await rig.revocations.revoke('node', 'Web 1', rig.clock.wall() + hour);
    expect(await ask(await now('Web 1'))).toBe('revoked');
  });

  it('T15: what a replica renewed that had not heard of it yet does not outlive the revocation of an identity', async () => {
    const rig = await createRig();
    const { store, clock, log, metrics, tokens } = rig;
    const revocations = createRevocations({ store, clock, log, metrics });
    await revocations.open();
    const verifiers = [tokens, createCertificateVerifier({ clock }, { trustDomain })];
    const behind = createAuthenticator({ verifiers, revocations, clock, log, metrics });
    const enrolment = createEnrolment(
      {
        ...{ clock, log, nodeTokens: tokens, families: createFamilies({ store, clock, log }) },
        joinTokens: {
          isListed: async () => true,
          redeem: async () => ({ id: family, services: principal(caller).services, gateways: [], expiresAtMs: 0 }),
        },
        authority: {
          roots: () => ({ generation: 1, roots: [] }),
          certify: async ({ spiffeId, mark }) => ({
            ...{ spiffeId, chain: [nodeCertificate(rig, mark)], serial: 'a', root: '', issuer: '' },
            ...{ notBeforeMs: 0, notAfterMs: clock.wall() + hour, renewAtMs: 0 },
          }),
        },
      },
      { trustDomain, lifeMs: hour },
    );
    const shown = ({ credential }: Enrolled) =>
      credential.kind === 'token'
        ? bearer(credential.token)
        : credentials({ certificate: new Uint8Array(new X509Certificate(credential.chain).raw) });
    const caller = await behind.authenticate(bearer((await tokens.issue(request)).text));
    const publicKey = Buffer.from('key');
    const address = '192.0.2.7';
    const done = async (enrolled: ReturnType<typeof enrolment.renew>) => shown((await enrolled) as Enrolled);
    const certified = await done(enrolment.renew(principal(caller), { address, publicKey }));
    await clock.advanceAsync(2_000);
    await rig.revocations.revoke('identity', webId, clock.wall() + hour);
    await clock.advanceAsync(2_000);
    const late = [
      await done(enrolment.renew(principal(await behind.authenticate(certified)), { address })),
      await done(enrolment.renew(principal(caller), { address, publicKey })),
    ];
    late.push(await done(enrolment.renew(principal(await behind.authenticate(late[0] ?? certified)), { address })));
    for (const one of late) expect(outcome(await behind.authenticate(one))).toBe('accepted');
    const joined = await done(enrolment.join({ address, token: 'again' }));
    await revocations.open();
    for (const one of late) expect(outcome(await behind.authenticate(one))).toBe('revoked');
    // Who joins again is of a family that began later.
    const renewed = await done(enrolment.renew(principal(await behind.authenticate(joined)), { address, publicKey }));
    for (const one of [joined, renewed]) expect(outcome(await behind.authenticate(one))).toBe('accepted');
  });

  it('are found by the id of any member, and forgotten after its end', async () => {
    const { store, clock, log, tokens } = await createRig();
    const families = createFamilies({ store, clock, log });
    const { credentialId } = await tokens.issue(request);
    await families.remember('token', { id: credentialId, family, notAfterMs: clock.wall() + hour });
    expect(await families.of('token', credentialId)).toBe(family);
    expect(await families.of('certificate', credentialId)).toBe(credentialId);
    await clock.advanceAsync(7 * hour);
    await families.remember('token', { id: 'a'.repeat(32), family, notAfterMs: clock.wall() + hour });
    await expect.poll(() => [...store.entries.keys()].filter((key) => key.includes(credentialId))).toEqual([]);
    expect(await families.of('token', 'a'.repeat(32))).toBe(family);
  });
});
