// Carries a rotation out: each replica reads the journal, does what it obliges to, reports so, and, if it may, writes the next
// phase. It must not know where roots, the journal or other replicas are. Invariant: what is written is written on what was
// read, before anything is done for it; a replica that failed half way does all of it again.
import { type Backoff, createBackoff } from '../util/backoff.ts';
import type { Clock } from '../util/clock.ts';
import { errorText } from '../util/errors.ts';
import type { Logger } from '../util/log.ts';
import type { Random } from '../util/random.ts';
import {
  advanceRotation,
  beginRotation,
  condemnRoot,
  forceRotation,
  type RotationAdvance,
  type RotationLimits,
  type RotationRecord,
  rotationDuties,
  steadyRotation,
} from './rotation.ts';

export interface RotationJournal {
  load(): Promise<{ readonly record: RotationRecord; readonly revision: string } | undefined>;
  /** False, and nothing written, if the journal has another revision by now. */
  save(record: RotationRecord, expect: { readonly revision: string } | 'absent'): Promise<boolean>;
}

/** Each of these may be called again after it was done, and does nothing then. */
export interface RotatingRoots {
  /** The root in this slot, made if there is none; its key id. Nobody is told of it yet. */
  prepare(slot: number): Promise<string>;
  /** These are the roots of this replica from now on; resolves when it has an intermediate of the first and proxies are told. */
  use(bundle: readonly string[]): Promise<void>;
  /** Destroys the key. */
  retire(keyId: string): Promise<void>;
}

export interface RotationFleet {
  /** This replica is there, and behind, until it has reported. */
  join(): Promise<void>;
  report(epoch: number): Promise<void>;
  /** Replicas that have not reported this epoch. */
  behind(epoch: number): Promise<number>;
  /** See `RotationFacts.unconfirmed`; of all replicas. */
  unconfirmed(bundle: readonly string[]): Promise<number>;
}

export interface RotationDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly journal: RotationJournal;
  readonly roots: RotatingRoots;
  readonly fleet: RotationFleet;
}

export interface RotationOptions extends RotationLimits {
  /** The root that is there before any rotation, and its slot. */
  readonly first: { readonly keyId: string; readonly slot: number };
  /** How often the journal is read. */
  readonly lookEveryMs: number;
}

export interface Rotation {
  /** False if one goes on already. */
  begin(): Promise<boolean>;
  /** False if none waits for proxies. */
  force(): Promise<boolean>;
  /** Begins one, or hastens the one that goes on: see `condemnRoot`. False if that would change nothing. */
  condemn(): Promise<boolean>;
  /** As this replica saw it last; undefined before the first look. */
  state(): { readonly record: RotationRecord; readonly advance: RotationAdvance } | undefined;
  run(signal: AbortSignal): Promise<void>;
}

const asksProxies = ({ phase, compromised }: RotationRecord): boolean =>
  phase === 'confirm' || (phase === 'drain' && compromised === true);

export function createRotation(deps: RotationDeps, options: RotationOptions): Rotation {
  const { clock, journal, roots, fleet } = deps;
  const log = deps.log.child('ca');
  const audit = deps.log.child('audit');
  let state: ReturnType<Rotation['state']>;

  async function load(): Promise<{ readonly record: RotationRecord; readonly revision: string }> {
    const found = await journal.load();
    if (found !== undefined) return found;
    await journal.save(steadyRotation(options.first.keyId, options.first.slot, clock.wall()), 'absent');
    const written = await journal.load();
    if (written === undefined) throw new Error('the journal of the rotation vanished as it was written');
    return written;
  }

  /** Whether there is more to do at once. */
  async function round(): Promise<boolean> {
    const { record, revision } = await load();
    const { make, bundle, destroy } = rotationDuties(record);
    const made = make === undefined ? undefined : await roots.prepare(make);
    await roots.use(bundle);
    if (destroy !== undefined) await roots.retire(destroy);
    await fleet.report(record.epoch);
    const steady = record.phase === 'steady';
    const facts = {
      nowMs: clock.wall(),
      made,
      behind: steady ? 0 : await fleet.behind(record.epoch),
      unconfirmed: asksProxies(record) ? await fleet.unconfirmed(bundle) : 0,
      destroyed: destroy !== undefined,
    };
    const advance = advanceRotation(record, facts, options);
    state = { record, advance };
    if (advance.kind === 'wait') return false;
    if (await journal.save(advance.persist, { revision }))
      audit.info('the rotation of the root goes on', { from: record.phase, to: advance.persist.phase });
    return true;
  }

  async function rewrite(change: (record: RotationRecord) => RotationRecord | undefined): Promise<boolean> {
    for (;;) {
      const { record, revision } = await load();
      const next = change(record);
      if (next === undefined) return false;
      if (await journal.save(next, { revision })) return true;
    }
  }

  async function attempt(work: () => Promise<unknown>, backoff: Backoff, signal: AbortSignal): Promise<void> {
    try {
      const more = await work();
      backoff.reset();
      if (more !== true) await clock.sleep(options.lookEveryMs, signal);
    } catch (error) {
      const waitMs = backoff.next();
      log.warn('the rotation of the root waits', { error: errorText(error), againInMs: Math.round(waitMs) });
      await clock.sleep(waitMs, signal);
    }
  }

  return {
    begin: () => rewrite((record) => beginRotation(record, clock.wall())),
    force: () => rewrite(forceRotation),
    condemn: () => rewrite((record) => condemnRoot(record, clock.wall())),
    state: () => state,
    async run(signal) {
      const backoff = createBackoff(deps.random, Math.min(1_000, options.lookEveryMs), 60_000);
      let joined = false;
      while (!signal.aborted)
        await attempt(
          async () => {
            if (!joined) await fleet.join();
            joined = true;
            return round();
          },
          backoff,
          signal,
        );
    },
  };
}
