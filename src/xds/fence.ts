// The fences around every stream of the port: what is thrown ends that stream, with INTERNAL where it is not the client's
// fault. One is around whatever serves a stream, the other is for what is done for a stream outside its listener's calls.
// It must not know what is served. Invariant: no exception of a listener reaches the transport, whose other streams and
// connections would go with it.
import { errorText } from '../util/errors.ts';
import type { Logger } from '../util/log.ts';
import { nobody, type ServedMethod, type StatusName } from './sink.ts';
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

export interface StreamFence {
  /** Does it, unless the stream is over. */
  run(action: () => void): void;
  /** What was thrown, or rejected with, ends the stream. */
  broken(error: unknown): void;
}

export interface StreamFenceDeps {
  readonly log: Logger;
  readonly stream: number;
  /** What its messages are: `a discovery request`. */
  readonly what: string;
  readonly isOver: () => boolean;
  readonly end: (status: Extract<StatusName, 'invalid-argument' | 'internal'>, details: string) => void;
}

export function createStreamFence({ log, stream, what, isOver, end }: StreamFenceDeps): StreamFence {
  function broken(error: unknown): void {
    if (error instanceof WireError) {
      end('invalid-argument', `not ${what}: ${error.message}`);
      return;
    }
    log.error('a stream failed', { stream, error: errorText(error) });
    end('internal', 'internal error');
  }
  return {
    run(action) {
      if (isOver()) return;
      try {
        action();
      } catch (error) {
        broken(error);
      }
    },
    broken,
  };
}
