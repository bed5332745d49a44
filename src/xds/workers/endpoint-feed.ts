// The endpoints a worker knows: one table, told while a stream of the worker is there to use it.
// It must not know streams. Invariant: while it is in use, the worker's table is the one of the views.
import type { Resource, View } from '../../resources/resource.ts';
import { typeUrls } from '../../resources/type-urls.ts';
import { toShared } from './thread-messages.ts';
import type { FeedDeps } from './view-feed.ts';

export interface EndpointFeed {
  /** A stream is there: what the worker may have missed is told. */
  use(view: View): void;
  /** These names changed. `view`: one in use, all read the same table. */
  changed(view: View, names: readonly string[]): void;
  /** No stream is left: the table grows old until `use`. */
  rest(): void;
}

export function createEndpointFeed({ bytes, outbox }: FeedDeps): EndpointFeed {
  /** Endpoints that the worker has. */
  const endpoints = new Map<string, Resource>();
  let old = true;

  function tell(view: View, names: Iterable<string>): void {
    const set: Resource[] = [];
    const removed: string[] = [];
    for (const name of names) {
      const resource = view.get(typeUrls.endpoints, name);
      if (endpoints.get(name)?.version === resource?.version) continue;
      if (resource === undefined) {
        removed.push(name);
        endpoints.delete(name);
      } else {
        set.push(resource);
        endpoints.set(name, resource);
      }
    }
    if (set.length + removed.length === 0) return;
    bytes.place(set);
    outbox.push({
      kind: 'endpoints',
      set: set.map((resource) => toShared(resource, 0, bytes.placeOf(resource))),
      removed,
    });
  }

  return {
    use(view) {
      if (!old) return;
      old = false;
      tell(view, new Set([...endpoints.keys(), ...view.names(typeUrls.endpoints)]));
    },
    changed: tell,
    rest() {
      old = true;
    },
  };
}
