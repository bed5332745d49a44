// Serves a stream once it is known who opened it, and ends it when that is over.
// It must not know what is served. Invariants: before the answer nothing of the stream is decoded and nothing is written to
// it; what waits is bounded in number, bytes and time; whoever is refused learns a status and words that say nothing of why
// a secret did not hold.
import type { Principal, Unknown } from '../model/principal.ts';
import type { Clock, Timer } from '../util/clock.ts';
import { errorText } from '../util/errors.ts';
import type { Logger } from '../util/log.ts';
import { limitLog } from '../util/log-budget.ts';
import type { Admitted, Callers } from './callers.ts';
import { credentialsOf } from './credentials.ts';
import { createEarlyMessages, tooEarly } from './early-messages.ts';
import { nobody, type Sink, type StatusName, type StreamListener } from './sink.ts';

/** A sink whose principal is known. */
export type KnownSink = Sink & { readonly principal: Principal };

export interface GateDeps {
  readonly clock: Clock;
  readonly log: Logger;
  readonly callers: Callers;
  /** Longest time to find out who is calling. */
  readonly patienceMs: number;
  /** A stream ended before it was let in. */
  readonly onTurnedAway: (cause: 'unauthenticated' | 'over-limit' | 'stopping' | 'internal') => void;
}

export interface Gate {
  /** `open` is called with the same sink, now or when it is known whose it is; the listener returned stands for that one. */
  admit(sink: Sink, open: (sink: KnownSink) => StreamListener): StreamListener;
  /** Ends every stream that waits, and whoever comes, with UNAVAILABLE. */
  stop(): void;
}

export function createGate({ clock, log, callers, patienceMs, onTurnedAway }: GateDeps): Gate {
  const audit = limitLog(log.child('audit'), clock, { burst: 2_000, perSecond: 200 });
  /** What ends the streams that wait. */
  const waiting = new Set<() => void>();
  let stopped = false;

  function admit(sink: Sink, open: (sink: KnownSink) => StreamListener): StreamListener {
    const early = createEarlyMessages();
    let inner: StreamListener | undefined;
    let admitted: Admitted | undefined;
    let timer: Timer | undefined;
    let over = false;
    let halfClosed = false;

    function rest(): void {
      timer?.cancel();
      waiting.delete(stop);
    }

    function turnAway(status: StatusName, details: string, cause: Parameters<typeof onTurnedAway>[0]): void {
      if (over) return;
      over = true;
      rest();
      early.takeAll();
      onTurnedAway(cause);
      sink.end(status, details);
    }

    function stop(): void {
      turnAway('unavailable', 'the server is stopping', 'stopping');
    }

    function refuse({ refused, message, cause }: Pick<Unknown, 'refused' | 'message' | 'cause'>): void {
      log.info('a caller was refused', { peer: sink.peer.name, reason: refused, cause });
      turnAway(refused, message, 'unauthenticated');
    }

    function settle(answer: Admitted | Unknown): void {
      if (over) {
        if (!('refused' in answer)) answer.leave();
        return;
      }
      rest();
      if ('refused' in answer) {
        refuse(answer);
        return;
      }
      admitted = answer;
      const { id, credential } = answer.principal;
      audit.info('a caller was let in', {
        ...{ who: id, credential: credential.kind, credentialId: credential.id, peer: sink.peer.name },
      });
      inner = open({ ...sink, principal: answer.principal });
    }

    /** Takes what came meanwhile. Reading goes on unless what is served stops it. */
    function begin(answer: Admitted | Unknown): void {
      if (!over && !('refused' in answer)) sink.resume();
      settle(answer);
      if (over) return;
      for (const bytes of early.takeAll()) inner?.incoming(bytes);
      if (halfClosed) inner?.halfClosed();
    }

    const asked = callers.ask(
      () => credentialsOf(sink.peer, sink.credentials),
      (why) => {
        if (inner?.expelled !== undefined) inner.expelled(why);
        else if (inner !== undefined) sink.end('unauthenticated', why.message);
        else refuse({ refused: 'unauthenticated', ...why });
      },
    );
    if (!(asked instanceof Promise)) settle(asked);
    else {
      sink.pause();
      waiting.add(stop);
      timer = clock.after(patienceMs, () =>
        refuse({
          refused: 'unavailable',
          message: 'it took too long to find out who is calling',
          cause: 'unavailable',
        }),
      );
      asked.then(begin).catch((error: unknown) => {
        log.error('a stream failed', { error: errorText(error) });
        turnAway('internal', 'internal error', 'internal');
      });
    }

    return {
      incoming(bytes) {
        if (inner !== undefined) inner.incoming(bytes);
        else if (!over && !early.push(bytes)) turnAway('resource-exhausted', tooEarly, 'over-limit');
      },
      halfClosed() {
        halfClosed = true;
        inner?.halfClosed();
      },
      closed(reason) {
        over = true;
        rest();
        admitted?.leave();
        inner?.closed(reason);
      },
    };
  }

  return {
    admit(sink, open) {
      if (!stopped) return admit(sink, open);
      onTurnedAway('stopping');
      sink.end('unavailable', 'the server is stopping');
      return nobody;
    },
    stop() {
      stopped = true;
      for (const end of [...waiting]) end();
    },
  };
}
