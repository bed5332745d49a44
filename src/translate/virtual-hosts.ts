// A host group, filtered for one view, as Envoy's VirtualHost: the rules of all its Routes merged into one ordered list.
// It must not know listeners. Invariant: total; a rule that cannot be served is a Problem and its siblings stay.
import type { RouteJson, VirtualHostJson } from '../gen/envoy/config/route/v3/route_components_pb.js';
import type { ServiceId } from '../model/names.ts';
import { createProblem, type Problem } from '../model/problem.ts';
import type { Provenance } from '../model/provenance.ts';
import type { Match, Retry, Route, Rule } from '../model/route.ts';
import type { Service } from '../model/service.ts';
import { clusterName } from './cluster-names.ts';
import type { HostGroup } from './host-groups.ts';
import { type MergedEntry, mergeEntries } from './merge-entries.ts';
import { provenanceOf } from './origin.ts';
import { defaultRetry, userRetry } from './retry.ts';
import { answerAction, type Fault, forwardAction, headerEdits, type Share } from './route-action.ts';
import { idempotentMethods, matchFault, regexFault, routeMatch } from './route-match.ts';

/** Which Routes and matches a view sees. */
export interface ViewFilter {
  /** `mesh`, or the name of a Gateway. */
  readonly gateway: string;
  /** The calling service; undefined for a gateway. */
  readonly caller?: ServiceId;
}

export interface VirtualHostParts {
  readonly json: VirtualHostJson;
  /** Of each route in `json`, in its order. */
  readonly origins: readonly Provenance[];
  /** Names of the clusters it leads to. */
  readonly clusters: readonly string[];
  readonly problems: readonly Problem[];
}

const anyMatch: Omit<Match, 'provenance'> = { headers: [], query: [], from: [] };

function visibleRule(rule: Rule, caller: ServiceId | undefined): readonly Rule[] {
  const matches = rule.matches.filter(
    ({ from }) => from.length === 0 || (caller !== undefined && from.includes(caller)),
  );
  if (matches.length === rule.matches.length) return [rule];
  return matches.length === 0 ? [] : [{ ...rule, matches }];
}

/** The Routes of a group that a view sees, without the matches meant for other callers. */
export function visibleRoutes(group: HostGroup, { gateway, caller }: ViewFilter): readonly Route[] {
  return group.routes.flatMap((route) => {
    if (route.gateways !== undefined && !route.gateways.includes(gateway)) return [];
    const rules = route.rules.flatMap((rule) => visibleRule(rule, caller));
    return rules.length === 0 ? [] : [{ ...route, rules }];
  });
}

/** One entry as one or two routes: requests that are safe to repeat get the wider default retry by a route of their own. */
function entryRoutes({ rule, match, shares }: MergedEntry, group: HostGroup, fault: Fault): RouteJson[] {
  const base: RouteJson = {
    name: rule.name,
    statPrefix: rule.name,
    ...headerEdits(rule.requestHeaders, 'request', fault),
    ...headerEdits(rule.responseHeaders, 'response', fault),
  };
  if (rule.action.kind !== 'forward')
    return [{ ...base, match: routeMatch(match), ...answerAction(rule, match.path, fault) }];
  const targets = shares.flatMap(({ service }) => group.targets.get(service) ?? []);
  const action = forwardAction(rule, { shares, targets, path: match.path }, fault);
  const retry = rule.retry ?? group.retry;
  if (retry !== undefined) {
    const retryPolicy = userRetry(retry);
    return [
      {
        ...base,
        match: routeMatch(match),
        route: { ...action, ...(retryPolicy === undefined ? {} : { retryPolicy }) },
      },
    ];
  }
  return withDefaultRetry(match, (methods, idempotent) => ({
    ...base,
    match: routeMatch(match, methods),
    route: { ...action, retryPolicy: defaultRetry(idempotent) },
  }));
}

/** Two routes, or one where the match itself asks for a method. */
export function withDefaultRetry(
  match: Omit<Match, 'provenance'>,
  make: (methods: readonly string[], idempotent: boolean) => RouteJson,
): RouteJson[] {
  if (match.method !== undefined) return [make([], (idempotentMethods as readonly string[]).includes(match.method))];
  return [make(idempotentMethods, true), make([], false)];
}

function defaultRoutes(service: Service, retry: Retry | undefined): RouteJson[] {
  const shares: readonly Share[] = [{ service: service.id, weight: 1 }];
  const action = forwardAction({}, { shares, targets: [service], path: undefined }, () => {});
  if (retry !== undefined) {
    const retryPolicy = userRetry(retry);
    const route = { ...action, ...(retryPolicy === undefined ? {} : { retryPolicy }) };
    return [{ name: service.id, match: routeMatch(anyMatch), route }];
  }
  return withDefaultRetry(anyMatch, (methods, idempotent) => ({
    name: service.id,
    match: routeMatch(anyMatch, methods),
    route: { ...action, retryPolicy: defaultRetry(idempotent) },
  }));
}

/** Undefined: nothing in this view answers to the group's hosts. */
export function virtualHost(
  group: HostGroup,
  domains: readonly string[],
  filter: ViewFilter,
): VirtualHostParts | undefined {
  const routes = visibleRoutes(group, filter);
  const problems: Problem[] = [];
  const clusters = new Set<string>();
  const json: RouteJson[] = [];
  const origins: Provenance[] = [];
  if (routes.length === 0) {
    const { service } = group;
    if (service === undefined) return undefined;
    clusters.add(clusterName(service.id));
    const made = defaultRoutes(service, group.retry);
    json.push(...made);
    origins.push(...made.map(() => provenanceOf(service)));
  }
  const merged = mergeEntries(routes);
  problems.push(...merged.problems);
  for (const entry of merged.entries) {
    const at = entry.match.provenance;
    const bad =
      matchFault(entry.match) ??
      (entry.rule.rewrite?.regex === undefined ? undefined : regexFault(entry.rule.rewrite.regex.pattern));
    if (bad !== undefined) {
      problems.push(createProblem('CH1221', at, `rule "${entry.rule.name}" has a regex that RE2 refuses, ${bad}`));
      continue;
    }
    const made = entryRoutes(entry, group, (code, message) =>
      problems.push(createProblem(code, entry.rule.provenance, `rule "${entry.rule.name}": ${message}`)),
    );
    json.push(...made);
    origins.push(...made.map(() => entry.rule.provenance));
    for (const share of entry.shares) clusters.add(clusterName(share.service, share.subset));
  }
  return {
    json: { name: group.name, domains: [...domains], routes: json },
    origins,
    clusters: [...clusters].sort(),
    problems,
  };
}
