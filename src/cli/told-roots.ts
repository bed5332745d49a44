// Whether proxies were told of roots that somebody else keeps, and how long that takes: what every such authority has alike.
// It must not know which it is. Invariant: replicas that share the join store wait for one another's proxies.
import { createHash } from 'node:crypto';
import type { Roots } from '../ca/contract.ts';
import { certificateText } from '../ca/root.ts';
import { createRotationFleet } from '../control/rotation-fleet.ts';
import type { Clock } from '../util/clock.ts';
import type { ToldRoots } from './trust-root.ts';

const minuteMs = 60_000;
/** Looks without a word after which a replica has ended; a look is a minute, or a tenth of an intermediate's life. */
const silentLooks = 4;

/** Whether every proxy, of every replica, said that it trusts these; to be asked once a look. */
export function createConfirmed(clock: Clock, told: ToldRoots): (roots: Roots) => Promise<boolean> {
  const fleet = createRotationFleet(
    { ...told, clock },
    { silentMs: silentLooks * Math.min(minuteMs, told.intermediateMs / 10) },
  );
  return async (roots) => {
    const epoch = epochOf(roots);
    await fleet.report(epoch);
    const bundle = roots.roots.map(({ keyId }) => keyId);
    return (await fleet.behind(epoch)) === 0 && (await fleet.unconfirmed(bundle)) === 0;
  };
}

/** How long one root takes to take the place of another, where leaves live so long. */
export function takeOverLimits(leafMs: number): { readonly holdMs: number; readonly patienceMs: number } {
  // What one replica sees, another one sees a minute or more after it.
  return { holdMs: Math.min(2 * minuteMs, leafMs / 10), patienceMs: Math.min(60 * minuteMs, leafMs / 2) };
}

/** Of the same roots the same on every replica, whichever signs. */
function epochOf({ roots }: Roots): number {
  const hash = createHash('sha256');
  for (const text of roots.map(({ certificate }) => certificateText(certificate)).sort()) hash.update(text);
  return hash.digest().readUIntBE(0, 6);
}
