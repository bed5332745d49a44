// Holds a stream until it is known who opened it, and ends it when that is over. It must not know who anybody is.
// Invariants: before the answer nothing of the stream is decoded and nothing is written to it; what waits is bounded in
// number, bytes and time; whoever is refused learns a status and words that say nothing of why a secret did not hold.
import type { Unknown } from '../model/principal.ts';
import type { Clock, Timer } from '../util/clock.ts';
import { errorText } from '../util/errors.ts';
import type { Logger } from '../util/log.ts';
import { createEarlyMessages, tooEarly } from './early-messages.ts';
import { type Expulsion, nobody, type Sink, type StatusName, type StreamListener } from './sink.ts';

/** Somebody who was let in. */
export interface Guest {
  /** Nothing of it is served any more. */
  leave(): void;
}

export interface WaitingRoomDeps<G extends Guest> {
  readonly clock: Clock;
  readonly log: Logger;
  /** Never throws nor rejects. `onOver` is called once, if it ends before `leave`. */
  readonly ask: (sink: Sink, onOver: (why: Expulsion) => void) => G | Unknown | Promise<G | Unknown>;
  /** Longest time to find out who is calling. */
  readonly patienceMs: number;
  /** A stream ended before it was let in. */
  readonly onTurnedAway: (cause: 'unauthenticated' | 'over-limit' | 'stopping' | 'internal') => void;
}

export interface WaitingRoom<G extends Guest> {
  /** `open` is called now or when it is known whose the stream is; the listener returned stands for that one. */
  admit(sink: Sink, open: (guest: G) => StreamListener): StreamListener;
  /** Ends every stream that waits, and whoever comes, with UNAVAILABLE. */
  stop(): void;
}

export function createWaitingRoom<G extends Guest>(deps: WaitingRoomDeps<G>): WaitingRoom<G> {
  const { clock, log, patienceMs, onTurnedAway } = deps;
  /** What ends the streams that wait. */
  const waiting = new Set<() => void>();
  let stopped = false;

  function admit(sink: Sink, open: (guest: G) => StreamListener): StreamListener {
    const early = createEarlyMessages();
    let inner: StreamListener | undefined;
    let admitted: G | undefined;
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

    function settle(answer: G | Unknown): void {
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
      inner = open(answer);
    }

    /** Takes what came meanwhile. Reading goes on unless what is served stops it. */
    function begin(answer: G | Unknown): void {
      if (!over && !('refused' in answer)) sink.resume();
      settle(answer);
      if (over) return;
      for (const bytes of early.takeAll()) inner?.incoming(bytes);
      if (halfClosed) inner?.halfClosed();
    }

    const asked = deps.ask(sink, (why) => {
      if (inner?.expelled !== undefined) inner.expelled(why);
      else if (inner !== undefined) sink.end('unauthenticated', why.message);
      else refuse({ refused: 'unauthenticated', ...why });
    });
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
