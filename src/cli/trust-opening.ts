// Opens the authority of a control plane, and asks again where a store of trust is away at start, as is done for registries.
// It must not know stores. Invariant: only an absence is waited for; an answer (a refusal, a wrong key, what cannot be read)
// ends it, and so does whoever stops the program, at once.

import { createBackoff } from '../util/backoff.ts';
import type { Clock } from '../util/clock.ts';
import { AppError, errorText } from '../util/errors.ts';
import type { Logger } from '../util/log.ts';
import type { Random } from '../util/random.ts';
import type { Trust } from './trust.ts';

export interface TrustOpening {
  /** What is waited for, for probes and `status`: no address and no reason. Empty: nothing. */
  waitingFor(): readonly string[];
  /** Resolves to whether it is open; false: aborted before. Rejects with what is no absence. */
  open(signal: AbortSignal): Promise<boolean>;
}

/** A store that did not answer; every other code is an answer, and so is a folder that cannot be used. */
const isAway = (error: unknown): boolean =>
  error instanceof AppError && error.code === 'CH1821' && error.retryable === true;

export function createTrustOpening(
  { clock, random, log }: { readonly clock: Clock; readonly random: Random; readonly log: Logger },
  trust: Pick<Trust, 'open'>,
): TrustOpening {
  let waits = false;

  async function untilOpen(signal: AbortSignal): Promise<boolean> {
    const backoff = createBackoff(random, 200, 5_000);
    let told: string | undefined;
    while (!signal.aborted) {
      try {
        await trust.open();
        if (waits) log.info('the store of trust is there');
        waits = false;
        return true;
      } catch (error) {
        if (signal.aborted) return false;
        if (!isAway(error)) throw error;
        waits = true;
        const reason = errorText(error);
        // Once: what changes while it is away are the names of keys that were asked for.
        if (told === undefined)
          log.warn('waiting for the store of trust, and asking again; nobody is let in before', { reason });
        else if (told !== reason) log.debug('still waiting for the store of trust', { reason });
        told = reason;
        await clock.sleep(backoff.next(), signal);
      }
    }
    return false;
  }

  return {
    waitingFor: () => (waits ? ['the store of trust (unreachable)'] : []),
    async open(signal) {
      // A call that is on its way ends by its own deadline; nobody waits for it.
      const { promise: aborted, resolve } = Promise.withResolvers<boolean>();
      const stop = (): void => resolve(false);
      signal.addEventListener('abort', stop, { once: true });
      if (signal.aborted) stop();
      const opening = untilOpen(signal);
      try {
        return await Promise.race([opening, aborted]);
      } finally {
        signal.removeEventListener('abort', stop);
        opening.catch(() => undefined);
      }
    },
  };
}
