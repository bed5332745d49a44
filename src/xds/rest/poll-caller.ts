// Who sends a poll: asked with every one of them, before its body is read.
// It must not know what is asked for. Invariant: nobody is taken at a former poll's word.
import type { IncomingMessage } from 'node:http';
import type { Admitted, Callers } from '../callers.ts';
import { credentialsOf, namedHeaders } from '../credentials.ts';
import { peerOf } from '../grpc/peer.ts';
import type { Expulsion } from '../sink.ts';
import { Refused, refusalStatus } from './refused.ts';

export interface PollCaller extends Admitted {
  /** Throws Refused if it is over. */
  check(): void;
}

/** Undefined where nobody is asked. `onOver`: the poll is to be answered at once, and not with what it asks for. */
export async function callerOf(
  callers: Callers | undefined,
  request: IncomingMessage,
  onOver: () => void,
): Promise<PollCaller | undefined> {
  if (callers === undefined) return undefined;
  let over: Expulsion | undefined;
  const headers = namedHeaders((name) => request.headersDistinct[name] ?? []);
  const answer = await callers.ask(
    () => credentialsOf(peerOf(request.socket), headers),
    (why) => {
      over = why;
      onOver();
    },
  );
  if ('refused' in answer) throw new Refused(refusalStatus[answer.refused], answer.message);
  return {
    ...answer,
    check() {
      if (over !== undefined) throw new Refused(refusalStatus.unauthenticated, over.message);
    },
  };
}
