// A provider of roots that keeps nothing: real certificates, keys in memory, and every fault a test asks for.
import type { Root, RootProvider, Roots } from '../../src/ca/contract.ts';
import {
  generateKeyPair,
  type Issuer,
  publicKeyId,
  randomSerial,
  selfSignedRoot,
  signIntermediate,
} from '../../src/ca/x509.ts';
import type { Clock } from '../../src/util/clock.ts';

export interface RootsInMemory extends RootProvider {
  reload(): Promise<Roots>;
  /** Calls of `signIntermediate`, failed ones too. */
  asked: number;
  /** What the next calls fail with. */
  failure: Error | undefined;
  /** Intermediates live at most so long. */
  mostMs: number;
  /** What is given instead of what was signed. */
  instead: ((given: Given) => Given) | undefined;
  /** Another root; returns its key id. Where it stands says whether it signs. */
  add(place: 'first' | 'last'): string;
  /** In this order from now on. */
  keep(...keyIds: readonly string[]): void;
}

type Given = Awaited<ReturnType<RootProvider['signIntermediate']>>;

export interface Kept extends Root {
  readonly issuer: Issuer;
}

export function createRootsInMemory(
  clock: Clock,
  {
    trustDomain = 'example.org',
    lifeMs = 3_650 * 86_400_000,
    backdateMs = 3_600_000,
    /** Where keys are; pass the same to several replicas. */
    keys = new Map<string, Kept>(),
  } = {},
): RootsInMemory {
  let generation = 0;
  let roots: Kept[] = [...keys.values()];

  function make(): Kept {
    const pair = generateKeyPair();
    const now = clock.wall();
    const validity = { notBeforeMs: now - backdateMs, notAfterMs: Math.floor((now + lifeMs) / 1000) * 1000 };
    const certificate = selfSignedRoot(pair, { trustDomain, validity, serial: randomSerial() });
    const keyId = publicKeyId(pair.publicKey);
    return { certificate, keyId, notAfterMs: validity.notAfterMs, issuer: { certificate, key: pair.privateKey } };
  }
  function now(): Roots {
    return {
      generation,
      roots: roots.map(({ certificate, keyId, notAfterMs }) => ({ certificate, keyId, notAfterMs })),
    };
  }

  const provider: RootsInMemory = {
    kind: 'memory',
    asked: 0,
    failure: undefined,
    mostMs: Number.POSITIVE_INFINITY,
    instead: undefined,
    async open() {
      if (provider.failure !== undefined) throw provider.failure;
      if (roots.length === 0) provider.add('first');
      return now();
    },
    async reload() {
      if (provider.failure !== undefined) throw provider.failure;
      return now();
    },
    async signIntermediate(request) {
      provider.asked++;
      if (provider.failure !== undefined) throw provider.failure;
      const [signing] = roots;
      if (signing === undefined) throw new Error('open() has not resolved');
      const wall = clock.wall();
      const life = Math.min(request.lifeMs, provider.mostMs);
      const notAfterMs = Math.min(Math.floor((wall + life) / 1000) * 1000, signing.notAfterMs);
      const certificate = signIntermediate(signing.issuer, {
        ...{ publicKey: request.publicKey, trustDomain, serial: randomSerial() },
        validity: { notBeforeMs: wall - backdateMs, notAfterMs },
      });
      const given = { certificate, chain: [], notAfterMs };
      return provider.instead?.(given) ?? given;
    },
    add(place) {
      const made = make();
      keys.set(made.keyId, made);
      generation++;
      roots = place === 'first' ? [made, ...roots] : [...roots, made];
      return made.keyId;
    },
    keep(...keyIds) {
      generation++;
      roots = keyIds.flatMap((keyId) => keys.get(keyId) ?? []);
    },
  };
  return provider;
}
