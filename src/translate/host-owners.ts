// Which service answers to which host by itself. Made anew only when services or the mesh domain change.
// It must not know Routes. Invariant: a host has one owner, the first service in the order of claims.
import { byClaim, requestNames } from '../model/request-names.ts';
import type { Service } from '../model/service.ts';
import type { World } from '../model/world.ts';

export interface HostOwners {
  readonly services: World['services'];
  readonly domain: string;
  readonly of: ReadonlyMap<string, Service>;
  /** The hosts each service owns, sorted; the same array while they are the same. */
  readonly hosts: ReadonlyMap<Service, readonly string[]>;
}

interface Known {
  readonly domain: string;
  readonly names: readonly string[];
  readonly sorted: readonly string[];
}

const namesOf = new WeakMap<Service, Known>();

function known(service: Service, domain: string): Known {
  const before = namesOf.get(service);
  if (before?.domain === domain) return before;
  const names = requestNames(service, { domain });
  const made = { domain, names, sorted: [...names].sort() };
  namesOf.set(service, made);
  return made;
}

/** `requestNames`, remembered. */
export function namesOfService(service: Service, domain: string): readonly string[] {
  return known(service, domain).names;
}

export function hostOwners(world: World, before: HostOwners | undefined): HostOwners {
  const { services } = world;
  const { domain } = world.mesh;
  if (before !== undefined && before.services === services && before.domain === domain) return before;
  const of = new Map<string, Service>();
  const hosts = new Map<Service, readonly string[]>();
  for (const service of byClaim(services.values())) {
    // A TCP service cannot be chosen by a Host header.
    if (service.protocol === 'tcp') continue;
    const { sorted } = known(service, domain);
    const free = sorted.some((host) => of.has(host)) ? sorted.filter((host) => !of.has(host)) : sorted;
    for (const host of free) of.set(host, service);
    hosts.set(service, free);
  }
  return { services, domain, of, hosts };
}
