// Who is let in, and for how long: asks the provider, and tells when a principal's time is over or its credential revoked.
// It must not know what is served, nor how. Invariants: fail closed, on a fault too; what was revoked while a caller was
// asked about is not let in; no credential is kept or logged.
import type { Caller, Credentials, Principal, Unknown } from '../model/principal.ts';
import { revocableNames } from '../model/revocable.ts';
import type { Clock, Timer } from '../util/clock.ts';
import type { Logger } from '../util/log.ts';
import type { ViewProvider } from './contract.ts';
import type { Expulsion } from './sink.ts';

/** A caller that was let in. */
export interface Admitted {
  readonly principal: Principal;
  /** Nothing of it is served any more. */
  leave(): void;
}

export interface Callers {
  /** Reads the credentials. Never throws nor rejects, whatever they do. `onOver` is called once, if it ends before `leave`. */
  ask(
    credentials: () => Credentials,
    onOver: (why: Expulsion) => void,
  ): Admitted | Unknown | Promise<Admitted | Unknown>;
  /** Listens for what is revoked; returns the way to stop. */
  listen(): () => void;
}

export interface CallersDeps {
  readonly clock: Clock;
  readonly log: Logger;
  readonly provider: Pick<ViewProvider, 'authenticate' | 'onRevoked'>;
}

type Over = (why: Expulsion) => void;

const expired = 'credential expired, connect anew';
const revoked = 'the credential was revoked';
const unavailable: Unknown = {
  refused: 'unavailable',
  message: 'it cannot be found out now who is calling',
  cause: 'unavailable',
};
/** Timers are no longer than that, and a wall clock that is set is noticed by then. */
const lookAgainMs = 3_600_000;

/** Undefined where nobody is asked for a credential. */
export function createCallers({ clock, log, provider }: CallersDeps): Callers | undefined {
  const { authenticate } = provider;
  if (authenticate === undefined) return undefined;
  const byName = new Map<string, Set<Over>>();
  /** Callers that are being asked about, and what was revoked meanwhile. */
  let asking = 0;
  const meanwhile = new Set<string>();

  function admit(principal: Principal, onOver: Over): Admitted | Unknown {
    const { notAfterMs } = principal;
    const names = revocableNames(principal).map(({ id }) => id);
    if (names.some((name) => meanwhile.has(name)))
      return { refused: 'unauthenticated', message: revoked, cause: 'revoked' };
    // Also where the time is no number.
    if (!(notAfterMs > clock.wall())) return { refused: 'unauthenticated', message: expired, cause: 'expired' };
    let timer: Timer | undefined;
    const over: Over = (why) => {
      leave();
      onOver(why);
    };
    for (const name of names) {
      const others = byName.get(name) ?? new Set();
      byName.set(name, others.add(over));
    }
    const leave = (): void => {
      timer?.cancel();
      for (const name of names) {
        const others = byName.get(name);
        others?.delete(over);
        if (others?.size === 0) byName.delete(name);
      }
    };
    const look = (): void => {
      const leftMs = notAfterMs - clock.wall();
      if (leftMs <= 0) over({ cause: 'expired', message: expired });
      else timer = clock.after(Math.min(leftMs, lookAgainMs), look);
    };
    look();
    return { principal, leave };
  }

  function settle(caller: Caller, onOver: Over): Admitted | Unknown {
    return 'refused' in caller ? caller : admit(caller, onOver);
  }

  /** Of the fault only its kind: its words may hold what was looked at. */
  function failed(error: unknown): Unknown {
    log.error('it could not be found out who is calling', {
      error: error instanceof Error ? error.name : typeof error,
    });
    return unavailable;
  }

  async function later(coming: Promise<Caller>, onOver: Over): Promise<Admitted | Unknown> {
    asking++;
    try {
      return settle(await coming, onOver);
    } catch (error) {
      return failed(error);
    } finally {
      if (--asking === 0) meanwhile.clear();
    }
  }

  function revoke(ids: ReadonlySet<string>): void {
    for (const id of ids) {
      if (asking > 0) meanwhile.add(id);
      for (const over of [...(byName.get(id) ?? [])])
        try {
          over({ cause: 'revoked', message: revoked });
        } catch (error) {
          // The others are to end all the same.
          log.error('a stream could not be ended', { error: error instanceof Error ? error.name : typeof error });
        }
    }
  }

  return {
    ask(credentials, onOver) {
      try {
        const caller = authenticate(credentials());
        return caller instanceof Promise ? later(caller, onOver) : settle(caller, onOver);
      } catch (error) {
        return failed(error);
      }
    },
    listen: () => provider.onRevoked?.(revoke) ?? (() => {}),
  };
}
