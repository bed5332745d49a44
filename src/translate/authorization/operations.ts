// What a rule asks of a request: method, path, headers. It must not know callers.
// Invariant: where Envoy and the application may read one request differently, an allow rule is not met and a deny rule is:
// doubt never lets anybody in. Dot segments and double slashes are gone before this is asked, by the connection manager.
import type { PrincipalJson } from '../../gen/envoy/config/rbac/v3/rbac_pb.js';
import type { StringMatcherJson } from '../../gen/envoy/type/matcher/v3/string_pb.js';
import type { AccessPath, Operation } from '../../model/authorization.ts';
import { all, type Condition, not, some } from './condition.ts';

export type Effect = 'allow' | 'deny';

function header(name: string, stringMatch: StringMatcherJson): PrincipalJson {
  return { header: { name, stringMatch } };
}

/** Without the query. */
function path(match: StringMatcherJson): PrincipalJson {
  return { urlPath: { path: match } };
}

const containsOneOf = (...texts: readonly string[]): Condition =>
  some(...texts.map((contains) => path({ contains, ignoreCase: true })));

/** Slashes in disguise: Envoy takes them for a part of a segment, the application may take them for a slash. */
const disguised = containsOneOf('%2f', '%5c');

/**
 * Parameters, which to Envoy are a part of their segment, and which some applications leave out before they look: to them
 * `/admin;x` is `/admin`.
 */
const parameters = containsOneOf(';', '%3b');

/**
 * To the same applications `/open/..;/admin` is `/admin`; Envoy 1.40 takes it for that too and 1.36 does not, and both make it
 * of `/open/%2e%2e;/admin`. Other parameters lead to nothing outside of what is allowed.
 */
const dotsWithParameters = containsOneOf('.;', '%2e;', '.%3b', '%2e%3b');

/** By whole segments, as a Route's prefix. */
function below(prefix: string): Condition {
  const base = prefix.replace(/\/+$/, '');
  return base === '' ? true : some(path({ exact: base }), path({ prefix: `${base}/` }));
}

function within(wanted: AccessPath): Condition {
  if ('exact' in wanted) return false;
  if ('prefix' in wanted) return below(wanted.prefix);
  return wanted.startsWith === '/' ? true : path({ prefix: wanted.startsWith });
}

function paths(wanted: readonly AccessPath[], effect: Effect): Condition {
  if (wanted.length === 0) return true;
  const exact = some(...wanted.map((one) => ('exact' in one ? path({ exact: one.exact }) : false)));
  const prefix = some(...wanted.map(within));
  if (effect === 'deny') return some(exact, prefix, disguised, parameters);
  // What is allowed whole holds no other path.
  return prefix === true ? true : some(exact, all(prefix, not(some(disguised, dotsWithParameters))));
}

/** A deny rule takes `get` for GET, as some applications do. */
function methods(wanted: readonly string[], effect: Effect): Condition {
  if (wanted.length === 0) return true;
  return some(...wanted.map((exact) => header(':method', effect === 'deny' ? { exact, ignoreCase: true } : { exact })));
}

function quoted(character: string): string {
  return /[A-Za-z0-9]/.test(character) ? character : `\\x{${(character.codePointAt(0) ?? 0).toString(16)}}`;
}

/**
 * A pattern of every text but this one, for Envoy asks of a header's values whether one fits and cannot be asked whether
 * one does not. By each character: the text ends before it, differs in it, or goes on; `\C` is any byte, also of no text.
 */
export function anythingBut(text: string): string {
  return Array.from(text).reduceRight((rest, character) => {
    const same = quoted(character);
    return `(?:[^${same}]\\C*|${same}${rest})?`;
  }, '\\C+');
}

/**
 * A header that comes several times is one text with commas to Envoy 1.36, and to Envoy 1.40 any of its values may fit.
 * To an allow rule all are to be the value; a deny rule finds it among them.
 */
function headerIs(name: string, exact: string, effect: Effect): Condition {
  if (effect === 'allow')
    return all(header(name, { exact }), not(header(name, { safeRegex: { regex: anythingBut(exact) } })));
  const inside = [',', ', '].flatMap((before): StringMatcherJson[] => [
    { suffix: `${before}${exact}` },
    { contains: `${before}${exact},` },
  ]);
  return some(...[{ exact }, { prefix: `${exact},` }, ...inside].map((match) => header(name, match)));
}

export function isOperation(operation: Operation, effect: Effect): Condition {
  return all(
    methods(operation.methods, effect),
    paths(operation.paths, effect),
    ...operation.headers.map(({ name, exact }) => headerIs(name, exact, effect)),
  );
}
