// One match as Envoy's RouteMatch. It must not know actions. Invariant: total; a regex that Envoy's engine (RE2) would
// refuse is reported here, so that one rule is lost and not the whole route configuration.
import { RE2JS } from 're2js';
import type {
  HeaderMatcherJson,
  QueryParameterMatcherJson,
  RouteMatchJson,
} from '../gen/envoy/config/route/v3/route_components_pb.js';
import type { StringMatcherJson } from '../gen/envoy/type/matcher/v3/string_pb.js';
import type { Match, NamedMatch, PathMatch, StringMatch } from '../model/route.ts';

/** Methods whose requests may be sent again by their nature. */
export const idempotentMethods = ['GET', 'HEAD', 'OPTIONS'] as const;

function stringMatcher(match: Exclude<StringMatch, { present: true }>): StringMatcherJson {
  return 'regex' in match ? { safeRegex: { regex: match.regex } } : match;
}

/**
 * A header that is not there is not the value either, so an inverted match holds for it; Envoy says so only when a missing
 * header counts as an empty one (seen on 1.36 and 1.40).
 */
function header({ name, match, invert }: NamedMatch): HeaderMatcherJson {
  return {
    name,
    ...('present' in match ? { presentMatch: true } : { stringMatch: stringMatcher(match) }),
    ...(invert ? { invertMatch: true } : {}),
    ...(invert && !('present' in match) ? { treatMissingHeaderAsEmpty: true } : {}),
  };
}

function quoted(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\/]/g, '\\$&');
}

/** The pattern of a query value. */
function valuePattern(match: StringMatch): string {
  if ('present' in match) return '';
  if ('exact' in match) return `=${quoted(match.exact)}`;
  if ('prefix' in match) return `=${quoted(match.prefix)}[^&#]*`;
  if ('suffix' in match) return `=[^&#]*${quoted(match.suffix)}`;
  return `=(?:${match.regex})`;
}

function query({ name, match }: NamedMatch): QueryParameterMatcherJson {
  return { name, ...('present' in match ? { presentMatch: true } : { stringMatch: stringMatcher(match) }) };
}

/**
 * Envoy cannot invert a query match, so it is asked of the path header, which holds the query as the client wrote it:
 * percent-encoding is not undone there.
 */
function invertedQuery({ name, match }: NamedMatch): HeaderMatcherJson {
  const end = 'present' in match ? '(?:[=&#].*)?' : '(?:[&#].*)?';
  const regex = `[^?]*\\?(?:[^#]*&)?${quoted(name)}${valuePattern(match)}${end}`;
  return { name: ':path', stringMatch: { safeRegex: { regex } }, invertMatch: true };
}

function path(match: PathMatch | undefined): RouteMatchJson {
  if (match === undefined) return { prefix: '/' };
  if ('exact' in match) return { path: match.exact };
  if ('regex' in match) return { safeRegex: { regex: match.regex } };
  const prefix = match.prefix.replace(/\/+$/, '');
  return prefix === '' ? { prefix: '/' } : { pathSeparatedPrefix: prefix };
}

/** `methods`: asked of the method beside what the match itself asks. */
export function routeMatch(match: Omit<Match, 'provenance'>, methods: readonly string[] = []): RouteMatchJson {
  const headers: HeaderMatcherJson[] = [];
  if (match.method !== undefined) headers.push({ name: ':method', stringMatch: { exact: match.method } });
  if (methods.length > 0) headers.push({ name: ':method', stringMatch: { safeRegex: { regex: methods.join('|') } } });
  headers.push(...match.headers.map(header), ...match.query.filter(({ invert }) => invert).map(invertedQuery));
  const parameters = match.query.filter(({ invert }) => !invert).map(query);
  return {
    ...path(match.path),
    ...(headers.length === 0 ? {} : { headers }),
    ...(parameters.length === 0 ? {} : { queryParameters: parameters }),
  };
}

/** Why RE2 refuses a pattern, or undefined. */
export function regexFault(pattern: string): string | undefined {
  try {
    RE2JS.compile(pattern);
    return undefined;
  } catch (error) {
    return `"${pattern}": ${error instanceof Error ? error.message : String(error)}`;
  }
}

/** The first pattern of a match that RE2 refuses. */
export function matchFault(match: Match): string | undefined {
  const named = [...match.headers, ...match.query].flatMap((item) => ('regex' in item.match ? [item.match.regex] : []));
  const patterns = match.path !== undefined && 'regex' in match.path ? [match.path.regex, ...named] : named;
  for (const pattern of patterns) {
    const fault = regexFault(pattern);
    if (fault !== undefined) return fault;
  }
  return undefined;
}
