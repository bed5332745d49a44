// The root as an authority outside keeps it, put together: what replicas remember of it, sealed, in the join store, by whom it is
// heard that proxies trust its roots, and what seals.
// It must not know which authority it is. Invariant: what is remembered opens only with the key that sealed it, so nobody who
// can write the store can have proxies trust another root.
import { seal, unseal } from '../ca/envelope.ts';
import { createForeignRoots, type ForeignAuthority } from '../ca/foreign-roots.ts';
import { type KeyEncryptionKeyConfig, rootFolder, type TrustConfig } from '../model/config-trust.ts';
import { configuredKey, localSealKey } from './seal-key.ts';
import { createConfirmed, takeOverLimits } from './told-roots.ts';
import type { RootDeps, Roots, ToldRoots } from './trust-root.ts';

export interface OutsideParts {
  readonly trust: TrustConfig;
  readonly state: string;
  readonly told: ToldRoots;
}

const leavingMs = 600_000;

export async function outsideRoots(
  deps: RootDeps,
  { trust, state, told }: OutsideParts,
  of: {
    readonly kind: string;
    readonly authority: ForeignAuthority;
    readonly sealKey: KeyEncryptionKeyConfig | undefined;
  },
): Promise<Roots> {
  const { clock, log } = deps;
  const { kind, authority } = of;
  const trustDomain = trust.domain;
  const sealKey =
    of.sealKey === undefined
      ? localSealKey(rootFolder(undefined, state))
      : await configuredKey(deps.environment, of.sealKey);
  const limits = takeOverLimits(told.leafMs);
  const placeOf = (path: string) => ({ path, trustDomain, generation: 1 });
  const provider = createForeignRoots(
    {
      ...{ clock, log, authority, store: told.store },
      seal: async (plain, path) => seal(await sealKey(), placeOf(path), plain),
      unseal: async (sealed, path) => unseal(await sealKey(), placeOf(path), sealed),
      confirmed: createConfirmed(clock, told),
    },
    // Every replica has taken up another root by then, and had its proxies get new certificates.
    { ...{ kind, trustDomain }, ...limits, leavingMs: limits.patienceMs + Math.min(leavingMs, told.leafMs) },
  );
  const how = `${authority.name} does, and a new root there is taken up by itself`;
  return { provider, sealKey, rotation: { by: 'others', how } };
}
