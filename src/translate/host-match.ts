// Which hosts of which groups a listener admits. Hosts are exact names, `*.x` or `*`.
// Invariant: pure; no host is given to two groups: the longest pattern that covers it wins, as in Envoy.
import type { HostGroup, HostGroups } from './host-groups.ts';

function covers(pattern: string, host: string): boolean {
  if (pattern === '*' || pattern === host) return true;
  return pattern.startsWith('*.') && host.endsWith(pattern.slice(1)) && host.length >= pattern.length;
}

/** The hosts of each group under a listener; a group whose hosts are all admitted keeps its own array. */
export function admittedHosts(
  groups: HostGroups,
  admitted: readonly string[],
): ReadonlyMap<HostGroup, readonly string[]> {
  if (admitted.length === 0 || admitted.includes('*')) return new Map(groups.all.map((group) => [group, group.hosts]));
  const result = new Map<HostGroup, string[]>();
  for (const group of groups.all) {
    const hosts = group.hosts.filter((host) => admitted.some((pattern) => covers(pattern, host)));
    if (hosts.length > 0) result.set(group, hosts);
  }
  // A listener for one host of a wildcard Route: that host alone.
  const wildcards = [...groups.byHost.keys()]
    .filter((host) => host.startsWith('*'))
    .sort((a, b) => b.length - a.length);
  for (const pattern of [...new Set(admitted)].sort()) {
    const wider = groups.byHost.has(pattern) ? undefined : wildcards.find((host) => covers(host, pattern));
    const group = wider === undefined ? undefined : groups.byHost.get(wider);
    if (group === undefined) continue;
    const hosts = result.get(group);
    if (hosts === undefined) result.set(group, [pattern]);
    else hosts.push(pattern);
  }
  for (const [group, hosts] of result)
    if (hosts.length === group.hosts.length && hosts.every((host, i) => host === group.hosts[i]))
      result.set(group, group.hosts as string[]);
  return result;
}
