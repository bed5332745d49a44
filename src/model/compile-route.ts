// A Route object, in either language, as the model's Route. Pure; references are checked elsewhere.
// Invariant: a rule keeps the index it has in its object, and at least one destination of a forward has weight above 0.
import { compileHashOn, type MeshDefaults } from './defaults.ts';
import { defined } from './defined.ts';
import type { LinkerdRouteSpec } from './kinds/linkerd-route.ts';
import type { HeaderEditsSpec, MatchSpec, NamedMatchSpec, RouteSpec, RuleSpec } from './kinds/route.ts';
import { type ServiceId, serviceId } from './names.ts';
import type { MeshObject } from './parse.ts';
import { createProblem, type Problem } from './problem.ts';
import type { Action, HeaderEdits, Match, NamedMatch, PathMatch, Retry, Route, Rule, StringMatch } from './route.ts';
import { senseOf } from './rule-sense.ts';
import { dotted } from './schema-problems.ts';

export type RouteObject = Extract<MeshObject, { kind: 'Route' }>;

export interface CompiledRoute {
  /** Undefined when no rule is left. */
  readonly route?: Route;
  readonly problems: readonly Problem[];
}

/** Compiles a Route; `mesh.retry` holds where a rule says nothing. */
export function compileRoute(object: RouteObject, mesh: MeshDefaults): CompiledRoute {
  return object.group === 'chancery' ? compileNative(object, mesh) : compileLinkerd(object, mesh);
}

type Native = Extract<RouteObject, { group: 'chancery' }>;

function compileNative(object: Native, mesh: MeshDefaults): CompiledRoute {
  const problems: Problem[] = [];
  const spec: RouteSpec = object.spec;
  const rules = spec.rules.flatMap((rule, index) =>
    rule === null ? [] : [compileRule(rule, { object, index, mesh, problems })],
  );
  if (rules.length === 0) return { problems };
  const route: Route = {
    ...base(object),
    hosts: unique(spec.hosts),
    protocol: spec.protocol ?? 'http',
    rules,
    ...defined({ gateways: spec.gateways === undefined ? undefined : unique(spec.gateways) }),
  };
  problems.push(...senseOf(route));
  return { route, problems };
}

function base(object: RouteObject): Pick<Route, 'namespace' | 'name' | 'provenance'> {
  const { namespace, name, provenance, createdMs, created } = object;
  return { namespace, name, provenance, ...defined({ createdMs, created }) };
}

function unique(values: readonly string[]): readonly string[] {
  return [...new Set(values)];
}

/** `cart` is in the namespace of the object that names it; `prod/cart` in another. */
export function referredService(reference: string, namespace: string): ServiceId {
  const slash = reference.indexOf('/');
  if (slash !== -1) return serviceId(reference.slice(0, slash), reference.slice(slash + 1));
  return serviceId(namespace, reference);
}

interface RuleContext {
  readonly object: Native;
  readonly index: number;
  readonly mesh: MeshDefaults;
  readonly problems: Problem[];
}

function compileRule(rule: RuleSpec, context: RuleContext): Rule {
  const { object, index, mesh } = context;
  const at = ['spec', 'rules', index];
  const retry = rule.retry ?? mesh.retry;
  warnOfRepeats(rule, context);
  const anything: Match = { headers: [], query: [], from: [], provenance: object.at(at) };
  return {
    name: `${object.namespace}/${object.name}#${rule.name ?? index}`,
    index,
    matches: rule.match?.map((match, entry) => compileMatch(match, { object, at: [...at, 'match', entry] })) ?? [
      anything,
    ],
    action: compileAction(rule, context),
    provenance: object.at(at),
    ...defined({
      rewrite: rule.rewrite === undefined ? undefined : defined(rule.rewrite),
      requestHeaders: compileEdits(rule.headers?.request),
      responseHeaders: compileEdits(rule.headers?.response),
      timeoutMs: rule.timeout,
      retry: retry === undefined ? undefined : compileRetry(retry),
      hashOn: rule.hash?.map(compileHashOn),
    }),
  };
}

/** Each of them makes Envoy retry after any reset, so also after a request that was already handled. */
const repeating = ['5xx', 'gateway-error', 'reset'];
const safeMethods = ['GET', 'HEAD', 'OPTIONS'];

function warnOfRepeats(rule: RuleSpec, { object, index, problems }: RuleContext): void {
  const at = rule.retry?.on?.findIndex((condition) => repeating.includes(condition)) ?? -1;
  const safe = rule.match?.every(({ method }) => method !== undefined && safeMethods.includes(method)) ?? false;
  if (at === -1 || safe || rule.retry?.attempts === 0) return;
  const path = ['spec', 'rules', index, 'retry', 'on', at];
  const message = `retry on "${rule.retry?.on?.[at]}" repeats requests of every method, POST included`;
  problems.push(createProblem('CH1213', object.at(path), message, { severity: 'warning', path: dotted(path) }));
}

