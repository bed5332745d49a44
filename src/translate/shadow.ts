// Whether one match takes every request of another, so that the other, standing later, can never be reached.
// It must not know Envoy or actions. Invariant: sound, not complete: what it says is true; two regular expressions are
// compared by their text alone, and a list of rules that all ask for one path is looked through only so far.
import type { Match, NamedMatch, PathMatch, StringMatch } from '../model/route.ts';
import type { Entry } from './route-order.ts';

const everyValue = new Set(['.*', '(.*)', '(?:.*)', '^.*$', '(?s).*', '(?s:.*)']);
const everyPath = new Set([...everyValue, '/.*', '^/.*', '^/.*$']);

function all<T>(items: readonly T[], holds: (item: T) => boolean): boolean {
  return items.every(holds);
}

/** Every value of `b` is one of `a`. */
function valueCovers(a: StringMatch, b: StringMatch): boolean {
  if ('present' in a || ('regex' in a && everyValue.has(a.regex))) return true;
  if ('present' in b) return false;
  if ('regex' in a || 'regex' in b) return 'regex' in a && 'regex' in b && a.regex === b.regex;
  if ('exact' in a) return 'exact' in b && a.exact === b.exact;
  if ('prefix' in a)
    return 'exact' in b ? b.exact.startsWith(a.prefix) : 'prefix' in b && b.prefix.startsWith(a.prefix);
  return 'exact' in b ? b.exact.endsWith(a.suffix) : 'suffix' in b && b.suffix.endsWith(a.suffix);
}

/** `b` holds only where `a` holds. */
function conditionCovers(a: NamedMatch, b: NamedMatch): boolean {
  if (a.name !== b.name || a.invert !== b.invert) return false;
  if (!a.invert) return valueCovers(a.match, b.match);
  // A missing header counts as an empty value, which these two might be.
  if ('present' in b.match && ('regex' in a.match || ('exact' in a.match && a.match.exact === ''))) return false;
  return valueCovers(b.match, a.match);
}

function conditionsCover(a: readonly NamedMatch[], b: readonly NamedMatch[]): boolean {
  return all(a, (wanted) => b.some((given) => conditionCovers(wanted, given)));
}

/** All that is asked but the path. `from`: an empty list is everybody. */
function restCovers(a: Match, b: Match): boolean {
  return (
    (a.method === undefined || a.method === b.method) &&
    (a.from.length === 0 || (b.from.length > 0 && all(b.from, (caller) => a.from.includes(caller)))) &&
    conditionsCover(a.headers, b.headers) &&
    conditionsCover(a.query, b.query)
  );
}

/** Where entries that cover a path are kept. */
function pathKey(path: PathMatch | undefined): string {
  if (path === undefined) return 'any';
  if ('exact' in path) return `exact ${path.exact}`;
  if ('regex' in path) return everyPath.has(path.regex) ? 'any' : `regex ${path.regex}`;
  const prefix = path.prefix.replace(/\/+$/, '');
  return prefix === '' ? 'any' : `prefix ${prefix}`;
}

/** `/a/b/c` -> `/a`, `/a/b`, `/a/b/c`. */
function prefixes(path: string): string[] {
  const ends = [...path.matchAll(/(?<=[^/])(?=\/|$)/g)].map(({ index }) => index);
  return ends.map((end) => `prefix ${path.slice(0, end)}`);
}

/**
 * The prefixes that every path of a regex has, read off its first plain characters; those behind them may go on, so a
 * last segment counts only when a slash ends it.
 */
function regexPrefixes(regex: string): string[] {
  if (regex.includes('|')) return [];
  const [plain = ''] = /^\^?\/(?:[\w/-]|\\\.)*/.exec(regex) ?? [];
  const optional = /^[*?{]/.test(regex.slice(plain.length));
  const literal = plain.replace(/^\^/, '').replaceAll('\\.', '.');
  const sure = optional ? literal.slice(0, -1) : literal;
  return prefixes(sure.slice(0, sure.lastIndexOf('/') + 1));
}

/** The keys under which an entry that covers this path can stand before it. */
function coveringKeys(path: PathMatch | undefined): readonly string[] {
  const own = pathKey(path);
  if (own === 'any' || path === undefined) return ['any'];
  if ('exact' in path) return [own, ...prefixes(path.exact), 'any'];
  if ('regex' in path) return [own, ...regexPrefixes(path.regex), 'any'];
  return [own, ...prefixes(path.prefix), 'any'];
}

/** Where one Route is for some gateways only, it hides nothing of a Route that is for others too. */
function reaches({ route: a }: Entry, { route: b }: Entry): boolean {
  const { gateways } = a;
  return gateways === undefined || (b.gateways !== undefined && all(b.gateways, (name) => gateways.includes(name)));
}

/** So many comparisons, and no more: a thousand rules for one path must not hold up the others. */
const maxComparisons = 500_000;

export interface Shadow<T extends Entry> {
  readonly loser: T;
  readonly winner: T;
}

/** Entries that an earlier one hides, with the first that does. `entries`: first the one that wins. */
export function shadows<T extends Entry>(entries: readonly T[]): readonly Shadow<T>[] {
  const found: Shadow<T>[] = [];
  const standing = new Map<string, T[]>();
  let left = maxComparisons;
  const hiding = (loser: T): T | undefined => {
    for (const key of coveringKeys(loser.match.path))
      for (const earlier of standing.get(key) ?? []) {
        if (left-- <= 0) return undefined;
        if (restCovers(earlier.match, loser.match) && reaches(earlier, loser)) return earlier;
      }
    return undefined;
  };
  for (const loser of entries) {
    if (left <= 0) break;
    const winner = hiding(loser);
    // What is hidden hides nothing that its winner does not.
    if (winner !== undefined) {
      found.push({ loser, winner });
      continue;
    }
    const key = pathKey(loser.match.path);
    const own = standing.get(key);
    if (own === undefined) standing.set(key, [loser]);
    else own.push(loser);
  }
  return found;
}
