// Which host group a name leads to that a client asks for: `cart`, `cart.service.local:8080`, or what a wildcard covers.
// It must not know listeners. Invariant: pure; as in Envoy ports and case do not count, and the longest pattern wins.
import type { HostGroup, HostGroups } from '../host-groups.ts';

type Search = (name: string) => HostGroup | undefined;

function search(groups: HostGroups): Search {
  const exact = new Map(groups.all.flatMap((group) => group.hosts.map((host) => [host, group] as const)));
  const patterns = [...groups.wildcards].sort(([a], [b]) => b.length - a.length);
  return (name) => {
    const host = name.toLowerCase().replace(/:\d+$/, '');
    // A name is no pattern, even if it looks like one.
    if (host === '' || host.includes('*')) return undefined;
    return exact.get(host) ?? patterns.find(([pattern]) => host.endsWith(pattern.slice(1)))?.[1];
  };
}

/** Remembers the search of the last groups. */
export function createHostSearch(): (groups: HostGroups) => Search {
  let last: { readonly groups: HostGroups; readonly search: Search } | undefined;
  return (groups) => {
    if (last?.groups !== groups) last = { groups, search: search(groups) };
    return last.search;
  };
}
