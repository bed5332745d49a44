// The translator: a World and a profile become the resources of one view; endpoints become a table beside the views.
// It knows no stream, does no I/O and never throws on what a user wrote.
// Invariant: pure but for its memo; equal input gives equal bytes, and an unchanged resource is the same object as before.
import { createProblem, type Problem } from '../model/problem.ts';
import type { World } from '../model/world.ts';
import { missingRefs, missingText } from '../resources/check.ts';
import { createEncoder, type Encoded, noProvenance } from '../resources/encode.ts';
import type { Protos } from '../resources/protos.ts';
import type { Resource, ResourceRef } from '../resources/resource.ts';
import { type TypeUrl, typeUrls } from '../resources/type-urls.ts';
import { type Access, createAccessTable } from './authorization/table.ts';
import { clusterName } from './cluster-names.ts';
import { type ClusterTable, createClusterTable, emptyCluster } from './cluster-table.ts';
import type { Translator, ViewContent } from './contract.ts';
import { misdirected } from './edge-listeners.ts';
import { createEndpointTable, type EndpointTable } from './endpoint-table.ts';
import { jwtAuthnRef, jwtAuthnResource } from './filters/jwt-authn.ts';
import { type HostGroups, hostGroups } from './host-groups.ts';
import { inboundCluster, inboundName, inboundVirtualHost } from './inbound.ts';
import { countRun, createKeyedMemo, sameItems } from './memo.ts';
import { isMeshSecret, secretRefs } from './mutual-tls.ts';
import type { PlannedListener } from './planned-listener.ts';
import type { EnvoyProfile, ProxyProfile } from './profile.ts';
import { planListeners } from './proxy-listeners.ts';
import { createProxylessViews } from './proxyless/view.ts';
import { createRouteTable, type RouteConfiguration } from './route-table.ts';
import { createUpstreamGroups } from './upstream-groups.ts';
import type { ViewFilter } from './virtual-hosts.ts';

interface Shared {
  readonly groups: HostGroups;
  readonly clusters: ClusterTable;
  readonly endpoints: EndpointTable;
}

interface Accessible {
  /** Who may call the service that the view is beside. */
  readonly access: Access | undefined;
}

interface Known {
  readonly inputs: readonly unknown[];
  readonly content: ViewContent;
}

/** A view's clusters, remembered with what they were put together from. */
interface OwnClusters {
  readonly from: readonly unknown[];
  readonly map: ReadonlyMap<string, Resource>;
}

