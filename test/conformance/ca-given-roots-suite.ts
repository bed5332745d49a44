// The contract of a provider whose root somebody else keeps (src/ca/contract.ts), as tests over any rig: what every leaf below
// it is worth to openssl, and that nothing is made or guessed.
import { X509Certificate } from 'node:crypto';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { RootProvider, Roots } from '../../src/ca/contract.ts';
import { acceptIntermediate } from '../../src/ca/intermediate.ts';
import { generateKeyPair, publicKeyId, randomSerial, signLeaf } from '../../src/ca/x509.ts';
import { describeWithOpenssl } from '../support/certificates.ts';
import type { FakeClock } from '../support/fake-clock.ts';
import { createTempDir, type TempDir } from '../support/temp-dir.ts';
import { opensslVerify } from '../unit/ca/openssl.ts';

export interface GivenRootsRig {
  readonly clock: FakeClock;
  /** DER of the root that signs. */
  readonly root: Uint8Array;
  /** A provider as one more replica has it. */
  provider(): RootProvider & { reload(): Promise<Roots> };
  /** What is given cannot be had from now on. */
  lose(): void;
  /** The same authority of the keeper, of another root, of which nobody knew before. Resolves when it can be had. */
  replace(): Promise<{ readonly root: Uint8Array }>;
  /** Every proxy trusts what it is told, and enough time has passed. */
  confirm(): void;
  [Symbol.dispose](): void;
}

const hour = 3_600_000;
export const givenTrustDomain = 'mesh.example';

export function givenRootsConformance(kind: string, makeRig: () => GivenRootsRig): void {
  describeWithOpenssl(`roots given as ${kind}`, () => {
    let rig: GivenRootsRig;
    let folder: TempDir;
    beforeEach(() => {
      rig = makeRig();
      folder = createTempDir('given-roots');
    });
    afterEach(() => {
      rig[Symbol.dispose]();
      folder.remove();
    });

    const keyIdOf = (der: Uint8Array): string =>
      publicKeyId(new X509Certificate(der).publicKey.export({ type: 'spki', format: 'der' }));

    /** A leaf below an intermediate that was had now, and what openssl says of it. */
    async function leafBelow(provider: RootProvider, roots: Roots) {
      const pair = generateKeyPair();
      const given = await provider.signIntermediate({ publicKey: pair.publicKey, lifeMs: hour });
      const nowMs = rig.clock.wall();
      const accepted = acceptIntermediate(given, { publicKey: pair.publicKey, roots, nowMs });
      const leaf = signLeaf(
        { certificate: given.certificate, key: pair.privateKey },
        {
          ...{ publicKey: generateKeyPair().publicKey, spiffeId: `spiffe://${givenTrustDomain}/svc/web` },
          ...{ validity: { notBeforeMs: nowMs - 60_000, notAfterMs: nowMs + hour / 2 }, serial: randomSerial() },
        },
      );
      const verify = (root: Uint8Array, purpose: 'sslclient' | 'sslserver', intermediates = accepted.chain) =>
        opensslVerify(folder.path, { root, intermediates, leaf }, { purpose, ms: nowMs + 1_000 });
      return { accepted, verify };
    }

    it('names its kind, and has the roots that were given', async () => {
      const provider = rig.provider();
      expect(provider.kind).toBe(kind);
      const { roots } = await provider.open();
      expect(roots[0]?.keyId).toBe(keyIdOf(rig.root));
      expect(Buffer.from(roots[0]?.certificate ?? []).equals(rig.root)).toBe(true);
      expect(roots[0]?.notAfterMs).toBe(Date.parse(new X509Certificate(rig.root).validTo));
    });

    it('is the same on every replica and at every look, and each has an intermediate of its own', async () => {
      const providers = Array.from({ length: 4 }, () => rig.provider());
      const opened = await Promise.all(providers.map((one) => one.open()));
      for (const roots of opened) expect(roots).toEqual(opened[0]);
      for (const one of providers) expect(await one.reload()).toEqual(opened[0]);
    });

    it.each(['sslclient', 'sslserver'] as const)(
      'a leaf, its chain, then the root: openssl agrees for %s',
      async (use) => {
        const provider = rig.provider();
        const roots = await provider.open();
        const { accepted, verify } = await leafBelow(provider, roots);
        expect(accepted.root).toBe(roots.roots[0]?.keyId);
        expect(verify(rig.root, use)).toMatchObject({ ok: true });
        // What stands between is needed, and no root is part of it.
        expect(verify(rig.root, use, accepted.chain.slice(0, -1)).ok).toBe(false);
        for (const der of accepted.chain) expect(Buffer.from(der).equals(rig.root)).toBe(false);
      },
    );

    it('an intermediate that ends sooner than was asked for says so', async () => {
      const provider = rig.provider();
      await provider.open();
      const { publicKey } = generateKeyPair();
      const signed = await provider.signIntermediate({ publicKey, lifeMs: 3_650 * 24 * hour });
      expect(signed.notAfterMs).toBe(Date.parse(new X509Certificate(signed.certificate).validTo));
      expect(signed.notAfterMs).toBeLessThan(rig.clock.wall() + 3_650 * 24 * hour);
    });

    it('T5: signs no key that is not of P-256', async () => {
      const provider = rig.provider();
      await provider.open();
      const asked = provider.signIntermediate({ publicKey: Buffer.alloc(91, 7), lifeMs: hour });
      await expect(asked).rejects.toThrow('[CH1810]');
    });

    it('signs nothing before it was opened', async () => {
      const { publicKey } = generateKeyPair();
      await expect(rig.provider().signIntermediate({ publicKey, lifeMs: hour })).rejects.toThrow('open()');
    });

    it('what cannot be had at a start is refused; what was there is used on', async () => {
      const provider = rig.provider();
      const roots = await provider.open();
      rig.lose();
      await expect(rig.provider().open()).rejects.toThrow(/\[CH18\d\d\]/);
      expect(await provider.reload()).toEqual(roots);
    });

    it('another root is told before anything chains to it, then signs', async () => {
      const provider = rig.provider();
      const first = await provider.open();
      expect((await leafBelow(provider, first)).verify(rig.root, 'sslserver').ok).toBe(true);
      const { root } = await rig.replace();
      const told = await provider.reload();
      expect(told.roots.map(({ keyId }) => keyId)).toEqual([keyIdOf(rig.root), keyIdOf(root)]);
      expect(told.generation).toBeGreaterThan(first.generation);
      expect((await leafBelow(provider, told)).verify(rig.root, 'sslserver').ok).toBe(true);
      rig.confirm();
      const after = await provider.reload();
      expect(after.roots[0]?.keyId).toBe(keyIdOf(root));
      expect((await leafBelow(provider, after)).verify(root, 'sslserver').ok).toBe(true);
    });
  });
}
