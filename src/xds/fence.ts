// The fences around every stream of the port: what is thrown ends that stream, with INTERNAL where it is not the client's
// fault. One is around whatever serves a stream; what does more for it, by timers and promises, has its own, and ends alike.
// It must not know what is served. Invariant: no exception of a listener reaches the transport, whose other streams and
// connections would go with it.
import { errorText } from '../util/errors.ts';
import type { Logger } from '../util/log.ts';
import { nobody, type ServedMethod } from './sink.ts';
import { WireError } from './wire.ts';

export interface FenceDeps {
  readonly log: Logger;
  readonly onFault: () => void;
}

export function fenced({ log, onFault }: FenceDeps, { path, open }: ServedMethod): ServedMethod {
  return {
    path,
    open(sink) {
      let listener = nobody;
      const attempt = (action: () => void): void => {
        try {
          action();
        } catch (error) {
          log.error('a stream failed', { method: path, error: errorText(error) });
          onFault();
          sink.end('internal', 'internal error');
        }
      };
      attempt(() => {
        listener = open(sink);
      });
      return {
        incoming: (bytes) => attempt(() => listener.incoming(bytes)),
        halfClosed: () => attempt(() => listener.halfClosed()),
        closed: (reason) => attempt(() => listener.closed(reason)),
      };
    },
  };
}

export interface Fenced {
  readonly log: Logger;
  readonly stream: number;
  /** What its messages are: `a discovery request`. */
  readonly what: string;
}

/** What a stream ends with for which this was thrown. What is not its client's fault is logged. */
export function endOf(
  error: unknown,
  { log, stream, what }: Fenced,
): { readonly status: 'invalid-argument' | 'internal'; readonly details: string } {
  if (error instanceof WireError) return { status: 'invalid-argument', details: `not ${what}: ${error.message}` };
  log.error('a stream failed', { stream, error: errorText(error) });
  return { status: 'internal', details: 'internal error' };
}
