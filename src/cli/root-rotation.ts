// Puts together how one root takes the place of another: the journal and the other replicas in the store where the roots are,
// the roots of this replica, and how long certificates live. It must not know where that store is. A root that somebody else
// keeps is rotated there, and here it is said who does.
import { checkedLives, type LifeOptions } from '../ca/authority-lives.ts';
import type { Authority } from '../ca/contract.ts';
import type { KeptRoots } from '../ca/kept-root.ts';
import { createRotatingRoots } from '../ca/rotating-roots.ts';
import type { RotationRecord } from '../ca/rotation.ts';
import { createRotation, type Rotation, type RotationJournal } from '../ca/rotation-driver.ts';
import { createRotationFleet, type RotationFleetDeps } from '../control/rotation-fleet.ts';
import type { ClosableStore } from '../store/guard.ts';
import { AppError } from '../util/errors.ts';
import type { Logger } from '../util/log.ts';
import type { Random } from '../util/random.ts';

export interface RootRotationDeps extends Pick<RotationFleetDeps, 'clock' | 'nodes' | 'streamsOf' | 'former'> {
  readonly random: Random;
  readonly log: Logger;
}

export interface RootRotationParts extends Pick<RotationFleetDeps, 'rootsVersion'> {
  readonly store: ClosableStore;
  readonly authority: Authority;
  readonly provider: KeptRoots;
  readonly journal: RotationJournal;
  readonly lives: LifeOptions;
}

export interface RootRotation extends Rotation {
  /** Who rotates the root, where it is not us: a clause without a full stop. */
  readonly how?: string;
  /** The journal as it is now. Left out where the root is not ours to rotate. */
  look?(): Promise<RotationRecord | undefined>;
  /** To be awaited before the authority is opened: nobody goes on without this replica from then on. */
  join(): Promise<void>;
  close(): void;
}

/** How often a replica looks at the journal; silent for so many looks, it has ended. */
const everyMs = 15_000;
const silentLooks = 4;

export function createRootRotation(
  { clock, random, log, nodes, streamsOf, former }: RootRotationDeps,
  { authority, provider, journal, store, rootsVersion, lives }: RootRotationParts,
): RootRotation {
  const { leafMs, intermediateMs, backdateMs } = checkedLives(lives);
  const lookEveryMs = Math.min(everyMs, leafMs / 8);
  const fleet = createRotationFleet(
    { clock, store, nodes, streamsOf, rootsVersion, ...(former === undefined ? {} : { former }) },
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
  return {
    ...rotation,
    look: async () => (await journal.load())?.record,
    ...{ join: fleet.join, close: store.close },
  };
}

/** Of a root that is not ours to rotate. */
export function createForeignRotation(how: string): RootRotation {
  const refuse = (): Promise<never> => Promise.reject(new AppError('CH1884', `the root is not kept here: ${how}`));
  return {
    how,
    begin: refuse,
    force: refuse,
    condemn: refuse,
    state: () => undefined,
    join: () => Promise.resolve(),
    run: () => Promise.resolve(),
    close: () => undefined,
  };
}
