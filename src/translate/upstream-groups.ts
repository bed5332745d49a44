// The Routes of one service, whatever name they claim: what a listener of its own answers with.
// It must not know listeners. Invariant: the same object while nothing of it changed.
import type { ServiceId } from '../model/names.ts';
import type { Route } from '../model/route.ts';
import type { Service } from '../model/service.ts';
import type { World } from '../model/world.ts';
import { groupOf, type HostGroup, unchanged } from './host-groups.ts';
import { type HostOwners, namesOfService } from './host-owners.ts';
import type { Share } from './route-action.ts';
import { rankRoutes } from './route-order.ts';

/** Of a TCP service, which no Host header chooses: its names are nobody else's to take. */
export function tcpRoutesOf(world: World, service: Service): readonly Route[] {
  const names = namesOfService(service, world.mesh.domain);
  return world.routes.filter((route) => route.protocol === 'tcp' && route.hosts.some((host) => names.includes(host)));
}

/** `owners`: a name that another service holds (`cart`, for a service `Cart`) brings none of its Routes here. */
export function createUpstreamGroups(): (world: World, service: Service, owners: HostOwners) => HostGroup {
  const known = new Map<ServiceId, HostGroup>();
  return (world, service, { hosts }) => {
    const names = hosts.get(service) ?? [];
    const routes = world.routes.filter(
      (route) => route.protocol === 'http' && route.hosts.some((host) => names.includes(host)),
    );
    const made = groupOf(world, { name: service.id, hosts: ['*'], routes, service });
    const before = known.get(service.id);
    if (before !== undefined && unchanged(before, made)) return before;
    known.set(service.id, made);
    return made;
  };
}

/** Where the connections of a TCP Route go: its first rule that leads anywhere. TCP has nothing else to match on. */
export function tcpShares(routes: readonly Route[], gateway: string): readonly Share[] | undefined {
  for (const route of rankRoutes(routes)) {
    if (route.gateways !== undefined && !route.gateways.includes(gateway)) continue;
    for (const { action } of route.rules) {
      const to = action.kind === 'forward' ? action.to.filter(({ weight }) => weight > 0) : [];
      if (to.length > 0) return to;
    }
  }
  return undefined;
}
