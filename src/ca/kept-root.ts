// Roots that somebody keeps for us, in numbered slots: what every provider of our own roots does alike. It makes the first
// where none is kept, checks what is kept, and signs intermediates with the one that is to sign.
// It must not know where roots are kept, nor when one takes the place of another. Invariant: a key is in memory only while it
// signs, and a root that is there but cannot be used, or that was retired, is refused, never replaced.
import { createPublicKey, type KeyObject, X509Certificate } from 'node:crypto';
import type { Clock } from '../util/clock.ts';
import { AppError } from '../util/errors.ts';
import { type Certificate, readCertificate } from './certificate.ts';
import type { RootProvider, Roots } from './contract.ts';
import { generateKeyPair, publicKeyId, randomSerial, selfSignedRoot, signIntermediate } from './x509.ts';

export interface KeptRoot {
  /** DER. */
  readonly certificate: Uint8Array;
  readonly key: KeyObject;
}

/** Where the roots lie. */
export interface RootKeeping {
  readonly kind: string;
  /** For messages: what a person would look at. */
  placeOf(slot: number): string;
  /** Slots that hold a root, or held one that was retired. Ascending. */
  slots(): Promise<readonly number[]>;
  /** Undefined only where nothing is kept or it was retired; rejects where something is that cannot be read. */
  load(slot: number): Promise<KeptRoot | undefined>;
  /** Keeps this one if nothing is kept there; otherwise changes nothing. Of many at once one is kept, whole. */
  offer(slot: number, root: KeptRoot): Promise<void>;
  /** The certificate, DER, of a root that is kept or was retired. */
  certificate(slot: number): Promise<Uint8Array | undefined>;
  /** A root that was here is not to be used any more. */
  retired(slot: number): Promise<boolean>;
  /** Destroys the key and keeps the certificate aside. May be done again, and by several at once. */
  retire(slot: number): Promise<void>;
}

export interface KeptRootsOptions {
  readonly trustDomain: string;
  /** Of a root that is made. */
  readonly lifeMs: number;
  /**
   * Key ids of the roots in use, the one that signs first, as the journal of rotations has them; undefined where there was
   * never one. Asked when opened.
   */
  readonly bundle?: () => Promise<readonly string[] | undefined>;
}

/** Roots that can take the place of one another. */
export interface KeptRoots extends RootProvider {
  reload(): Promise<Roots>;
  /** The root in this slot, made if there was never one; its key id. It is not in use by that. */
  prepare(slot: number): Promise<string>;
  /** Uses these from now on, the first to sign. Rejects, and changes nothing, where one of them is not there or not usable. */
  order(bundle: readonly string[]): Promise<void>;
  /** Destroys the key of a root that is not in use; its certificate stays. Done again it does nothing. */
  retire(keyId: string): Promise<void>;
}

interface Found {
  readonly slot: number;
  readonly keyId: string;
  readonly root: KeptRoot;
  readonly notAfterMs: number;
}

interface Use {
  readonly slot: number;
  readonly keyId: string;
  readonly roots: Roots;
}

/** Clocks of proxies may be behind ours by this much and still believe what was made just now. */
const backdateMs = 3_600_000;
/** The slot of the first root. */
export const firstSlot = 1;

