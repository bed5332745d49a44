// A root that somebody keeps for us: what every provider of our own roots does alike. It makes the root where none is kept,
// checks what is kept, and signs intermediates with it.
// It must not know where it is kept. Invariant: the key is in memory only while it signs, and a root that is there but cannot
// be used is refused, never replaced.
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

/** Where the one root lies. */
export interface RootKeeping {
  readonly kind: string;
  /** For messages: what a person would look at. */
  readonly place: string;
  /** Undefined only where nothing is kept; rejects where something is that cannot be read. */
  load(): Promise<KeptRoot | undefined>;
  /** Keeps this one if nothing is kept; otherwise changes nothing. Of many at once one is kept, whole. */
  offer(root: KeptRoot): Promise<void>;
}

/** Clocks of proxies may be behind ours by this much and still believe what was made just now. */
const backdateMs = 3_600_000;
/** There is one: the first. */
export const rootGeneration = 1;

export function createKeptRoot(
  deps: { readonly clock: Clock; readonly keeping: RootKeeping },
  options: { readonly trustDomain: string; readonly lifeMs: number },
): RootProvider {
  const { clock, keeping } = deps;
  const { trustDomain } = options;
  let opened: string | undefined;

  function make(): KeptRoot {
    const pair = generateKeyPair();
    const now = clock.wall();
    const validity = { notBeforeMs: now - backdateMs, notAfterMs: now + options.lifeMs };
    const certificate = selfSignedRoot(pair, { trustDomain, validity, serial: randomSerial() });
    return { certificate, key: pair.privateKey };
  }

  async function checked(): Promise<{ readonly root: KeptRoot; readonly read: Certificate } | undefined> {
    const root = await keeping.load();
    return root && { root, read: check(root, { trustDomain, place: keeping.place, now: clock.wall() }) };
  }

  return {
    kind: keeping.kind,
    async open(): Promise<Roots> {
      let found = await checked();
      if (found === undefined) {
        await keeping.offer(make());
        // Ours, or that of whoever was faster.
        found = await checked();
      }
      if (found === undefined) throw new AppError('CH1803', `the root in ${keeping.place} vanished as it was made`);
      const { root, read } = found;
      opened = publicKeyId(read.publicKey);
      return {
        generation: rootGeneration,
        roots: [{ certificate: root.certificate, keyId: opened, notAfterMs: read.notAfterMs }],
      };
    },
    async signIntermediate({ publicKey, lifeMs }) {
      if (opened === undefined) throw new Error('open() has not resolved');
      const found = await checked();
      if (found === undefined) throw new AppError('CH1801', `the root in ${keeping.place} is not there any more`);
      if (publicKeyId(found.read.publicKey) !== opened)
        throw new AppError('CH1803', `${keeping.place} holds another root than at the start`);
      const now = clock.wall();
      const validity = { notBeforeMs: now - backdateMs, notAfterMs: now + lifeMs };
      const certificate = signIntermediate(found.root, { publicKey, trustDomain, validity, serial: randomSerial() });
      return { certificate, chain: [], notAfterMs: readCertificate(certificate).notAfterMs };
    },
  };
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
