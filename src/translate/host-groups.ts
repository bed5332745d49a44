// Which Routes and which service claim each host: hosts with the same claims form one group, which becomes one virtual host.
// Made once for the whole World; views only filter it. It must not know Envoy.
// Invariant: a group whose claims, and whose destinations, did not change is the same object as in the World before.
import type { ServiceId } from '../model/names.ts';
import type { Retry, Route } from '../model/route.ts';
import type { Service } from '../model/service.ts';
import type { World } from '../model/world.ts';
import { type HostOwners, hostOwners } from './host-owners.ts';
import { sameItems } from './memo.ts';

export interface HostGroup {
  /** The first of its hosts. */
  readonly name: string;
  readonly hosts: readonly string[];
  /** HTTP Routes that claim these hosts, in the order of the World. */
  readonly routes: readonly Route[];
  /** The service that answers to these hosts by itself. */
  readonly service?: Service;
  /** Every service its rules lead to, as far as known. */
  readonly targets: ReadonlyMap<ServiceId, Service>;
  /** Calling services that some rule asks for. */
  readonly callers: ReadonlySet<ServiceId>;
  /** True when some Route is not for everywhere. */
  readonly limited: boolean;
  /** The mesh's default, for rules without their own; undefined: the safe one. */
  readonly retry?: Retry;
}

export interface HostGroups {
  /** Sorted by name. */
  readonly all: readonly HostGroup[];
  readonly byName: ReadonlyMap<string, HostGroup>;
  /** Groups of the hosts that hold a `*`. */
  readonly wildcards: ReadonlyMap<string, HostGroup>;
  has(host: string): boolean;
  /** Of any group. */
  readonly callers: ReadonlySet<ServiceId>;
  readonly limited: boolean;
  /** For the next World. */
  readonly owners: HostOwners;
}

/** Everything `routes` lead to, and whom they ask for. */
function reach(routes: readonly Route[], world: World) {
  const targets = new Map<ServiceId, Service>();
  const callers = new Set<ServiceId>();
  for (const rule of routes.flatMap((route) => route.rules)) {
    for (const match of rule.matches) for (const caller of match.from) callers.add(caller);
    if (rule.action.kind !== 'forward') continue;
    for (const { service } of rule.action.to) {
      const target = world.services.get(service);
      if (target !== undefined) targets.set(service, target);
    }
  }
  return { targets, callers };
}

export interface Claims {
  readonly name: string;
  readonly hosts: readonly string[];
  readonly routes: readonly Route[];
  readonly service?: Service | undefined;
}

/** The claims of some hosts as a group of its own, e.g. for the listener of one upstream. */
export function groupOf(world: World, { name, hosts, routes, service }: Claims): HostGroup {
  return {
    name,
    hosts,
    routes,
    ...(service === undefined ? {} : { service }),
    ...reach(routes, world),
    limited: routes.some((route) => route.gateways !== undefined),
    ...(world.mesh.retry === undefined ? {} : { retry: world.mesh.retry }),
  };
}

/** Equal claims and equal destinations. */
export function unchanged(before: HostGroup, after: HostGroup): boolean {
  return (
    before.service === after.service &&
    before.retry === after.retry &&
    sameItems(before.hosts, after.hosts) &&
    sameItems(before.routes, after.routes) &&
    sameItems([...before.targets.values()], [...after.targets.values()])
  );
}

/**
 * Hosts that Routes claim, with what claims each. A host that is a name of a service stands for all its names: `cart` and
 * `cart.service.local` are one thing to whoever calls it, so a Route cannot hold for the one and be missed by the other.
 */
function claimedByRoutes(world: World, owners: HostOwners): ReadonlyMap<string, Route[]> {
  const namesOf = (host: string): readonly string[] => {
    const owner = owners.of.get(host);
    return (owner === undefined ? undefined : owners.hosts.get(owner)) ?? [host];
  };
  const claimed = new Map<string, Route[]>();
  for (const route of world.routes) {
    if (route.protocol !== 'http') continue;
    for (const host of new Set(route.hosts.flatMap(namesOf))) {
      const routes = claimed.get(host);
      if (routes === undefined) claimed.set(host, [route]);
      else routes.push(route);
    }
  }
  return claimed;
}

function* groupClaims(owners: HostOwners, claimed: ReadonlyMap<string, Route[]>): Iterable<Claims> {
  for (const [service, names] of owners.hosts) {
    const [name] = names;
    if (name !== undefined && !claimed.has(name)) yield { name, hosts: names, routes: [], service };
  }
  const ids = new Map<object, number>();
  const id = (item: object): number => {
    const known = ids.get(item) ?? ids.size;
    ids.set(item, known);
    return known;
  };
  const groups = new Map<string, { hosts: string[]; routes: readonly Route[]; service: Service | undefined }>();
  for (const [host, routes] of claimed) {
    const service = owners.of.get(host);
    const key = `${service?.id ?? ''} ${routes.map(id).join(' ')}`;
    const group = groups.get(key);
    if (group === undefined) groups.set(key, { hosts: [host], routes, service });
    else group.hosts.push(host);
  }
  for (const { hosts, ...claims } of groups.values()) {
    hosts.sort();
    yield { name: hosts[0] ?? '', hosts, ...claims };
  }
}

export function hostGroups(world: World, before: HostGroups | undefined): HostGroups {
  const owners = hostOwners(world, before?.owners);
  const claimed = claimedByRoutes(world, owners);
  const all: HostGroup[] = [];
  for (const claims of groupClaims(owners, claimed)) {
    const old = before?.byName.get(claims.name);
    // A service without Routes leads to itself alone, so nothing else of it can have changed.
    const kept =
      old !== undefined &&
      old.service === claims.service &&
      old.routes.length === 0 &&
      claims.routes.length === 0 &&
      old.hosts === claims.hosts &&
      old.retry === world.mesh.retry;
    const made = kept ? old : groupOf(world, claims);
    all.push(old !== undefined && (kept || unchanged(old, made)) ? old : made);
  }
  all.sort((a, b) => (a.name < b.name ? -1 : 1));
  return {
    all,
    byName: new Map(all.map((group) => [group.name, group])),
    wildcards: new Map(
      all.flatMap((group) => group.hosts.filter((host) => host.startsWith('*')).map((host) => [host, group] as const)),
    ),
    has: (host) => claimed.has(host) || owners.of.has(host),
    callers: new Set(all.flatMap((group) => [...group.callers])),
    limited: all.some((group) => group.limited),
    owners,
  };
}
