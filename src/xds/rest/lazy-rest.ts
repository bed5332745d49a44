// Discovery by REST, loaded with the first connection that speaks HTTP/1.1: most control planes never see one.
// It must not know what is served. Invariant: a connection that comes while the code loads is served, or closed.
import { errorText } from '../../util/errors.ts';
import type { Rest, RestDeps } from './rest.ts';

export function createLazyRest(deps: RestDeps): Rest {
  let loading: Promise<Rest> | undefined;
  let loaded: Rest | undefined;
  return {
    serve(socket) {
      loading ??= import('./rest.ts').then(({ createRest }) => {
        loaded = createRest(deps);
        return loaded;
      });
      loading.then(
        (rest) => rest.serve(socket),
        (error: unknown) => {
          deps.log.error('REST could not be loaded', { error: errorText(error) });
          socket.destroy();
        },
      );
    },
    clients: (wanted) => loaded?.clients(wanted) ?? [],
    // What could not be loaded was told when it was asked for.
    stop: () =>
      void loading?.then(
        (rest) => rest.stop(),
        () => {},
      ),
  };
}
