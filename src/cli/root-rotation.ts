// Puts together how one root takes the place of another: the journal and the other replicas in the store where the roots are,
// the roots of this replica, and how long certificates live. It must not know where that store is.
import { checkedLives, type LifeOptions } from '../ca/authority-lives.ts';
import type { Authority } from '../ca/contract.ts';
import type { KeptRoots } from '../ca/kept-root.ts';
import { createRotatingRoots } from '../ca/rotating-roots.ts';
import { createRotation, type Rotation, type RotationFleet, type RotationJournal } from '../ca/rotation-driver.ts';
import { createRotationFleet, type RotationFleetDeps } from '../control/rotation-fleet.ts';
import type { Logger } from '../util/log.ts';
import type { Random } from '../util/random.ts';

export interface RootRotationDeps extends Pick<RotationFleetDeps, 'clock' | 'nodes' | 'streamsOf'> {
  readonly random: Random;
  readonly log: Logger;
}

export interface RootRotationParts extends Pick<RotationFleetDeps, 'store' | 'rootsVersion'> {
  readonly authority: Authority;
  readonly provider: KeptRoots;
  readonly journal: RotationJournal;
  readonly lives: LifeOptions;
}

/** How often a replica looks at the journal; silent for so many looks, it has ended. */
const everyMs = 15_000;
const silentLooks = 4;

export function createRootRotation(
  { clock, random, log, nodes, streamsOf }: RootRotationDeps,
  { authority, provider, journal, store, rootsVersion, lives }: RootRotationParts,
): { readonly fleet: RotationFleet; readonly rotation: Rotation } {
  const { leafMs, intermediateMs, backdateMs } = checkedLives(lives);
  const lookEveryMs = Math.min(everyMs, leafMs / 8);
  const fleet = createRotationFleet(
    { clock, store, nodes, streamsOf, rootsVersion },
    { silentMs: silentLooks * lookEveryMs },
  );
  const rotation = createRotation(
    { clock, random, log, journal, fleet, roots: createRotatingRoots(provider, authority) },
    {
      // Where there is no journal yet the first root is the only one.
      get first() {
        return { keyId: authority.roots().roots[0]?.keyId ?? '', slot: 1 };
      },
      // A node that is cut off for longer has no certificate that others would take either.
      soakMs: leafMs,
      longestLifeMs: intermediateMs + backdateMs,
      lookEveryMs,
    },
  );
  return { fleet, rotation };
}
