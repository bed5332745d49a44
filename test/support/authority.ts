// An authority that signs nothing: leaves are texts that say whose they are, given when a test says so.
import type { Authority, Leaf, LeafRequest, Roots } from '../../src/ca/contract.ts';
import type { Resource } from '../../src/resources/resource.ts';
import { edgeSecret, identitySecret, rootsSecret } from '../../src/resources/secret-names.ts';
import { typeUrls } from '../../src/resources/type-urls.ts';
import type { SecretEncoder } from '../../src/translate/secrets.ts';
import type { Clock } from '../../src/util/clock.ts';

export interface FakeAuthority extends Pick<Authority, 'issue' | 'issueEdge' | 'roots' | 'onRoots' | 'isTainted'> {
  readonly asked: LeafRequest[];
  /** Further requests fail. */
  broken: boolean;
  /** The first signs. */
  changeRoots(...names: readonly string[]): void;
  /** Another intermediate takes the place of the one that signs. */
  taint(): void;
}

/** Leaves live `lifeMs`, and are to be renewed at half of it. */
export function createFakeAuthority(clock: Clock, lifeMs: number): FakeAuthority {
  const listeners = new Set<(roots: Roots) => void>();
  let generation = 1;
  let roots: readonly string[] = ['one'];
  let serial = 0;
  let intermediate = 1;
  const authority: FakeAuthority = {
    asked: [],
    broken: false,
    async issue(request) {
      authority.asked.push(request);
      if (authority.broken) throw new Error('no authority');
      const now = clock.wall();
      serial++;
      const text = `${request.spiffeId} ${serial}`;
      return {
        ...{ spiffeId: request.spiffeId, serial: String(serial), root: roots[0] ?? '', issuer: String(intermediate) },
        ...{ chain: [Buffer.from(text)], key: Buffer.from(`key of ${text}`) },
        ...{ notBeforeMs: now, notAfterMs: now + lifeMs, renewAtMs: now + lifeMs / 2 },
      } satisfies Leaf;
    },
    async issueEdge(hosts) {
      return authority.issue({ spiffeId: hosts.join(' '), seed: '', urgency: 'routine' });
    },
    roots: () => ({
      generation,
      roots: roots.map((name) => ({
        certificate: Buffer.from(name),
        keyId: name,
        notAfterMs: Number.MAX_SAFE_INTEGER,
      })),
    }),
    onRoots(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    isTainted: (issuer) => Number(issuer) < intermediate,
    taint() {
      intermediate++;
      for (const listener of listeners) listener(authority.roots());
    },
    changeRoots(...names) {
      roots = names;
      generation++;
      for (const listener of listeners) listener(authority.roots());
    },
  };
  return authority;
}

/** Secrets whose bytes are the texts themselves. */
export const plainSecrets: SecretEncoder = {
  identity: (chain, key) => secret(identitySecret, [...chain, key]),
  edge: (certificate, { chain, key }) => secret(edgeSecret(certificate), [...chain, key]),
  roots: (certificates) => secret(rootsSecret, certificates),
};

function secret(name: string, parts: readonly Uint8Array[]): Resource {
  const bytes = Buffer.concat(parts);
  return { type: typeUrls.secret, name, version: bytes.toString(), bytes, deps: [], provenance: [] };
}
