// Which hosts of which groups a listener admits. Hosts are exact names, `*.x` or `*`.
// Invariant: pure; no host is given to two groups: the longest pattern that covers it wins, as in Envoy.
import type { HostGroup, HostGroups } from './host-groups.ts';

/** Whether every name that `host` stands for is one of `pattern`. */
export function covers(pattern: string, host: string): boolean {
  if (pattern === '*' || pattern === host) return true;
  return pattern.startsWith('*.') && host.endsWith(pattern.slice(1)) && host.length >= pattern.length;
}

/** Whether a host is for whom has `hosts` (empty: all), and not for who has `taken`: the narrower pattern decides. */
export function isOwn(host: string, hosts: readonly string[], taken: readonly string[]): boolean {
  return taken.every((other) => !covers(other, host) || hosts.some((own) => covers(own, host) && covers(other, own)));
}

/** The hosts of each group under a listener; a group whose hosts are all admitted keeps its own array. */
export function* admittedHosts(
  groups: HostGroups,
  admitted: readonly string[],
): Iterable<readonly [HostGroup, readonly string[]]> {
  const all = admitted.length === 0 || admitted.includes('*');
  const narrowed = all ? undefined : narrowedHosts(groups, admitted);
  for (const group of groups.all) {
    if (narrowed === undefined) {
      yield [group, group.hosts];
      continue;
    }
    const own = group.hosts.filter((host) => admitted.some((pattern) => covers(pattern, host)));
    const hosts = [...own, ...(narrowed.get(group) ?? [])];
    if (hosts.length > 0)
      yield [group, own.length === group.hosts.length && hosts.length === own.length ? group.hosts : hosts];
  }
}

/** A listener for one host of a wildcard Route: that host alone. */
function narrowedHosts(groups: HostGroups, admitted: readonly string[]): ReadonlyMap<HostGroup, string[]> {
  const result = new Map<HostGroup, string[]>();
  const wildcards = [...groups.wildcards].sort(([a], [b]) => b.length - a.length);
  for (const pattern of [...new Set(admitted)].sort()) {
    const wider = groups.has(pattern) ? undefined : wildcards.find(([host]) => covers(host, pattern))?.[1];
    if (wider === undefined) continue;
    const hosts = result.get(wider);
    if (hosts === undefined) result.set(wider, [pattern]);
    else hosts.push(pattern);
  }
  return result;
}
