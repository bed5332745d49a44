// When the endpoints that are gone with their service are taken from a gRPC client. Envoy drops them with the cluster; a
// gRPC client keeps a cluster that was deleted, as our bootstraps tell it to (gRFC A53), and would go on calling what it
// knows. It must not know message formats. Invariant: a client loses no endpoints while it still uses a route whose
// successor does not need them.
import type { Resource } from '../resources/resource.ts';
import { typeUrls } from '../resources/type-urls.ts';
import { held, heldResources } from './holdings.ts';
import { emptyAssignment } from './responses.ts';
import type { StreamState } from './stream-state.ts';
import type { TypeState } from './type-state.ts';

/** What to send of endpoints that are not in the view any more; `wait`: not yet. */
export function withdrawn(stream: StreamState, state: TypeState, name: string): Resource | 'wait' | undefined {
  const has = stream.options.legacyWildcard ? undefined : held(state.holdings, name);
  const empty = emptyAssignment(name);
  if (has === undefined || has.version === empty.version) return undefined;
  return needed(stream, name) ? 'wait' : empty;
}

function needed(stream: StreamState, name: string): boolean {
  const clusters = stream.types.get(typeUrls.cluster);
  if (clusters === undefined) return false;
  for (const cluster of heldResources(clusters.holdings)) {
    if (!names(cluster, typeUrls.endpoints, name)) continue;
    const now = stream.view.get(typeUrls.cluster, cluster.name);
    // Endpoints are published before the rest of one change: what takes the cluster away is yet to come.
    if (now !== undefined && names(now, typeUrls.endpoints, name)) return true;
    if (leaving(stream, cluster.name)) return true;
  }
  return false;
}

/** True while the client has a route to the cluster that is about to be replaced by one without. */
function leaving(stream: StreamState, cluster: string): boolean {
  const routes = stream.types.get(typeUrls.routes);
  if (routes === undefined) return false;
  const used = [...heldResources(routes.holdings), ...(routes.flight?.message.resources.values() ?? [])];
  return used.some((route) => {
    const next = stream.view.get(typeUrls.routes, route.name);
    return names(route, typeUrls.cluster, cluster) && next !== undefined && !names(next, typeUrls.cluster, cluster);
  });
}

function names(resource: Resource, type: Resource['type'], name: string): boolean {
  return resource.deps.some((dep) => dep.type === type && dep.name === name);
}
