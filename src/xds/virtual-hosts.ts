// Which virtual host each subscribed name leads to on one stream: `<route configuration>/<host>` may be a name of its own or
// one of the hosts a virtual host serves (R33). It must not know messages or gates.
// Invariant: every subscribed name leads to exactly one own name, its own where nothing serves it.
import type { Resource, View } from '../resources/resource.ts';
import { typeUrls } from '../resources/type-urls.ts';

export interface HostLinks {
  /** subscribed name -> own name. */
  readonly ownOf: Map<string, string>;
  /** own name -> subscribed names. */
  readonly namesOf: Map<string, Set<string>>;
}

export function createHostLinks(): HostLinks {
  return { ownOf: new Map(), namesOf: new Map() };
}

/** Links a subscribed name as the view has it now. Returns the own name. */
export function link(links: HostLinks, view: View, name: string): string {
  const own = view.get(typeUrls.virtualHost, name)?.name ?? name;
  if (links.ownOf.get(name) === own) return own;
  unlink(links, name);
  links.ownOf.set(name, own);
  const names = links.namesOf.get(own) ?? new Set();
  names.add(name);
  links.namesOf.set(own, names);
  return own;
}

/** Forgets a name that is not subscribed any more. Returns the own name it led to. */
export function unlink(links: HostLinks, name: string): string {
  const own = links.ownOf.get(name) ?? name;
  links.ownOf.delete(name);
  const names = links.namesOf.get(own);
  names?.delete(name);
  if (names?.size === 0) links.namesOf.delete(own);
  return own;
}

/** Links every name anew. Returns the own names that gained or lost one. */
export function relink(links: HostLinks, view: View): string[] {
  const changed: string[] = [];
  for (const [name, before] of [...links.ownOf]) {
    const own = link(links, view, name);
    if (own !== before) changed.push(before, own);
  }
  return changed;
}

/** The virtual host with the names it was asked for by, which wake the requests that wait for them. */
export function withAliases(links: HostLinks, resource: Resource): Resource {
  const aliases = [...(links.namesOf.get(resource.name) ?? [])].sort();
  return { ...resource, aliases };
}

/** A name in the space of a route configuration that no host has. */
export function noHostOf(routes: string): string {
  return `${routes}/`;
}

/** Own names of a route configuration: hosts hold no slash, names of route configurations may. */
export function hostsOf(links: HostLinks, routes: string): string[] {
  return [...links.namesOf.keys()].filter((own) => own.slice(0, own.lastIndexOf('/')) === routes);
}
