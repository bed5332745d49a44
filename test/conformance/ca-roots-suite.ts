// The contract of a provider of our own roots (src/ca/contract.ts), as tests over any rig.
import { X509Certificate } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { RootProvider } from '../../src/ca/contract.ts';
import { generateKeyPair, publicKeyId, randomSerial, signLeaf } from '../../src/ca/x509.ts';
import { describeWithOpenssl } from '../support/certificates.ts';
import type { FakeClock } from '../support/fake-clock.ts';
import { createTempDir, type TempDir } from '../support/temp-dir.ts';
import { opensslVerify } from '../unit/ca/openssl.ts';

export interface RootsRig {
  readonly clock: FakeClock;
  /** A provider as one more replica has it, at the same place. */
  provider(options?: { readonly trustDomain?: string; readonly lifeMs?: number }): RootProvider;
  /** Everything that is kept, in one text that is equal only if nothing changed. */
  kept(): string;
  /** Takes away what is kept. */
  clear(): void;
  [Symbol.dispose](): void;
}

export interface RootsRigSetup {
  readonly kind: string;
  readonly rig: () => RootsRig;
}

const hour = 3_600_000;
const day = 24 * hour;
const year = 365 * day;
export const suiteTrustDomain = 'mesh.example';
export const suiteLifeMs = 10 * year;

export function rootsConformance({ kind, rig: makeRig }: RootsRigSetup): void {
  describe(`roots in ${kind}`, () => {
    let rig: RootsRig;
    let folder: TempDir;
    beforeEach(() => {
      rig = makeRig();
      folder = createTempDir('roots');
    });
    afterEach(() => {
      rig[Symbol.dispose]();
      folder.remove();
    });

    it('names its kind, and makes one root of the life that was asked for', async () => {
      const provider = rig.provider();
      expect(provider.kind).toBe(kind);
      const { generation, roots } = await provider.open();
      expect(generation).toBe(1);
      expect(roots).toHaveLength(1);
      const [root] = roots;
      const certificate = new X509Certificate(root?.certificate ?? '');
      expect(root?.keyId).toBe(publicKeyId(certificate.publicKey.export({ type: 'spki', format: 'der' })));
      expect(root?.notAfterMs).toBe(rig.clock.wall() + suiteLifeMs);
      expect(Date.parse(certificate.validTo)).toBe(root?.notAfterMs);
      expect(Date.parse(certificate.validFrom)).toBeLessThan(rig.clock.wall());
      expect(certificate.subjectAltName).toBe(`URI:spiffe://${suiteTrustDomain}`);
    });

    it('is the same after every restart, and writes nothing then', async () => {
      const first = await rig.provider().open();
      const kept = rig.kept();
      rig.clock.setWall(rig.clock.wall() + year);
      expect(await rig.provider({ lifeMs: year }).open()).toEqual(first);
      expect(rig.kept()).toBe(kept);
    });

    it('replicas that start at once agree on one root, whose key all of them can use', async () => {
      const providers = Array.from({ length: 12 }, () => rig.provider());
      const opened = await Promise.all(providers.map((provider) => provider.open()));
      expect(new Set(opened.map(({ roots }) => roots[0]?.keyId)).size).toBe(1);
      const root = new X509Certificate(opened[0]?.roots[0]?.certificate ?? '');
      for (const provider of providers) {
        const { certificate } = await provider.signIntermediate({
          publicKey: generateKeyPair().publicKey,
          lifeMs: day,
        });
        expect(new X509Certificate(certificate).verify(root.publicKey)).toBe(true);
      }
    });

    describeWithOpenssl('and the chain', () => {
      it.each(['sslclient', 'sslserver'] as const)(
        'a leaf, its intermediate, then the root: openssl agrees for %s',
        async (purpose) => {
          const provider = rig.provider();
          const { roots } = await provider.open();
          const pair = generateKeyPair();
          const { certificate, chain, notAfterMs } = await provider.signIntermediate({
            publicKey: pair.publicKey,
            lifeMs: day,
          });
          // The root is never part of a chain.
          expect(chain).toEqual([]);
          expect(notAfterMs).toBe(rig.clock.wall() + day);
          const leaf = signLeaf(
            { certificate, key: pair.privateKey },
            {
              publicKey: generateKeyPair().publicKey,
              spiffeId: `spiffe://${suiteTrustDomain}/svc/web`,
              validity: { notBeforeMs: rig.clock.wall(), notAfterMs: rig.clock.wall() + hour },
              serial: randomSerial(),
            },
          );
          const root = roots[0]?.certificate ?? new Uint8Array(0);
          const at = { purpose, ms: rig.clock.wall() + 1000 };
          expect(opensslVerify(folder.path, { root, intermediates: [certificate], leaf }, at)).toMatchObject({
            ok: true,
          });
          expect(opensslVerify(folder.path, { root, intermediates: [], leaf }, at).ok).toBe(false);
        },
      );
    });

    it('an intermediate ends with its root, and says so', async () => {
      const provider = rig.provider({ lifeMs: day });
      const { roots } = await provider.open();
      const signed = await provider.signIntermediate({ publicKey: generateKeyPair().publicKey, lifeMs: 7 * day });
      expect(signed.notAfterMs).toBe(roots[0]?.notAfterMs);
      expect(Date.parse(new X509Certificate(signed.certificate).validTo)).toBe(signed.notAfterMs);
    });

    it('T5: signs no key that is not of P-256', async () => {
      const provider = rig.provider();
      await provider.open();
      await expect(provider.signIntermediate({ publicKey: Buffer.alloc(91, 7), lifeMs: day })).rejects.toThrow(
        '[CH1810]',
      );
    });

    it('signs nothing before it was opened', async () => {
      await rig.provider().open();
      await expect(
        rig.provider().signIntermediate({ publicKey: generateKeyPair().publicKey, lifeMs: day }),
      ).rejects.toThrow('open()');
    });

    it.each([
      ['ended', 10 * year + hour],
      ['has not begun, for the clock went back', -30 * day],
    ])('a root that %s is refused and left as it is', async (_, jumpMs) => {
      const provider = rig.provider();
      await provider.open();
      const kept = rig.kept();
      rig.clock.setWall(rig.clock.wall() + jumpMs);
      await expect(rig.provider().open()).rejects.toThrow('[CH1804]');
      const signing = provider.signIntermediate({ publicKey: generateKeyPair().publicKey, lifeMs: day });
      await expect(signing).rejects.toThrow('[CH1804]');
      expect(rig.kept()).toBe(kept);
    });

    it('a root of another trust domain is refused and left as it is', async () => {
      await rig.provider().open();
      const kept = rig.kept();
      await expect(rig.provider({ trustDomain: 'other.example' }).open()).rejects.toThrow(
        /\[CH180[38]\].*mesh\.example/,
      );
      expect(rig.kept()).toBe(kept);
    });

    it('a root that was exchanged or taken away signs nothing for those that know the old one', async () => {
      const provider = rig.provider();
      await provider.open();
      rig.clear();
      const sign = (): Promise<unknown> =>
        provider.signIntermediate({ publicKey: generateKeyPair().publicKey, lifeMs: day });
      await expect(sign()).rejects.toThrow('[CH1801]');
      await rig.provider().open();
      await expect(sign()).rejects.toThrow('[CH1803]');
    });
  });
}
