// The fence around every stream of the port, whatever serves it: what is thrown ends that stream with INTERNAL.
// It must not know what is served. Invariant: no exception of a listener reaches the transport, whose other streams and
// connections would go with it.
import { errorText } from '../util/errors.ts';
import type { Logger } from '../util/log.ts';
import { nobody, type ServedMethod } from './sink.ts';

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
