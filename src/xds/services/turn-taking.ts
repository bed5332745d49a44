// A stream on which one request is answered at a time: nothing further is read until the transport has taken the answer.
// It must not know what is asked. Invariant: no fault in an answer ends more than its stream; once it is over, nothing is said.
import { errorText } from '../../util/errors.ts';
import type { Logger } from '../../util/log.ts';
import { frameOf } from '../frame.ts';
import type { Sink, StatusName, StreamListener } from '../sink.ts';
import { WireError } from '../wire.ts';

/** A request that is not answered, as a status and words. */
export interface Denial {
  readonly denied: StatusName;
  readonly details: string;
}

export interface TurnTaking {
  /** The service, for people: `client status`. */
  readonly name: string;
  readonly log: Logger;
  /** One request is answered, and the stream ended with it. */
  readonly unary?: boolean;
  /** The message that answers a request. Throws WireError where it is none. */
  readonly answer: (request: Buffer) => Promise<Buffer | Denial>;
}

export function takeTurns(sink: Sink, { name, log, unary = false, answer }: TurnTaking): StreamListener {
  const requests: Buffer[] = [];
  let busy = false;
  let halfClosed = false;
  let over = false;
  /** Called when the transport has taken the answer, or never will. */
  let release = (): void => {};

  function end(status: StatusName, details: string): void {
    if (over) return;
    over = true;
    sink.end(status, details);
  }

  async function work(): Promise<void> {
    if (busy) return;
    busy = true;
    sink.pause();
    try {
      for (let bytes = requests.shift(); bytes !== undefined && !over; bytes = requests.shift()) await respond(bytes);
    } catch (error) {
      fail(error);
    }
    busy = false;
    if (over) return;
    sink.resume();
    if (halfClosed) end('ok', '');
  }

  async function respond(bytes: Buffer): Promise<void> {
    const message = await answer(bytes);
    if (over) return;
    if ('denied' in message) {
      end(message.denied, message.details);
      return;
    }
    await new Promise<void>((resolve) => {
      release = resolve;
      sink.write(frameOf(message), resolve);
    });
    if (unary) end('ok', '');
  }

  function fail(error: unknown): void {
    if (error instanceof WireError) {
      end('invalid-argument', `not a ${name} request: ${error.message}`);
      return;
    }
    log.error(`${name} failed`, { error: errorText(error) });
    end('internal', 'internal error');
  }

  return {
    incoming(bytes) {
      if (over) return;
      requests.push(bytes);
      void work();
    },
    halfClosed() {
      halfClosed = true;
      if (!busy) end('ok', '');
    },
    closed() {
      over = true;
      release();
    },
  };
}