export function createTranslator({ protos }: { readonly protos: Protos }): Translator {
  const ran = new Map<string, number>();
  const encoded = new Map<string, number>();
  const encoder = createEncoder(protos, encoded);
  const endpointTable = createEndpointTable(encoder, ran);
  const clusterTable = createClusterTable(encoder, ran);
  const routeTable = createRouteTable(encoder, ran);
  const accessTable = createAccessTable(ran);
  const proxyless = createProxylessViews(encoder, ran);
  const upstreamGroup = createUpstreamGroups();
  const parts = createKeyedMemo<Encoded<Resource>>(ran, 'listeners and inbound clusters');
  const views = new WeakMap<ProxyProfile, Known>();
  const ownClusters = new WeakMap<ProxyProfile, OwnClusters>();
  /** Route configurations whose clusters were all found in this table. */
  const checked = new WeakMap<Resource, ReadonlyMap<string, Resource>>();
  let last: { inputs: readonly unknown[]; groups: HostGroups } | undefined;

  /** What all views of one World share. */
  function shared(world: World): Shared {
    const inputs = [world.services, world.routes, world.mesh.domain, world.mesh.retry];
    if (last === undefined || !sameItems(last.inputs, inputs)) {
      countRun(ran, 'host groups');
      routeTable.sweep();
      parts.sweep();
      proxyless.sweep();
      accessTable.sweep();
      last = { inputs, groups: hostGroups(world, last?.groups) };
    }
    const endpoints = endpointTable(world);
    return { groups: last.groups, endpoints, clusters: clusterTable(world, endpoints) };
  }

  /** One message that only this kind of proxy has; encoded anew only when its content or its origin changed. */
  function part(ref: ResourceRef, json: object, origin: Pick<Resource, 'deps' | 'provenance'>): Encoded<Resource> {
    const key = `${ref.type} ${JSON.stringify(json)}`;
    return parts.get(key, origin.provenance, () => encoder.resource(ref, json, origin));
  }

  function routesOf(
    world: World,
    { groups, access }: Shared & Accessible,
    planned: PlannedListener,
    filter: ViewFilter,
  ): readonly RouteConfiguration[] {
    const { routing, name } = planned;
    switch (routing.kind) {
      case 'hosts':
        return [routeTable.configuration(name, groups, filter, { hosts: routing.hosts })];
      case 'chains':
        return routing.chains.map((chain) =>
          routeTable.configuration(chain.name, groups, filter, {
            hosts: chain.hosts,
            taken: chain.taken,
            rest: misdirected(chain),
          }),
        );
      case 'fixed':
        return [routeTable.fixed(name, routing.json, [])];
      case 'service': {
        const service = world.services.get(routing.service);
        if (service !== undefined)
          return [routeTable.single(name, upstreamGroup(world, service, groups.owners), filter)];
        const cluster = clusterName(routing.service);
        const json = { name, domains: ['*'], routes: [{ name: cluster, match: { prefix: '/' }, route: { cluster } }] };
        return [routeTable.fixed(name, json, [cluster])];
      }
      case 'inbound':
        return [routeTable.fixed(name, inboundVirtualHost(routing.binding, access?.requests), [name])];
      case 'none':
        return [];
    }
  }

  function build(world: World, profile: EnvoyProfile, all: Shared & Accessible): ViewContent {
    const plan = planListeners(world, profile, all.access);
    const problems: Problem[] = [...all.endpoints.problems, ...all.clusters.problems, ...plan.problems];
    const filter: ViewFilter =
      profile.role === 'gateway' ? { gateway: profile.gateway } : { gateway: 'mesh', caller: profile.service };
    const clusters = new Map<string, Resource>();
    const listeners = new Map<string, Resource>();
    const routes = new Map<string, Resource>();
    const keep = (into: Map<string, Resource>, made: Encoded<Resource>): void => {
      if (made.ok) into.set(made.value.name, made.value);
      else problems.push(made.problem);
    };
    const protocol = profile.role === 'sidecar' ? (world.services.get(profile.service)?.protocol ?? 'http') : 'http';
    const extensions = new Map<string, Resource>();
    const tokens = all.access?.tokens;
    if (tokens !== undefined && protocol !== 'tcp')
      keep(extensions, part(jwtAuthnRef, jwtAuthnResource(tokens), { deps: [], provenance: all.access?.asked ?? [] }));
    for (const planned of plan.listeners) {
      const { name, provenance } = planned;
      if (planned.routing.kind === 'inbound')
        keep(
          clusters,
          part(
            { type: typeUrls.cluster, name: inboundName(planned.routing.binding) },
            inboundCluster(planned.routing.binding, protocol),
            {
              deps: [],
              provenance,
            },
          ),
        );
      const tcp = planned.routing.kind === 'inbound' && protocol === 'tcp';
      const configurations = tcp ? [] : routesOf(world, all, planned, filter);
      const deps: ResourceRef[] = tcp ? [{ type: typeUrls.cluster, name }] : [];
      for (const configuration of configurations) {
        const { resource } = configuration;
        routes.set(resource.name, resource);
        problems.push(...configuration.problems);
        deps.push({ type: typeUrls.routes, name: resource.name });
      }
      for (const { service, subset } of planned.clusters)
        deps.push({ type: typeUrls.cluster, name: clusterName(service, subset) });
      deps.push(...(planned.secrets ?? []));
      if (planned.mutualTls === true) deps.push(...secretRefs);
      if (planned.routing.kind === 'inbound' && !tcp && tokens !== undefined) deps.push(jwtAuthnRef);
      keep(listeners, part({ type: typeUrls.listener, name }, planned.json, { deps, provenance }));
    }
    const known = all.clusters.resources;
    // Control puts the secrets of a proxy beside what is made here.
    const has = (ref: ResourceRef): boolean => {
      if (ref.type === typeUrls.cluster) return known.has(ref.name) || clusters.has(ref.name);
      if (ref.type === typeUrls.extension) return extensions.has(ref.name);
      return ref.type === typeUrls.routes ? routes.has(ref.name) : isMeshSecret(ref);
    };
    const unchecked = [...routes.values()].filter((resource) => checked.get(resource) !== known);
    const missingOnes = missingRefs([...unchecked, ...listeners.values()], has);
    for (const resource of unchecked)
      if (clusters.size === 0 || !resource.deps.some(({ name }) => clusters.has(name))) checked.set(resource, known);
    for (const missing of missingOnes) {
      checked.delete(missing.from);
      if (missing.to.type === typeUrls.cluster && !clusters.has(missing.to.name))
        keep(clusters, emptyCluster(encoder, missing.to.name));
      if (!has(missing.to))
        problems.push(createProblem('CH1403', missing.from.provenance[0] ?? noProvenance, missingText(missing)));
    }
    return {
      resources: new Map<TypeUrl, ReadonlyMap<string, Resource>>([
        [typeUrls.cluster, together(profile, known, clusters)],
        [typeUrls.listener, listeners],
        [typeUrls.routes, routes],
        ...(extensions.size === 0 ? [] : [[typeUrls.extension, extensions] as const]),
      ]),
      problems,
    };
  }

  function together(
    profile: ProxyProfile,
    known: ReadonlyMap<string, Resource>,
    own: ReadonlyMap<string, Resource>,
  ): ReadonlyMap<string, Resource> {
    if (own.size === 0) return known;
    const from = [known, ...own.values()];
    const before = ownClusters.get(profile);
    if (before !== undefined && sameItems(before.from, from)) return before.map;
    const map = new Map([...known, ...own]);
    ownClusters.set(profile, { from, map });
    return map;
  }

  return {
    counters: { ran, encoded },
    endpoints: (world) => endpointTable(world).resources,
    endpointFacts: (world) => endpointTable(world).facts,
    view(world, profile) {
      const ofWorld = shared(world);
      const access = profile.role === 'sidecar' ? accessTable.of(world, profile.service) : undefined;
      const all = { ...ofWorld, access };
      const inputs = [
        ...[all.groups, all.clusters, all.endpoints.problems, access],
        ...[world.services, world.routes, world.gateways, world.certificates, world.mesh],
      ];
      const before = views.get(profile);
      if (before !== undefined && sameItems(before.inputs, inputs)) return before.content;
      countRun(ran, 'views');
      const made =
        profile.role === 'proxyless' ? proxyless.view({ world, profile, ...all }) : build(world, profile, all);
      const content = before === undefined ? made : sharing(before.content, made);
      views.set(profile, { inputs, content });
      return content;
    },
  };
}

/** `after`, with the maps of `before` that hold the same, or `before` itself when all do. */
function sharing(before: ViewContent, after: ViewContent): ViewContent {
  const resources = new Map<TypeUrl, ReadonlyMap<string, Resource>>();
  let same = sameItems(before.problems, after.problems) && before.onDemand === after.onDemand;
  for (const [type, map] of after.resources) {
    const old = before.resources.get(type);
    const kept =
      old === map ||
      (old !== undefined && old.size === map.size && [...map].every(([name, item]) => old.get(name) === item));
    resources.set(type, kept && old !== undefined ? old : map);
    same &&= kept;
  }
  return same ? before : { ...after, resources };
}
