// Which rule comes first where several could answer, decided for each match entry.
// It must not know Envoy. Invariant: a total order; equal input in any order gives equal output.
// A path that matches everything (`/`, or none) stands after regular expressions, else it would hide each of them.
import type { Match, PathMatch, Route, Rule } from '../model/route.ts';

export interface Entry {
  readonly route: Route;
  readonly rule: Rule;
  readonly match: Match;
}

function pathRank(path: PathMatch | undefined): readonly [kind: number, length: number] {
  if (path === undefined) return [3, 0];
  if ('exact' in path) return [0, path.exact.length];
  if ('prefix' in path) return path.prefix === '/' ? [3, 0] : [1, path.prefix.length];
  return [2, path.regex.length];
}

function text(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Negative: `a` is the more specific. 0: equally specific. */
function bySpecificity(a: Match, b: Match): number {
  const [kindA, lengthA] = pathRank(a.path);
  const [kindB, lengthB] = pathRank(b.path);
  return (
    kindA - kindB ||
    lengthB - lengthA ||
    Number(b.method !== undefined) - Number(a.method !== undefined) ||
    b.headers.length - a.headers.length ||
    b.query.length - a.query.length ||
    Number(b.from.length > 0) - Number(a.from.length > 0)
  );
}

/** Older first where the ages can be compared: written times, else the order inside one store. */
function byAge(a: Route, b: Route): number {
  if (a.createdMs !== undefined && b.createdMs !== undefined) return a.createdMs - b.createdMs;
  if (a.created !== undefined && b.created !== undefined && a.provenance.source === b.provenance.source)
    return a.created - b.created;
  return 0;
}

function byObject(a: Route, b: Route): number {
  return text(a.namespace, b.namespace) || text(a.name, b.name) || text(a.provenance.object, b.provenance.object);
}

/**
 * Ages that can only be compared pairwise give no total order by themselves (a before b, b before c, c before a), so the
 * Routes are ranked once: by name, then each moved before the first younger one it can be compared with.
 */
export function rankRoutes(routes: readonly Route[]): readonly Route[] {
  const ranked: Route[] = [];
  for (const route of [...routes].sort(byObject)) {
    const younger = ranked.findIndex((other) => byAge(route, other) < 0);
    if (younger === -1) ranked.push(route);
    else ranked.splice(younger, 0, route);
  }
  return ranked;
}

/** The entries of all rules, first the one that wins. */
export function orderEntries(routes: readonly Route[]): readonly Entry[] {
  return rankRoutes(routes)
    .flatMap((route, rank) =>
      route.rules.flatMap((rule) => rule.matches.map((match, position) => ({ route, rule, match, rank, position }))),
    )
    .sort(
      (a, b) =>
        bySpecificity(a.match, b.match) || a.rank - b.rank || a.rule.index - b.rule.index || a.position - b.position,
    )
    .map(({ route, rule, match }) => ({ route, rule, match }));
}
