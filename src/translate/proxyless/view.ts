// What a proxyless gRPC client sees: the clusters and routes of the whole mesh, and a listener for any name that leads there.
// It must not know streams or who asks. Invariant: clients ask by name only, so listeners are made when asked for; an
// unchanged cluster or route configuration is the same object as before.
import type { Problem } from '../../model/problem.ts';
import type { World } from '../../model/world.ts';
import type { Encoder } from '../../resources/encode.ts';
import type { Resource } from '../../resources/resource.ts';
import { type TypeUrl, typeUrls } from '../../resources/type-urls.ts';
import { nowhereCluster } from '../cluster-names.ts';
import { createClusterTable } from '../cluster-table.ts';
import type { OnDemand, ViewContent } from '../contract.ts';
import type { EndpointTable } from '../endpoint-table.ts';
import type { HostGroup, HostGroups } from '../host-groups.ts';
import type { Ran } from '../memo.ts';
import type { ProxyProfile } from '../profile.ts';
import { createRouteTable, type RouteConfiguration } from '../route-table.ts';
import { type ViewFilter, visibleRoutes } from '../virtual-hosts.ts';
import { emptyProxylessCluster, proxylessCluster, unnamable, unreachable } from './clusters.ts';
import { createHostSearch } from './host-search.ts';
import { clientListener, serverBinding, serverListener } from './listeners.ts';
import { proxylessHost } from './virtual-host.ts';

export interface ProxylessInput {
  readonly world: World;
  readonly profile: Extract<ProxyProfile, { role: 'proxyless' }>;
  readonly groups: HostGroups;
  readonly endpoints: EndpointTable;
}

export interface ProxylessViews {
  view(input: ProxylessInput): ViewContent;
  /** After a change of the host groups. */
  sweep(): void;
}

/** Listeners remembered; whoever asks for more names than that has them made again. */
const maxListeners = 10_000;

function answers(group: HostGroup, filter: ViewFilter): boolean {
  return group.service !== undefined || visibleRoutes(group, filter).length > 0;
}

export function createProxylessViews(encoder: Encoder, ran: Ran): ProxylessViews {
  const clusterTable = createClusterTable(encoder, ran, {
    stage: 'proxyless clusters',
    mutualTls: false,
    cluster: proxylessCluster,
    empty: emptyProxylessCluster,
    always: [nowhereCluster],
  });
  const routeTable = createRouteTable(encoder, ran, {
    stage: 'proxyless virtual hosts',
    host: proxylessHost,
    hidden: [],
  });
  const hostSearch = createHostSearch();
  /** By the caller, where some rule of the group asks for it. */
  const configurations = new WeakMap<HostGroup, Map<string, RouteConfiguration | undefined>>();
  const listeners = new Map<string, { readonly group: HostGroup | undefined; readonly made: Resource | undefined }>();

  function listener(name: string, group: HostGroup | undefined): Resource | undefined {
    const known = listeners.get(name);
    if (known !== undefined && known.group === group) return known.made;
    const binding = serverBinding(name);
    const json =
      binding !== undefined
        ? serverListener(name, binding)
        : group === undefined
          ? undefined
          : clientListener(name, group.name);
    if (json === undefined) return undefined;
    const made = encoder.resource({ type: typeUrls.listener, name }, json, {
      deps: group === undefined ? [] : [{ type: typeUrls.routes, name: group.name }],
      provenance: [...(group?.routes.map(({ provenance }) => provenance) ?? []), ...(group?.service?.provenance ?? [])],
    });
    const resource = made.ok ? { ...made.value, byNameOnly: true } : undefined;
    if (listeners.size >= maxListeners) listeners.clear();
    listeners.set(name, { group, made: resource });
    return resource;
  }

  /** Undefined: nothing that this caller sees answers to the group's hosts. */
  function routesOf(group: HostGroup, filter: ViewFilter): RouteConfiguration | undefined {
    let known = configurations.get(group);
    if (known === undefined) {
      known = new Map();
      configurations.set(group, known);
    }
    const caller = filter.caller !== undefined && group.callers.has(filter.caller) ? filter.caller : '';
    if (!known.has(caller))
      known.set(caller, answers(group, filter) ? routeTable.single(group.name, group, filter) : undefined);
    return known.get(caller);
  }

  return {
    view({ world, profile, groups, endpoints }) {
      const filter: ViewFilter = {
        gateway: 'mesh',
        ...(profile.service === undefined ? {} : { caller: profile.service }),
      };
      const clusters = clusterTable(world, endpoints);
      const problems: Problem[] = [...clusters.problems, ...unnamable(world, endpoints), ...unreachable(world)];
      const routes = new Map<string, Resource>();
      for (const group of groups.all) {
        const made = routesOf(group, filter);
        if (made === undefined) continue;
        routes.set(group.name, made.resource);
        problems.push(...made.problems);
      }
      const search = hostSearch(groups);
      const onDemand: OnDemand = {
        type: typeUrls.listener,
        get(name) {
          if (serverBinding(name) !== undefined) return listener(name, undefined);
          const group = search(name);
          return group !== undefined && routes.has(group.name) ? listener(name, group) : undefined;
        },
      };
      return {
        resources: new Map<TypeUrl, ReadonlyMap<string, Resource>>([
          [typeUrls.cluster, clusters.resources],
          [typeUrls.listener, new Map()],
          [typeUrls.routes, routes],
        ]),
        onDemand,
        problems,
      };
    },
    sweep: () => routeTable.sweep(),
  };
}
