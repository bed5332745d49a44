// The contract of a provider whose root an authority outside keeps (src/ca/contract.ts), as tests over any such authority.
import { sign, X509Certificate } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { RootProvider } from '../../src/ca/contract.ts';
import {
  createForeignRoots,
  type ForeignAuthority,
  type ForeignRoots,
  type ForeignRootsDeps,
} from '../../src/ca/foreign-roots.ts';
import { acceptIntermediate } from '../../src/ca/intermediate.ts';
import { generateKeyPair, randomSerial, signLeaf } from '../../src/ca/x509.ts';
import { silentLogger } from '../../src/util/log.ts';
import { noMetrics } from '../../src/util/metrics.ts';
import { describeWithOpenssl } from '../support/certificates.ts';
import { eventually } from '../support/eventually.ts';
import type { FakeClock } from '../support/fake-clock.ts';
import { createTempDir } from '../support/temp-dir.ts';
import { createMemoryStore, type MemoryStore } from '../unit/ca/memory-store.ts';
import { opensslText, opensslVerify } from '../unit/ca/openssl.ts';

export const outsideTrustDomain = 'mesh.example';

export interface OutsideRig extends AsyncDisposable {
  /** Shows the time of the machine, and what it was moved on by. */
  readonly clock: FakeClock;
  /** As a replica asks it. */
  readonly authority: ForeignAuthority;
  /** With a credential that it does not take. */
  readonly unwelcome: ForeignAuthority;
  /** A second root is given; the first signs. */
  another(): Promise<void>;
  /** The second signs; both are given. */
  takeOver(): Promise<void>;
  /** The first is given no more. */
  drop(): Promise<void>;
  /** The third is given and signs; no other is given. Left out where nobody would believe that. */
  readonly exchange?: () => Promise<void>;
  stop(): Promise<void>;
  start(): Promise<void>;
}

const minute = 60_000;
const hour = 60 * minute;
const day = 24 * hour;
const limits = { startMs: minute, holdMs: 2 * minute, patienceMs: hour, leavingMs: 70 * minute };

/** With the limits of the suite; what it keeps is not sealed. */
export function replicaOf(deps: Pick<ForeignRootsDeps, 'clock' | 'store' | 'authority'>): ForeignRoots {
  const same = async (bytes: Uint8Array): Promise<Uint8Array> => bytes;
  return createForeignRoots(
    { ...deps, log: silentLogger, metrics: noMetrics, seal: same, unseal: same, confirmed: async () => true },
    { ...limits, kind: 'outside', trustDomain: outsideTrustDomain },
  );
}

