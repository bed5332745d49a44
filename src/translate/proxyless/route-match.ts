// One match as gRPC clients evaluate it: every call is a POST of `/package.Service/Method` without query or pseudo headers.
// It must not know actions. Invariant: total, and never wider than what was written: what cannot be said to a client is
// left out with the reason.
import type { HeaderMatcherJson, RouteMatchJson } from '../../gen/envoy/config/route/v3/route_components_pb.js';
import type { Match, NamedMatch, PathMatch } from '../../model/route.ts';

export type ProxylessMatch =
  /** Any one must hold; none: no gRPC call can ever match. */
  { readonly matches: readonly RouteMatchJson[] } | { readonly unsaid: string };

/** Alternatives that one match may be taken apart into. */
const maxAlternatives = 8;

const unsaidHeader = /^:|^host$|-bin$/;

/** The whole value must match; a group, because clients put `^` and `$` around the text as it stands. */
function whole(pattern: string): string {
  return `(?:${pattern})`;
}

function value({ name, match }: NamedMatch): HeaderMatcherJson {
  const header = { name: name.toLowerCase() };
  if ('present' in match) return { ...header, presentMatch: true };
  // The older fields: every client knows them, `string_match` only the newer ones.
  if ('exact' in match) return { ...header, exactMatch: match.exact };
  if ('prefix' in match) return { ...header, prefixMatch: match.prefix };
  if ('suffix' in match) return { ...header, suffixMatch: match.suffix };
  return { ...header, safeRegexMatch: { regex: whole(match.regex) } };
}

/** A header that is missing is not the value either; clients disagree on that, so it is an alternative of its own. */
function headers(named: NamedMatch): readonly HeaderMatcherJson[] {
  const matcher = value(named);
  if (!named.invert) return [matcher];
  const inverted = { ...matcher, invertMatch: true };
  if ('present' in named.match) return [inverted];
  return [{ name: matcher.name ?? '', presentMatch: true, invertMatch: true }, inverted];
}

/** Segment-wise prefixes: clients know only plain ones. */
function paths(path: PathMatch | undefined): readonly RouteMatchJson[] {
  if (path === undefined) return [{ prefix: '/' }];
  if ('exact' in path) return [{ path: path.exact }];
  if ('regex' in path) return [{ safeRegex: { regex: whole(path.regex) } }];
  const prefix = path.prefix.replace(/\/+$/, '');
  if (prefix === '') return [{ prefix: '/' }];
  return [{ path: prefix }, { prefix: `${prefix}/` }];
}

/** The match as one or more of a client's; `from` is the caller's to check. */
export function proxylessMatch(match: Omit<Match, 'provenance'>): ProxylessMatch {
  if (match.method !== undefined && match.method !== 'POST') return { matches: [] };
  if (match.query.some(({ invert }) => !invert)) return { matches: [] };
  const odd = match.headers.find(({ name }) => unsaidHeader.test(name.toLowerCase()));
  if (odd !== undefined) return { unsaid: `a match on header "${odd.name}"` };
  let alternatives: readonly RouteMatchJson[] = paths(match.path);
  for (const named of match.headers) {
    const either = headers(named);
    alternatives = alternatives.flatMap((one) =>
      either.map((header) => ({ ...one, headers: [...(one.headers ?? []), header] })),
    );
    if (alternatives.length > maxAlternatives) return { unsaid: 'so many inverted matches' };
  }
  return { matches: alternatives };
}
