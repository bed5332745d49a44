// A served method whose code is loaded when it is first called: what nobody asks for costs neither start nor memory.
// It must not know any service. Invariant: what comes while the code loads is taken in order; a client that is gone by then
// is never served.
import { errorText } from '../../util/errors.ts';
import type { Logger } from '../../util/log.ts';
import type { ServedMethod, Sink, StreamListener } from '../sink.ts';

export interface LazyMethod {
  /** `/package.Service/Method`. */
  readonly path: string;
  readonly log: Logger;
  /** Called at every stream; modules are cached by the runtime. */
  readonly load: () => Promise<(sink: Sink) => StreamListener>;
}

export function lazyMethod({ path, log, load }: LazyMethod): ServedMethod {
  return {
    path,
    open(sink) {
      let listener: StreamListener | undefined;
      let gone = false;
      const waiting: ((to: StreamListener) => void)[] = [];
      sink.pause();
      const tell = (action: (to: StreamListener) => void): void => {
        if (listener === undefined) waiting.push(action);
        else action(listener);
      };
      const begin = (serve: (sink: Sink) => StreamListener): void => {
        if (gone) return;
        // First, as the service may stop reading again.
        sink.resume();
        listener = serve(sink);
        for (const action of waiting) action(listener);
      };
      load()
        .then(begin)
        .catch((error: unknown) => {
          log.error('a service failed', { path, error: errorText(error) });
          sink.end('internal', 'internal error');
        });
      return {
        incoming: (bytes) => tell((to) => to.incoming(bytes)),
        halfClosed: () => tell((to) => to.halfClosed()),
        closed(reason) {
          gone = true;
          listener?.closed(reason);
        },
      };
    },
  };
}
