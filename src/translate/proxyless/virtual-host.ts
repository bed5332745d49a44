// A host group as the virtual host of gRPC clients: the same rules in the same order as for Envoy, as far as clients go.
// It must not know listeners. Invariant: total; a call that a rule redirects or answers fails, it never falls to a later
// rule; a rule whose match clients cannot evaluate is left out and told.
import type { RouteJson } from '../../gen/envoy/config/route/v3/route_components_pb.js';
import { createProblem, type Problem } from '../../model/problem.ts';
import type { Provenance } from '../../model/provenance.ts';
import { clusterName, nowhereCluster } from '../cluster-names.ts';
import type { HostGroup } from '../host-groups.ts';
import { type MergedEntry, mergeEntries } from '../merge-entries.ts';
import { provenanceOf } from '../origin.ts';
import { matchFault } from '../route-match.ts';
import { type ViewFilter, type VirtualHostParts, visibleRoutes } from '../virtual-hosts.ts';
import { proxylessAction, unsaidParts } from './route-action.ts';
import { proxylessMatch } from './route-match.ts';

interface Making {
  readonly json: RouteJson[];
  readonly origins: Provenance[];
  readonly clusters: Set<string>;
  readonly problems: Problem[];
}

function tell(into: Making, at: Provenance, message: string): void {
  into.problems.push(createProblem('CH1404', at, message, { severity: 'warning' }));
}

function add(into: Making, entry: MergedEntry, group: HostGroup): void {
  const { rule, match, shares } = entry;
  const made = proxylessMatch(match);
  if ('unsaid' in made) {
    tell(into, match.provenance, `rule "${rule.name}" is left out for gRPC clients, which do not do ${made.unsaid}`);
    return;
  }
  const forwards = rule.action.kind === 'forward' && shares.length > 0;
  if (made.matches.length > 0 && rule.action.kind !== 'forward')
    tell(into, rule.provenance, `rule "${rule.name}" answers by itself: gRPC calls that match it fail`);
  const unsaid = forwards && made.matches.length > 0 ? unsaidParts(rule) : [];
  if (unsaid.length > 0)
    tell(into, rule.provenance, `rule "${rule.name}" asks for what gRPC clients do not do: ${unsaid.join(', ')}`);
  const [target] = shares.flatMap(({ service }) => group.targets.get(service) ?? []);
  const route = forwards
    ? proxylessAction(rule, { shares, target, retry: rule.retry ?? group.retry })
    : { cluster: nowhereCluster };
  for (const one of made.matches) {
    into.json.push({ name: rule.name, match: one, route });
    into.origins.push(rule.provenance);
  }
  if (made.matches.length === 0) return;
  if (!forwards) into.clusters.add(nowhereCluster);
  for (const { service, subset } of shares) into.clusters.add(clusterName(service, subset));
}

/** As `virtualHost` of Envoy's views; undefined: nothing in this view answers to the group's hosts. */
export function proxylessHost(
  group: HostGroup,
  domains: readonly string[],
  filter: ViewFilter,
): VirtualHostParts | undefined {
  const routes = visibleRoutes(group, filter);
  const into: Making = { json: [], origins: [], clusters: new Set(), problems: [] };
  if (routes.length === 0) {
    const { service } = group;
    if (service === undefined) return undefined;
    const shares = [{ service: service.id, weight: 1 }];
    into.json.push({
      name: service.id,
      match: { prefix: '/' },
      route: proxylessAction({}, { shares, target: service, retry: group.retry }),
    });
    into.origins.push(provenanceOf(service));
    into.clusters.add(clusterName(service.id));
  }
  const merged = mergeEntries(routes);
  into.problems.push(...merged.problems);
  for (const entry of merged.entries) {
    const bad = matchFault(entry.match);
    if (bad === undefined) add(into, entry, group);
    else
      into.problems.push(
        createProblem(
          'CH1221',
          entry.match.provenance,
          `rule "${entry.rule.name}" has a regex that RE2 refuses, ${bad}`,
        ),
      );
  }
  return {
    json: { name: group.name, domains: [...domains], routes: into.json },
    origins: into.origins,
    clusters: [...into.clusters].sort(),
    problems: into.problems,
  };
}