/** The tests go on from one another: an authority is started once. */
export function outsideConformance({
  kind,
  exchanges = false,
  rig: makeRig,
}: {
  readonly kind: string;
  /** Whether `exchange` is there. */
  readonly exchanges?: boolean;
  readonly rig: () => Promise<OutsideRig>;
}): void {
  describe(`roots of ${kind}`, () => {
    let rig: OutsideRig;
    let store: MemoryStore;
    let provider: ForeignRoots;
    beforeAll(async () => {
      rig = await makeRig();
    }, 120_000);
    afterAll(() => rig?.[Symbol.asyncDispose]());
    beforeEach(() => {
      store = createMemoryStore();
      provider = replica();
    });

    const replica = (authority = rig.authority): ForeignRoots => replicaOf({ clock: rig.clock, store, authority });
    async function ask(one: RootProvider = provider, lifeMs = day) {
      const { publicKey, privateKey } = generateKeyPair();
      const prove = (bytes: Uint8Array): Uint8Array => sign('sha256', bytes, privateKey);
      return { given: await one.signIntermediate({ publicKey, lifeMs, prove }), publicKey, privateKey };
    }
    /** The key id of the root that an intermediate made now chains to, as the authority of a replica sees it. */
    async function signer(one: ForeignRoots = provider): Promise<string> {
      const { given, publicKey } = await ask(one);
      return acceptIntermediate(given, { publicKey, roots: await one.reload(), nowMs: rig.clock.wall() }).root;
    }
    const ids = async (one = provider): Promise<readonly string[]> =>
      (await one.reload()).roots.map(({ keyId }) => keyId);
    const failing = (code: string, text = '') =>
      expect.objectContaining({ code, message: expect.stringContaining(text) });

    it('has the root, the same for every replica and after every restart', async () => {
      const { roots } = await provider.open();
      expect(roots).toHaveLength(1);
      const certificate = new X509Certificate(roots[0]?.certificate ?? '');
      expect(certificate.verify(certificate.publicKey)).toBe(true);
      expect(roots[0]?.notAfterMs).toBe(Date.parse(certificate.validTo));
      expect((await replica().open()).roots).toEqual(roots);
    });

    it('signs an authority for our key, of our trust domain, for leaves only, of the life that was asked for', async () => {
      await provider.open();
      const { given, publicKey } = await ask();
      const certificate = new X509Certificate(given.certificate);
      expect(Buffer.compare(certificate.publicKey.export({ type: 'spki', format: 'der' }), publicKey)).toBe(0);
      expect(certificate.subjectAltName).toBe(`URI:spiffe://${outsideTrustDomain}`);
      expect(Math.abs(given.notAfterMs - rig.clock.wall() - day)).toBeLessThan(10 * minute);
      expect(await signer()).toBe((await ids())[0]);
    });

    describeWithOpenssl('and the chain', () => {
      it('a leaf, its intermediate, what stands above it, then the root: openssl agrees', async () => {
        using folder = createTempDir('outside');
        const { roots } = await provider.open();
        const { given, privateKey } = await ask();
        expect(opensslText(given.certificate)).toMatch(/Basic Constraints: critical\s+CA:TRUE, pathlen:0/);
        const leaf = signLeaf(
          { certificate: given.certificate, key: privateKey },
          {
            ...{ publicKey: generateKeyPair().publicKey, spiffeId: `spiffe://${outsideTrustDomain}/svc/web` },
            ...{ validity: { notBeforeMs: Date.now(), notAfterMs: Date.now() + hour }, serial: randomSerial() },
          },
        );
        const root = roots[0]?.certificate ?? new Uint8Array();
        const intermediates = [given.certificate, ...given.chain];
        for (const purpose of ['sslclient', 'sslserver'] as const) {
          const at = { purpose, ms: Date.now() + 1000 };
          expect(opensslVerify(folder.path, { root, intermediates, leaf }, at)).toMatchObject({ ok: true });
          expect(opensslVerify(folder.path, { root, intermediates: given.chain, leaf }, at).ok).toBe(false);
        }
      });
    });

    it('refuses whoever has no credential, says so, and has the root be told all the same', async () => {
      const stranger = replica(rig.unwelcome);
      const { roots } = await stranger.open();
      await expect(ask(stranger)).rejects.toThrow(failing('CH1874'));
      expect((await provider.open()).roots).toEqual(roots);
    });

    it('that cannot be asked has its roots stay, and signs again when it is back', async () => {
      await provider.open();
      await ask();
      const before = await ids();
      await rig.stop();
      // Where it hangs, time has to pass.
      const inTime = async <T>(work: Promise<T>): Promise<T> => {
        let done = false;
        const settled = work.finally(() => {
          done = true;
        });
        settled.catch(() => undefined);
        await eventually(() => {
          rig.clock.advance(5_000);
          return done;
        });
        return settled;
      };
      expect(await inTime(ids())).toEqual(before);
      await expect(inTime(ask())).rejects.toThrow(failing('CH1873'));
      await expect(inTime(replica().open())).rejects.toThrow(failing('CH1873'));
      await rig.start();
      await ask();
      expect(await ids()).toEqual(before);
    }, 60_000);

    it('rotates its root: told first, then used, then gone, on every replica', async () => {
      await provider.open();
      const other = replica();
      await other.open();
      const old = await signer();
      expect(await signer(other)).toBe(old);
      await rig.another();
      const [first, next = '', ...more] = await ids();
      expect([first, more]).toEqual([old, []]);
      expect(next).not.toBe(old);
      expect(await signer()).toBe(old);
      await rig.takeOver();
      await expect(signer()).rejects.toThrow(failing('CH1878', next));
      expect(await ids()).toEqual([old, next]);
      rig.clock.advance(limits.holdMs);
      for (const one of [provider, other]) {
        // Confirmed as it was told the last time.
        await one.reload();
        expect(await ids(one)).toEqual([next, old]);
        expect(await signer(one)).toBe(next);
      }
      await rig.drop();
      expect(await ids()).toEqual([next, old]);
      rig.clock.advance(limits.leavingMs);
      for (const one of [provider, other]) expect(await ids(one)).toEqual([next]);
    }, 60_000);

    if (exchanges)
      it('exchanges its root at once: both are told, and what is there signs until the new one may', async () => {
        await provider.open();
        const old = await signer();
        await rig.exchange?.();
        await expect(signer()).rejects.toThrow(failing('CH1878'));
        const [first, next] = await ids();
        expect(first).toBe(old);
        rig.clock.advance(limits.holdMs);
        expect(await ids()).toEqual([next, old]);
        expect(await signer()).toBe(next);
        // Whoever starts now trusts both, and waits for nobody.
        const late = replica();
        expect((await late.open()).roots.map(({ keyId }) => keyId)).toEqual([next, old]);
        expect(await signer(late)).toBe(next);
      }, 60_000);
  });
}
