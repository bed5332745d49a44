// The contract of a provider of our own roots (src/ca/contract.ts), as tests over any rig.
import { X509Certificate } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { KeptRoots } from '../../src/ca/kept-root.ts';
import { generateKeyPair, publicKeyId, randomSerial, signLeaf } from '../../src/ca/x509.ts';
import { describeWithOpenssl } from '../support/certificates.ts';
import type { FakeClock } from '../support/fake-clock.ts';
import { createTempDir, type TempDir } from '../support/temp-dir.ts';
import { opensslVerify } from '../unit/ca/openssl.ts';

export interface RigOptions {
  readonly trustDomain?: string;
  readonly lifeMs?: number;
  /** What the journal says. */
  readonly bundle?: readonly string[];
}

export interface RootsRig {
  readonly clock: FakeClock;
  /** A provider as one more replica has it, at the same place. */
  provider(options?: RigOptions): KeptRoots;
  /** No key can be used from now on, as after a loss. */
  loseKeys(): void;
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

    describe('one root after another', () => {
      const ids = async (provider: KeptRoots): Promise<readonly string[]> =>
        (await provider.reload()).roots.map(({ keyId }) => keyId);
      /** The key id of the root that an intermediate made now chains to. */
      async function signer(provider: KeptRoots): Promise<string | undefined> {
        const { publicKey } = generateKeyPair();
        const { certificate } = await provider.signIntermediate({ publicKey, lifeMs: day });
        const made = new X509Certificate(certificate);
        const { roots } = await provider.reload();
        return roots.find((root) => made.verify(new X509Certificate(root.certificate).publicKey))?.keyId;
      }
      async function opened(): Promise<{ readonly provider: KeptRoots; readonly first: string }> {
        const provider = rig.provider();
        const [root] = (await provider.open()).roots;
        return { provider, first: root?.keyId ?? '' };
      }

      it('is made once by all that prepare it at once, and used by nobody yet', async () => {
        const { provider, first } = await opened();
        const others = Array.from({ length: 6 }, () => rig.provider());
        const made = new Set(await Promise.all(others.map((other) => other.prepare(2))));
        expect(made.size).toBe(1);
        expect(made.has(first)).toBe(false);
        expect(await ids(provider)).toEqual([first]);
        const kept = rig.kept();
        expect(made.has(await provider.prepare(2))).toBe(true);
        expect(rig.kept()).toBe(kept);
      });

      it('signs once it stands first, and every change has a greater generation', async () => {
        const { provider, first } = await opened();
        let before = first;
        const generations = [(await provider.reload()).generation];
        for (const slot of [2, 3]) {
          const next = await provider.prepare(slot);
          for (const bundle of [[before, next], [next, before], [next]]) {
            await provider.order(bundle);
            expect(await ids(provider)).toEqual(bundle);
            expect(await signer(provider)).toBe(bundle[0]);
            generations.push((await provider.reload()).generation);
            // Whoever starts now has the same.
            expect(await rig.provider({ bundle }).open()).toEqual(await provider.reload());
          }
          before = next;
        }
        expect(generations).toEqual([1, 2, 3, 4, 5, 6, 7]);
      });

      it('retired, has no key any more, signs for nobody and is never made again', async () => {
        const { provider, first } = await opened();
        const next = await provider.prepare(2);
        await provider.order([next, first]);
        await expect(provider.retire(first)).rejects.toThrow('in use');
        await provider.order([next]);
        await Promise.all([provider, rig.provider()].map((one) => one.retire(first)));
        const kept = rig.kept();
        await provider.retire(first);
        expect(rig.kept()).toBe(kept);
        await expect(provider.prepare(1)).rejects.toThrow('[CH1801]');
        await expect(provider.order([next, first])).rejects.toThrow('[CH1801]');
        expect(await ids(provider)).toEqual([next]);
        expect(await signer(provider)).toBe(next);
        // Without a journal nobody guesses, even where only one is left.
        await expect(rig.provider().open()).rejects.toThrow('[CH1803]');
        expect(rig.kept()).toBe(kept);
      });

      it('refuses a bundle of roots that are not kept, and makes none', async () => {
        const { provider, first } = await opened();
        const kept = rig.kept();
        await expect(rig.provider({ bundle: ['00'.repeat(32)] }).open()).rejects.toThrow('[CH1801]');
        await expect(provider.order([first, '00'.repeat(32)])).rejects.toThrow('[CH1801]');
        expect(await ids(provider)).toEqual([first]);
        expect(rig.kept()).toBe(kept);
      });

      it('refuses the next root too where its key is lost, and leaves it as it is', async () => {
        const { provider, first } = await opened();
        const next = await provider.prepare(2);
        rig.loseKeys();
        const kept = rig.kept();
        await expect(provider.prepare(2)).rejects.toThrow(/\[CH180[16]\]/);
        await expect(provider.order([first, next])).rejects.toThrow(/\[CH180[16]\]/);
        await expect(rig.provider({ bundle: [first, next] }).open()).rejects.toThrow(/\[CH180[16]\]/);
        expect(rig.kept()).toBe(kept);
      });
    });
  });
}