function compileAction(rule: RuleSpec, { object, index, problems }: RuleContext): Action {
  const at = ['spec', 'rules', index, 'to'];
  if (rule.redirect !== undefined)
    return { kind: 'redirect', redirect: { ...defined(rule.redirect), code: rule.redirect.code ?? 302 } };
  if (rule.respond !== undefined)
    return { kind: 'respond', respond: { status: rule.respond.status, body: rule.respond.body ?? '' } };
  const to = (rule.to ?? []).map((destination, entry) => ({
    service: referredService(destination.service, object.namespace),
    weight: destination.weight ?? 1,
    provenance: object.at([...at, entry, 'service']),
    path: dotted([...at, entry, 'service']),
    ...defined({ subset: destination.subset, port: destination.port }),
  }));
  if (to.some(({ weight }) => weight > 0)) return { kind: 'forward', to };
  problems.push(
    createProblem('CH1208', object.at(at), 'every destination of the rule has weight 0', { path: dotted(at) }),
  );
  return { kind: 'respond', respond: { status: 503, body: '' } };
}

function compileMatch(match: MatchSpec, place: { object: Native; at: readonly PropertyKey[] }): Match {
  return {
    headers: (match.headers ?? []).map(compileNamed),
    query: (match.query ?? []).map(compileNamed),
    from: (match.from ?? []).map((reference) => referredService(reference, place.object.namespace)),
    provenance: place.object.at(place.at),
    ...defined({ path: compilePath(match.path), method: match.method }),
  };
}

function compilePath(path: MatchSpec['path']): PathMatch | undefined {
  if (path?.exact !== undefined) return { exact: path.exact };
  if (path?.regex !== undefined) return { regex: path.regex };
  if (path?.prefix !== undefined) return { prefix: path.prefix.replace(/\/+$/, '') || '/' };
  return undefined;
}

function compileNamed(spec: NamedMatchSpec): NamedMatch {
  // `present: false` is the same wish as an inverted `present: true`.
  const absent = spec.present === false;
  return { name: spec.name, match: compileString(spec), invert: (spec.invert ?? false) !== absent };
}

function compileString(spec: NamedMatchSpec): StringMatch {
  if (spec.exact !== undefined) return { exact: spec.exact };
  if (spec.prefix !== undefined) return { prefix: spec.prefix };
  if (spec.suffix !== undefined) return { suffix: spec.suffix };
  if (spec.regex !== undefined) return { regex: spec.regex };
  return { present: true };
}

function compileEdits(spec: HeaderEditsSpec | undefined): HeaderEdits | undefined {
  if (spec === undefined) return undefined;
  const lower = (edits: Readonly<Record<string, string>> = {}): Readonly<Record<string, string>> =>
    Object.fromEntries(Object.entries(edits).map(([name, value]) => [name.toLowerCase(), value]));
  return { set: lower(spec.set), add: lower(spec.add), remove: spec.remove ?? [] };
}

const safeRetryOn = ['connect-failure', 'refused-stream', 'reset-before-request'];

/** What is safe for every method where `on` is left out; status codes bring the condition that reads them. */
export function compileRetry(spec: NonNullable<RuleSpec['retry']>): Retry {
  const on = new Set<string>(spec.on ?? safeRetryOn);
  const statusCodes = spec.statusCodes ?? [];
  if (statusCodes.length > 0) on.add('retriable-status-codes');
  return {
    attempts: spec.attempts,
    on: [...on],
    statusCodes,
    ...defined({ perTryTimeoutMs: spec.perTry }),
  };
}

type Linkerd = Extract<RouteObject, { group: 'linkerd.io' }>;

function compileLinkerd(object: Linkerd, mesh: MeshDefaults): CompiledRoute {
  const spec: LinkerdRouteSpec = object.spec;
  const provenance = object.at(['spec', 'routes']);
  const rule: Rule = {
    name: `${object.namespace}/${object.name}#0`,
    index: 0,
    matches: [{ headers: [], query: [], from: [], provenance }],
    action: {
      kind: 'forward',
      to: spec.routes.map(({ service }, index) => ({
        service: referredService(service.name, object.namespace),
        weight: 1,
        provenance: object.at(['spec', 'routes', index, 'service', 'name']),
        path: dotted(['spec', 'routes', index, 'service', 'name']),
        ...defined({ port: service.port }),
      })),
    },
    provenance,
    ...defined({ retry: mesh.retry === undefined ? undefined : compileRetry(mesh.retry) }),
  };
  const route: Route = {
    ...base(object),
    hosts: [spec.host],
    protocol: spec.protocol?.toLowerCase() === 'tcp' ? 'tcp' : 'http',
    rules: [rule],
    ...defined({ share: spec.weight }),
  };
  return { route, problems: [] };
}
