// Which Routes and which service claim each host: hosts with the same claims form one group, which becomes one virtual host.
// Made once for the whole World; views only filter it. It must not know Envoy.
// Invariant: a group whose claims, and whose destinations, did not change is the same object as in the World before.
import type { ServiceId } from '../model/names.ts';
import { requestNames } from '../model/request-names.ts';
import type { Retry, Route } from '../model/route.ts';
import type { Service } from '../model/service.ts';
import type { World } from '../model/world.ts';
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
  readonly all: readonly HostGroup[];
  readonly byHost: ReadonlyMap<string, HostGroup>;
  /** Of any group. */
  readonly callers: ReadonlySet<ServiceId>;
  readonly limited: boolean;
}

interface Claims {
  readonly routes: Route[];
  service: Service | undefined;
}

const namesOf = new WeakMap<Service, { domain: string; names: readonly string[] }>();

/** `requestNames`, remembered. */
export function namesOfService(service: Service, domain: string): readonly string[] {
  const known = namesOf.get(service);
  if (known?.domain === domain) return known.names;
  const names = requestNames(service, { domain });
  namesOf.set(service, { domain, names });
  return names;
}

function collect(world: World): Map<string, Claims> {
  const claims = new Map<string, Claims>();
  const at = (host: string): Claims => {
    let entry = claims.get(host);
    if (entry === undefined) {
      entry = { routes: [], service: undefined };
      claims.set(host, entry);
    }
    return entry;
  };
  // A TCP service cannot be chosen by a Host header.
  for (const service of world.services.values())
    if (service.protocol !== 'tcp')
      for (const host of namesOfService(service, world.mesh.domain)) at(host).service ??= service;
  for (const route of world.routes)
    if (route.protocol === 'http') for (const host of new Set(route.hosts)) at(host).routes.push(route);
  return claims;
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

/** The claims of some hosts as a group of its own, e.g. for the listener of one upstream. */
export function groupOf(
  world: World,
  {
    name,
    hosts,
    routes,
    service,
  }: { name: string; hosts: readonly string[]; routes: readonly Route[]; service?: Service | undefined },
): HostGroup {
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

export function hostGroups(world: World, before: HostGroups | undefined): HostGroups {
  const ids = new Map<object, number>();
  const id = (item: object | undefined): number => {
    if (item === undefined) return -1;
    let known = ids.get(item);
    if (known === undefined) {
      known = ids.size;
      ids.set(item, known);
    }
    return known;
  };
  const groups = new Map<string, { hosts: string[]; claims: Claims }>();
  for (const [host, claims] of collect(world)) {
    const key = `${id(claims.service)}|${claims.routes.map(id).join(',')}`;
    const group = groups.get(key);
    if (group === undefined) groups.set(key, { hosts: [host], claims });
    else group.hosts.push(host);
  }
  const all: HostGroup[] = [];
  const byHost = new Map<string, HostGroup>();
  for (const { hosts, claims } of groups.values()) {
    hosts.sort();
    const name = hosts[0] ?? '';
    const made = groupOf(world, { name, hosts, ...claims });
    const old = before?.byHost.get(name);
    const group = old !== undefined && unchanged(old, made) ? old : made;
    all.push(group);
    for (const host of hosts) byHost.set(host, group);
  }
  all.sort((a, b) => (a.name < b.name ? -1 : 1));
  return {
    all,
    byHost,
    callers: new Set(all.flatMap((group) => [...group.callers])),
    limited: all.some((group) => group.limited),
  };
}
