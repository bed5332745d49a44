// An authority outside in memory: real certificates, and every fault that a test asks for.
import { createPublicKey, verify } from 'node:crypto';
import { readElements, readOne, tags } from '../../src/ca/der.ts';
import type { ForeignAuthority } from '../../src/ca/foreign-roots.ts';
import {
  generateKeyPair,
  type Issuer,
  publicKeyId,
  randomSerial,
  selfSignedRoot,
  signIntermediate,
} from '../../src/ca/x509.ts';
import type { Clock } from '../../src/util/clock.ts';

export interface MadeRoot extends Issuer {
  readonly keyId: string;
}

const hour = 3_600_000;

export function makeRoot(
  nowMs: number,
  { trustDomain = 'mesh.example', lifeMs = 24 * 365 * hour }: { trustDomain?: string; lifeMs?: number } = {},
): MadeRoot {
  const pair = generateKeyPair();
  const validity = { notBeforeMs: nowMs - hour, notAfterMs: nowMs + lifeMs };
  const certificate = selfSignedRoot(pair, { trustDomain, validity, serial: randomSerial() });
  return { certificate, key: pair.privateKey, keyId: publicKeyId(pair.publicKey) };
}

/** The public key of a PKCS#10 request, once its signature was checked. */
export function requestedKey(request: Uint8Array): Uint8Array {
  const [info, , signature] = readElements(readOne(request, tags.sequence).content);
  const [, , publicKey] = readElements(info?.content ?? new Uint8Array());
  const spki = publicKey?.whole ?? new Uint8Array();
  const key = createPublicKey({ key: Buffer.from(spki), format: 'der', type: 'spki' });
  if (!verify('sha256', info?.whole ?? spki, key, signature?.content.subarray(1) ?? spki))
    throw new Error('the request was not signed with its own key');
  return spki;
}

export interface AuthorityInMemory extends ForeignAuthority {
  /** That it gives. */
  roots: MadeRoot[];
  /** That it signs under; one that it does not give is no mistake of the test. */
  signs: MadeRoot;
  /** Whether it tells which root it signs under. */
  tells: boolean;
  /** What the next calls fail with. */
  failure: Error | undefined;
  /** Certificates live at most so long. */
  mostMs: number;
  /** What is answered instead of what was signed. */
  instead: ((given: Answer) => Answer) | undefined;
  /** Calls of `sign`. */
  asked: number;
}
type Answer = Awaited<ReturnType<ForeignAuthority['sign']>>;

export function createAuthorityInMemory(clock: Clock, trustDomain = 'mesh.example'): AuthorityInMemory {
  const first = makeRoot(clock.wall());
  const authority: AuthorityInMemory = {
    name: 'the authority of the test',
    roots: [first],
    signs: first,
    tells: true,
    failure: undefined,
    mostMs: Number.POSITIVE_INFINITY,
    instead: undefined,
    asked: 0,
    async read() {
      if (authority.failure !== undefined) throw authority.failure;
      const roots = authority.roots.map(({ certificate }) => certificate);
      return authority.tells ? { roots, signs: authority.signs.certificate } : { roots };
    },
    async sign({ request, lifeMs }) {
      authority.asked++;
      if (authority.failure !== undefined) throw authority.failure;
      const nowMs = clock.wall();
      const certificate = signIntermediate(authority.signs, {
        ...{ publicKey: requestedKey(request().request), trustDomain, serial: randomSerial() },
        validity: { notBeforeMs: nowMs - hour, notAfterMs: nowMs + Math.min(lifeMs, authority.mostMs) },
      });
      const given = { certificate, chain: [] };
      return authority.instead?.(given) ?? given;
    },
  };
  return authority;
}
