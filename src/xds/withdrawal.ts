// When the endpoints that are gone with their service are taken from a gRPC client. Envoy drops them with the cluster; a
// gRPC client keeps what was deleted, as our bootstraps tell it to (gRFC A53), and would go on calling what it knows.
// It must not know message formats. Invariant: a client that is to route elsewhere keeps the endpoints for as long as it
// wants them: its ACK of a route says that it has it, not that every call goes by it yet.
import type { Resource } from '../resources/resource.ts';
import { typeUrls } from '../resources/type-urls.ts';
import { held, heldResources } from './holdings.ts';
import { emptyAssignment } from './responses.ts';
import type { StreamState } from './stream-state.ts';
import type { TypeState } from './type-state.ts';

/** What to send of endpoints that are not in the view any more; `wait`: not decided yet. */
export function withdrawn(stream: StreamState, state: TypeState, name: string): Resource | 'wait' | undefined {
  const has = stream.options.legacyWildcard ? undefined : held(state.holdings, name);
  const empty = emptyAssignment(name);
  if (has === undefined || has.version === empty.version) return undefined;
  const clusters = stream.types.get(typeUrls.cluster);
  let goes = false;
  let undecided = false;
  for (const cluster of clusters === undefined ? [] : heldResources(clusters.holdings)) {
    if (!names(cluster, typeUrls.endpoints, name)) continue;
    const now = stream.view.get(typeUrls.cluster, cluster.name);
    // Endpoints are published before the rest of one change: what takes the cluster away, or has it use others, is yet to
    // come, or was refused.
    if (now !== undefined) return 'wait';
    for (const route of routesTo(stream, cluster.name)) {
      const next = stream.view.get(typeUrls.routes, route.name);
      const stays = next === undefined ? !movesOn(stream, route.name) : names(next, typeUrls.cluster, cluster.name);
      if (stays) goes = true;
      else undecided = true;
    }
  }
  if (undecided) return 'wait';
  return goes ? empty : undefined;
}

/** Routes that the client has, or is about to have, to the cluster. */
function routesTo(stream: StreamState, cluster: string): readonly Resource[] {
  const routes = stream.types.get(typeUrls.routes);
  if (routes === undefined) return [];
  const all = [...heldResources(routes.holdings), ...(routes.flight?.message.resources.values() ?? [])];
  return all.filter((route) => names(route, typeUrls.cluster, cluster));
}

/** True if a listener that the client has, or is about to have, and that names the route configuration is to name another one. */
function movesOn({ types, view }: StreamState, routes: string): boolean {
  const listeners = types.get(typeUrls.listener);
  if (listeners === undefined) return false;
  const sent = listeners.flight?.message.resources.values() ?? [];
  for (const listener of [...heldResources(listeners.holdings), ...sent])
    if (names(listener, typeUrls.routes, routes) && view.get(typeUrls.listener, listener.name) !== undefined)
      return true;
  return false;
}

function names(resource: Resource, type: Resource['type'], name: string): boolean {
  return resource.deps.some((dep) => dep.type === type && dep.name === name);
}
