// The root as somebody else keeps it, put together: what replicas remember of it, sealed, in the join store, by whom it is
// heard that proxies trust its roots, and what seals.
// It must not know which authority it is. Invariant: what is remembered opens only with the key that sealed it, so nobody who
// can write the store can have proxies trust another root.
import { createForeignRoots, type ForeignAuthority, type ForeignRootsOptions } from '../ca/foreign-roots.ts';
import { type KeyEncryptionKeyConfig, rootFolder } from '../model/config-trust.ts';
import { createSealing, sealKeyOf } from './seal-key.ts';
import { createConfirmed } from './told-roots.ts';
import type { RootDeps, RootParts, Roots } from './trust-root.ts';

type OutsideLimits = Omit<ForeignRootsOptions, 'kind' | 'trustDomain'>;

/** In which every replica looks once, and then has its proxies hear of it. */
const lookMs = 120_000;
/** In which certificates of proxies are replaced. */
const replaceMs = 600_000;

/**
 * As our own root is rotated, where the authority leaves the time: a node that was cut off for longer than a leaf lives has no
 * certificate that others would take either, and a root that signed stays until the last replica has taken up the next.
 */
function outsideLimits(leafMs: number): OutsideLimits {
  const patienceMs = 2 * leafMs;
  return {
    ...{ startMs: Math.min(lookMs, leafMs / 10), holdMs: leafMs, patienceMs },
    leavingMs: patienceMs + Math.min(replaceMs, leafMs),
  };
}

export async function outsideRoots(
  deps: RootDeps,
  { trust, state, told }: RootParts,
  of: {
    readonly kind: string;
    readonly authority: ForeignAuthority;
    readonly sealKey: KeyEncryptionKeyConfig | undefined;
    /** Those of an authority that is asked where absent. */
    readonly limits?: OutsideLimits;
    /** Who rotates it and how, where it is not the authority itself. */
    readonly how?: string;
  },
): Promise<Roots> {
  const { clock, log, metrics } = deps;
  const { kind, authority, limits = outsideLimits(told.leafMs) } = of;
  const trustDomain = trust.domain;
  const sealKey = await sealKeyOf(deps.environment, of.sealKey, rootFolder(undefined, state));
  const provider = createForeignRoots(
    {
      ...{ clock, log, metrics, authority, store: told.store },
      ...createSealing(sealKey, trustDomain),
      confirmed: createConfirmed(clock, told),
    },
    { kind, trustDomain, ...limits },
  );
  const how = of.how ?? `${authority.name} does, and a new root there is taken up by itself`;
  return { provider, sealKey, rotation: { by: 'others', how } };
}