export function createKeptRoots(
  deps: { readonly clock: Clock; readonly keeping: RootKeeping },
  options: KeptRootsOptions,
): KeptRoots {
  const { clock, keeping } = deps;
  const { trustDomain } = options;
  let use: Use | undefined;

  function make(): KeptRoot {
    const pair = generateKeyPair();
    const now = clock.wall();
    const validity = { notBeforeMs: now - backdateMs, notAfterMs: now + options.lifeMs };
    const certificate = selfSignedRoot(pair, { trustDomain, validity, serial: randomSerial() });
    return { certificate, key: pair.privateKey };
  }

  async function checked(slot: number): Promise<Found | undefined> {
    const root = await keeping.load(slot);
    if (root === undefined) return undefined;
    const read = check(root, { trustDomain, place: keeping.placeOf(slot), now: clock.wall() });
    return { slot, root, keyId: publicKeyId(read.publicKey), notAfterMs: read.notAfterMs };
  }

  async function ensure(slot: number): Promise<Found> {
    let found = await checked(slot);
    if (found === undefined) {
      if (await keeping.retired(slot)) throw new AppError('CH1801', `the root in ${keeping.placeOf(slot)} was retired`);
      await keeping.offer(slot, make());
      // Ours, or that of whoever was faster.
      found = await checked(slot);
    }
    if (found === undefined)
      throw new AppError('CH1803', `the root in ${keeping.placeOf(slot)} vanished as it was made`);
    return found;
  }

  /** A root that is damaged stands in nobody's way but its own. */
  async function find(keyId: string): Promise<Found> {
    let failure: unknown;
    const used = await keeping.slots();
    for (const slot of used) {
      try {
        const found = await checked(slot);
        if (found?.keyId === keyId) return found;
      } catch (error) {
        failure ??= error;
      }
    }
    if (failure instanceof Error) throw failure;
    throw new AppError('CH1801', `the root ${keyId}, which is in use, is not kept (${places(used)})`);
  }
  const places = (slots: readonly number[]): string =>
    slots.map(keeping.placeOf).join(', ') || keeping.placeOf(firstSlot);

  function take(all: readonly Found[]): Roots {
    const [first] = all;
    if (first === undefined) throw new Error('a bundle has at least one root');
    const roots = {
      generation: generationOf(all.map(({ slot }) => slot)),
      roots: all.map(({ root, keyId, notAfterMs }) => ({ certificate: root.certificate, keyId, notAfterMs })),
    };
    use = { slot: first.slot, keyId: first.keyId, roots };
    return roots;
  }

  async function order(bundle: readonly string[]): Promise<Roots> {
    const all: Found[] = [];
    for (const keyId of bundle) all.push(await find(keyId));
    return take(all);
  }

  async function openFirst(): Promise<Roots> {
    const later = (await keeping.slots()).filter((slot) => slot !== firstSlot);
    // Which of them signs nobody can say: to guess would cut off whoever trusts another.
    if (later.length > 0)
      throw new AppError('CH1803', `${places(later)} is there, but not the journal that says which root signs`);
    return take([await ensure(firstSlot)]);
  }

  return {
    kind: keeping.kind,
    async open() {
      const bundle = await options.bundle?.();
      return bundle === undefined ? openFirst() : order(bundle);
    },
    async reload() {
      if (use === undefined) throw new Error('open() has not resolved');
      return use.roots;
    },
    async signIntermediate({ publicKey, lifeMs }) {
      if (use === undefined) throw new Error('open() has not resolved');
      const { slot, keyId } = use;
      const found = await checked(slot);
      const place = keeping.placeOf(slot);
      if (found === undefined) throw new AppError('CH1801', `the root in ${place} is not there any more`);
      if (found.keyId !== keyId) throw new AppError('CH1803', `${place} holds another root than at the start`);
      const now = clock.wall();
      const validity = { notBeforeMs: now - backdateMs, notAfterMs: now + lifeMs };
      const certificate = signIntermediate(found.root, { publicKey, trustDomain, validity, serial: randomSerial() });
      return { certificate, chain: [], notAfterMs: readCertificate(certificate).notAfterMs };
    },
    prepare: async (slot) => (await ensure(slot)).keyId,
    async order(bundle) {
      await order(bundle);
    },
    async retire(keyId) {
      if (use?.roots.roots.some((root) => root.keyId === keyId)) throw new Error('a root in use is not retired');
      for (const slot of await keeping.slots()) {
        const certificate = await keeping.certificate(slot);
        if (certificate !== undefined && publicKeyId(readCertificate(certificate).publicKey) === keyId)
          await keeping.retire(slot);
      }
    },
  };
}

/** Of every replica the same, and growing: slot 1 alone, 1 and 2, 2 and 1, 2 alone, and so on. */
function generationOf(slots: readonly number[]): number {
  const [first = firstSlot, second = first] = slots;
  return 3 * Math.min(first, second) - 2 + (second > first ? 1 : second < first ? 2 : 0);
}

function check(
  { certificate, key }: KeptRoot,
  expect: { readonly trustDomain: string; readonly place: string; readonly now: number },
): Certificate {
  const read = readCertificate(certificate);
  const refuse = (why: string): AppError => new AppError('CH1803', `the root in ${expect.place} ${why}`);
  const publicKey = createPublicKey(key);
  if (!publicKey.export({ type: 'spki', format: 'der' }).equals(read.publicKey))
    throw refuse('has the key of another certificate');
  if (!read.mayCertify || !new X509Certificate(certificate).verify(publicKey))
    throw refuse('is not a self-signed certificate of an authority');
  if (!read.uris.includes(`spiffe://${expect.trustDomain}`))
    throw refuse(`is of ${read.uris[0] ?? 'no trust domain'}, not of the trust domain "${expect.trustDomain}"`);
  const day = (ms: number): string => new Date(ms).toISOString();
  if (read.notAfterMs <= expect.now)
    throw new AppError('CH1804', `the root in ${expect.place} ended ${day(read.notAfterMs)}; it is ${day(expect.now)}`);
  if (read.notBeforeMs > expect.now)
    throw new AppError(
      'CH1804',
      `the root in ${expect.place} begins ${day(read.notBeforeMs)}; it is ${day(expect.now)}`,
    );
  return read;
}
