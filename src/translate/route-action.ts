// What happens to a request that a rule matched: sent on, redirected, or answered. It must not know how it was matched
// but for the path that a rewrite replaces. Invariant: total; what does not fit is left out and reported.

import type { HeaderValueOptionJson } from '../gen/envoy/config/core/v3/base_pb.js';
import type {
  RedirectActionJson,
  RouteAction_HashPolicyJson,
  RouteActionJson,
  RouteJson,
} from '../gen/envoy/config/route/v3/route_components_pb.js';
import type { RegexMatchAndSubstituteJson } from '../gen/envoy/type/matcher/v3/regex_pb.js';
import type { ServiceId } from '../model/names.ts';
import type { HeaderEdits, PathMatch, Redirect, Rewrite, Rule } from '../model/route.ts';
import type { HashOn, Service } from '../model/service.ts';
import { clusterName } from './cluster-names.ts';
import { duration } from './durations.ts';

/** One weighted share of a rule's requests. */
export interface Share {
  readonly service: ServiceId;
  readonly subset?: string;
  readonly weight: number;
}

export type Fault = (code: 'CH1222' | 'CH1226', message: string) => void;

const redirectCodes = {
  301: 'MOVED_PERMANENTLY',
  302: 'FOUND',
  303: 'SEE_OTHER',
  307: 'TEMPORARY_REDIRECT',
  308: 'PERMANENT_REDIRECT',
} as const;

/** Envoy reads `%` in values as the start of a command; a user's text is meant as it stands. */
function literal(value: string): string {
  return value.replaceAll('%', '%%');
}

function options(
  headers: Readonly<Record<string, string>>,
  appendAction: 'OVERWRITE_IF_EXISTS_OR_ADD' | 'APPEND_IF_EXISTS_OR_ADD',
): HeaderValueOptionJson[] {
  return Object.entries(headers)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, value]) => ({ header: { key, value: literal(value) }, appendAction }));
}

/** `side`: request or response. Envoy refuses edits of pseudo headers, and of Host, which `rewrite.host` is for. */
export function headerEdits(edits: HeaderEdits | undefined, side: 'request' | 'response', fault: Fault): RouteJson {
  if (edits === undefined) return {};
  const allowed = (name: string): boolean => {
    const fine = !name.startsWith(':') && !(side === 'request' && name.toLowerCase() === 'host');
    if (!fine) fault('CH1226', `${side} header "${name}"`);
    return fine;
  };
  const pick = (headers: Readonly<Record<string, string>>): Readonly<Record<string, string>> =>
    Object.fromEntries(Object.entries(headers).filter(([name]) => allowed(name)));
  const toAdd = [
    ...options(pick(edits.set), 'OVERWRITE_IF_EXISTS_OR_ADD'),
    ...options(pick(edits.add), 'APPEND_IF_EXISTS_OR_ADD'),
  ];
  const toRemove = edits.remove.filter(allowed);
  const [add, remove] =
    side === 'request'
      ? (['requestHeadersToAdd', 'requestHeadersToRemove'] as const)
      : (['responseHeadersToAdd', 'responseHeadersToRemove'] as const);
  return {
    ...(toAdd.length === 0 ? {} : { [add]: toAdd }),
    ...(toRemove.length === 0 ? {} : { [remove]: toRemove }),
  };
}

interface PathEdit {
  readonly prefixRewrite?: string;
  readonly regexRewrite?: RegexMatchAndSubstituteJson;
}

function quoted(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\/]/g, '\\$&');
}

/** Replaces the matched prefix by `to` without doubling or losing the slash between them. */
function prefixEdit(path: PathMatch | undefined, to: string, fault: Fault): PathEdit {
  if (path !== undefined && 'regex' in path) {
    fault('CH1222', `prefix "${to}" beside a regex path`);
    return {};
  }
  if (path !== undefined && 'exact' in path) return { prefixRewrite: to };
  const from = path === undefined ? '' : path.prefix.replace(/\/+$/, '');
  if (from === '') return { prefixRewrite: to.endsWith('/') ? to : `${to}/` };
  const target = to.replace(/\/+$/, '');
  if (target !== '') return { prefixRewrite: target };
  return { regexRewrite: { pattern: { regex: `^${quoted(from)}/*` }, substitution: '/' } };
}

