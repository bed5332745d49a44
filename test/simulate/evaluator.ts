// What Envoy would do with a request, worked out from the generated route configuration: a second, independent reading of
// it, small enough to be checked by eye. The same table is asked of a real Envoy, so neither can be wrong alone.
import { RE2JS } from 're2js';
import type { Json } from '../support/static-config.ts';

export interface Request {
  readonly method?: string;
  readonly host: string;
  /** With query. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface Outcome {
  /** Name of the route that matched; undefined: none did. */
  readonly rule?: string;
  /** Of a direct response, a redirect, or 404 where nothing matched. */
  readonly status?: number;
  /** Cluster -> weight. */
  readonly clusters?: Readonly<Record<string, number>>;
  /** What the backend sees. */
  readonly path?: string;
  readonly location?: string;
}

type Text = Readonly<Record<string, unknown>>;
const list = (value: unknown): Json[] => (value ?? []) as Json[];
const object = (value: unknown): Json => (value ?? {}) as Json;

function matchesRegex(matcher: unknown, value: string): boolean {
  return RE2JS.matches(String(object(matcher)['regex']), value);
}

function matchesText(matcher: Text, value: string): boolean {
  if ('exact' in matcher) return value === matcher['exact'];
  if ('prefix' in matcher) return value.startsWith(String(matcher['prefix']));
  if ('suffix' in matcher) return value.endsWith(String(matcher['suffix']));
  return matchesRegex(matcher['safe_regex'], value);
}

/** Envoy: a header that is not there matches no text, inverted or not, unless it counts as an empty one. */
function matchesHeader(matcher: Json, headers: Readonly<Record<string, string>>): boolean {
  const inverted = matcher['invert_match'] === true;
  const empty = matcher['treat_missing_header_as_empty'] === true ? '' : undefined;
  const value = headers[String(matcher['name'])] ?? empty;
  if ('present_match' in matcher) return (value !== undefined) !== inverted;
  return value !== undefined && matchesText(object(matcher['string_match']), value) !== inverted;
}

function matchesQuery(matcher: Json, query: URLSearchParams): boolean {
  const value = query.get(String(matcher['name']));
  if ('present_match' in matcher) return value !== null;
  return value !== null && matchesText(object(matcher['string_match']), value);
}

function matchesPath(match: Json, path: string): boolean {
  if ('path' in match) return path === match['path'];
  if ('prefix' in match) return path.startsWith(String(match['prefix']));
  if ('path_separated_prefix' in match) {
    const prefix = String(match['path_separated_prefix']);
    return path === prefix || path.startsWith(`${prefix}/`);
  }
  return matchesRegex(match['safe_regex'], path);
}

function virtualHost(configuration: Json, host: string): Json | undefined {
  const name = host.toLowerCase().replace(/:\d+$/, '');
  const rank = (domain: string): number => {
    if (domain === name) return 1e6;
    if (domain === '*') return 1;
    return domain.startsWith('*') && name.endsWith(domain.slice(1)) && name.length > domain.length - 1
      ? domain.length
      : 0;
  };
  let best: { host: Json; rank: number } | undefined;
  for (const candidate of list(configuration['virtual_hosts']))
    for (const domain of candidate['domains'] as string[]) {
      const value = rank(domain);
      if (value > 0 && value > (best?.rank ?? 0)) best = { host: candidate, rank: value };
    }
  return best?.host;
}

/** The path after `prefix_rewrite` or `regex_rewrite`, with its query. */
function rewritten(match: Json, action: Json, path: string, query: string): string {
  if ('prefix_rewrite' in action) {
    const matched = String(match['path'] ?? match['prefix'] ?? match['path_separated_prefix'] ?? '');
    return String(action['prefix_rewrite']) + path.slice(matched.length) + query;
  }
  if ('regex_rewrite' in action) {
    const { pattern, substitution } = action['regex_rewrite'] as { pattern: Json; substitution: string };
    const replacement = substitution.replace(/\\(\d)/g, '$$$1');
    return RE2JS.compile(String(pattern['regex'])).matcher(path).replaceAll(replacement) + query;
  }
  return path + query;
}

const redirectStatus: Readonly<Record<string, number>> = {
  MOVED_PERMANENTLY: 301,
  FOUND: 302,
  SEE_OTHER: 303,
  TEMPORARY_REDIRECT: 307,
  PERMANENT_REDIRECT: 308,
};

function outcomeOf(route: Json, request: Request, path: string, query: string): Outcome {
  const rule = String(route['name']);
  const match = object(route['match']);
  if ('direct_response' in route) return { rule, status: Number(object(route['direct_response'])['status']) };
  if ('redirect' in route) {
    const redirect = object(route['redirect']);
    const scheme = redirect['scheme_redirect'] ?? 'http';
    const host = redirect['host_redirect'] ?? request.host;
    const port = redirect['port_redirect'] === undefined ? '' : `:${String(redirect['port_redirect'])}`;
    const to =
      'path_redirect' in redirect ? String(redirect['path_redirect']) + query : rewritten(match, redirect, path, query);
    const status = redirectStatus[String(redirect['response_code'] ?? 'MOVED_PERMANENTLY')] ?? 0;
    return { rule, status, location: `${String(scheme)}://${String(host)}${port}${to}` };
  }
  const action = object(route['route']);
  const clusters =
    'cluster' in action
      ? { [String(action['cluster'])]: 1 }
      : Object.fromEntries(
          list(object(action['weighted_clusters'])['clusters']).map((item) => [
            String(item['name']),
            Number(item['weight']),
          ]),
        );
  return { rule, clusters, path: rewritten(match, action, path, query) };
}

/** `configuration`: a RouteConfiguration as Envoy's YAML names its fields. */
export function evaluate(configuration: Json, request: Request): Outcome {
  const host = virtualHost(configuration, request.host);
  const [path = '', queryText] = request.path.split(/\?(.*)/s);
  const query = queryText === undefined ? '' : `?${queryText}`;
  const headers = { ...request.headers, ':method': request.method ?? 'GET', ':path': request.path };
  const parameters = new URLSearchParams(queryText ?? '');
  for (const route of list(host?.['routes'])) {
    const match = object(route['match']);
    if (
      matchesPath(match, path) &&
      list(match['headers']).every((matcher) => matchesHeader(matcher, headers)) &&
      list(match['query_parameters']).every((matcher) => matchesQuery(matcher, parameters))
    )
      return outcomeOf(route, request, path, query);
  }
  return { status: 404 };
}