function rewrites(rewrite: Rewrite | undefined, path: PathMatch | undefined, fault: Fault): RouteActionJson {
  if (rewrite === undefined) return {};
  return {
    ...(rewrite.host === undefined ? {} : { hostRewriteLiteral: rewrite.host }),
    ...(rewrite.regex !== undefined
      ? { regexRewrite: { pattern: { regex: rewrite.regex.pattern }, substitution: rewrite.regex.substitution } }
      : rewrite.prefix !== undefined
        ? prefixEdit(path, rewrite.prefix, fault)
        : {}),
  };
}

function redirectAction(redirect: Redirect, path: PathMatch | undefined, fault: Fault): RedirectActionJson {
  return {
    ...(redirect.scheme === undefined ? {} : { schemeRedirect: redirect.scheme }),
    ...(redirect.host === undefined ? {} : { hostRedirect: redirect.host }),
    ...(redirect.port === undefined ? {} : { portRedirect: redirect.port }),
    ...(redirect.path !== undefined
      ? { pathRedirect: redirect.path }
      : redirect.prefix !== undefined
        ? prefixEdit(path, redirect.prefix, fault)
        : {}),
    responseCode: redirectCodes[redirect.code],
  };
}

function hashPolicy(on: HashOn): RouteAction_HashPolicyJson {
  // Terminal: the first that yields a value decides alone.
  if ('header' in on) return { header: { headerName: on.header }, terminal: true };
  if ('query' in on) return { queryParameter: { name: on.query }, terminal: true };
  if ('sourceIp' in on) return { connectionProperties: { sourceIp: true }, terminal: true };
  return {
    cookie: {
      name: on.cookie,
      ...(on.ttlMs === undefined ? {} : { ttl: duration(on.ttlMs) }),
      ...(on.path === undefined ? {} : { path: on.path }),
    },
    terminal: true,
  };
}

/** The one cluster, or several by weight. */
export function destination(shares: readonly Share[]): RouteActionJson {
  const [first] = shares;
  if (shares.length === 1 && first !== undefined) return { cluster: clusterName(first.service, first.subset) };
  return {
    weightedClusters: {
      clusters: shares.map(({ service, subset, weight }) => ({ name: clusterName(service, subset), weight })),
    },
  };
}

/** Sends on. Timeout: the rule's, else the destination's own, else Envoy's 15 s; gRPC streams have none but their own. */
export function forwardAction(
  rule: Pick<Rule, 'rewrite' | 'timeoutMs' | 'hashOn'>,
  { shares, targets, path }: { shares: readonly Share[]; targets: readonly Service[]; path: PathMatch | undefined },
  fault: Fault,
): RouteActionJson {
  const [target] = targets;
  const timeoutMs = rule.timeoutMs ?? target?.requestTimeoutMs;
  const hashOn = rule.hashOn ?? target?.loadBalancer.hashOn ?? [];
  const streams = target?.protocol === 'grpc';
  return {
    ...destination(shares),
    ...rewrites(rule.rewrite, path, fault),
    ...(timeoutMs !== undefined ? { timeout: duration(timeoutMs) } : streams ? { timeout: '0s' } : {}),
    ...(streams ? { maxStreamDuration: { grpcTimeoutHeaderMax: '0s' } } : {}),
    ...(hashOn.length === 0 ? {} : { hashPolicy: hashOn.map(hashPolicy) }),
  };
}

/** The action part of a route that does not send on. */
export function answerAction(rule: Rule, path: PathMatch | undefined, fault: Fault): RouteJson {
  const { action } = rule;
  if (action.kind === 'redirect') return { redirect: redirectAction(action.redirect, path, fault) };
  if (action.kind === 'respond') {
    const { status, body } = action.respond;
    return { directResponse: { status, ...(body === '' ? {} : { body: { inlineString: body } }) } };
  }
  return {};
}
