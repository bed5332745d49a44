// Two voices about one service, objects and intentions, both of which must let a request in: the deny rules of both hold, and of
// the allow rules only what both allow. Pure. Invariant: the result lets in exactly what both let in, but that a prefix of a path in
// disguise stays unmet, and that two who say too much let nobody in.
import type { AccessPath, AccessRule, Authorization, Caller, Operation } from './authorization.ts';

/** Pairs of paths that are looked at for one service, and that the result may hold: some 50 ms and 10 MB of configuration. */
export const maxPairs = 50_000;

/** Whether both say so much that what both allow cannot be worked out in bounded time. */
export function sayTooMuch(first: readonly Authorization[], other: Authorization): boolean {
  const weight = ({ to }: AccessRule): number =>
    to.reduce((sum, { paths }) => sum + Math.max(1, paths.length), to.length === 0 ? 1 : 0);
  const of = (list: readonly Authorization[]): number =>
    list.flatMap(({ allow }) => allow).reduce((sum, rule) => sum + weight(rule), 0);
  return of(first.filter(({ mode }) => mode === 'enforce')) * of([other]) > maxPairs;
}

/** `first` is what already counts; the other's list comes behind it, with the allow rules of both. */
export function bothLetIn(first: readonly Authorization[], other: Authorization): readonly Authorization[] {
  const enforced = first.filter(({ mode }) => mode === 'enforce');
  const allowed = enforced.flatMap(({ allow }) => allow);
  if (allowed.length === 0 || other.allow.length === 0) return [...first, other];
  if (sayTooMuch(first, other)) {
    const closing = { index: other.deny.length, to: [], provenance: other.provenance };
    return [...first, { ...other, allow: [], deny: [...other.deny, closing] }];
  }
  const common = allowed.flatMap((a) => other.allow.flatMap((b) => commonRule(a, b)));
  const { provenance } = other;
  // Without an allow rule everybody would be let in.
  const rules = common.length === 0 ? [{ from: [], to: [], provenance }] : common;
  return [
    ...first.map((one) => (one.mode === 'enforce' && one.allow.length > 0 ? { ...one, allow: [] } : one)),
    { ...other, allow: rules.map((rule, index) => ({ ...rule, index })) },
  ];
}

/** Whatever else `a` asks, it goes on to ask; an intention asks of caller and request alone. */
function commonRule(a: AccessRule, b: AccessRule): AccessRule[] {
  const from = commonCallers(a.from, b.from);
  const to = commonOperations(a.to, b.to);
  if (from?.length === 0 || to === undefined) return [];
  return [{ ...a, to, ...(from === undefined ? {} : { from }) }];
}

function commonCallers(a: AccessRule['from'], b: AccessRule['from']): AccessRule['from'] {
  if (a === undefined || b === undefined) return a ?? b;
  if (a.some(({ kind }) => kind === 'anyone')) return b;
  if (b.some(({ kind }) => kind === 'anyone')) return a;
  const names = new Set(a.map(nameOf));
  return b.filter((caller) => names.has(nameOf(caller)));
}

function nameOf(caller: Caller): string {
  if (caller.kind === 'anyone') return '*';
  return caller.kind === 'service' ? `service ${caller.service}` : `gateway ${caller.gateway}`;
}

/** Undefined: none; empty means every request. */
function commonOperations(a: readonly Operation[], b: readonly Operation[]): readonly Operation[] | undefined {
  if (a.length === 0 || b.length === 0) return a.length === 0 ? b : a;
  const common = a.flatMap((one) => b.flatMap((other) => commonOperation(one, other)));
  return common.length === 0 ? undefined : common;
}

function commonOperation(a: Operation, b: Operation): Operation[] {
  const methods = a.methods.length === 0 ? b.methods : a.methods.filter((one) => admits(b.methods, one));
  const paths = commonPaths(a.paths, b.paths);
  const none = (list: readonly unknown[], of: 'methods' | 'paths'): boolean =>
    list.length === 0 && a[of].length + b[of].length > 0;
  if (none(methods, 'methods') || none(paths, 'paths')) return [];
  return [{ methods, paths, headers: [...a.headers, ...b.headers] }];
}

function admits(methods: readonly string[], method: string): boolean {
  return methods.length === 0 || methods.includes(method);
}

function commonPaths(a: readonly AccessPath[], b: readonly AccessPath[]): readonly AccessPath[] {
  if (a.length === 0 || b.length === 0) return a.length === 0 ? b : a;
  return a.flatMap((one) => b.flatMap((other) => commonPath(one, other)));
}

function commonPath(a: AccessPath, b: AccessPath): AccessPath[] {
  if ('exact' in a) return meets(a.exact, b) ? [a] : [];
  if ('exact' in b) return meets(b.exact, a) ? [b] : [];
  if (isWithin(a, b)) return [a];
  return isWithin(b, a) ? [b] : [];
}

type Within = Exclude<AccessPath, { readonly exact: string }>;

/** Every path of `a` is one of `b`. Where neither is within the other no path is of both. */
function isWithin(a: Within, b: Within): boolean {
  const first = 'prefix' in a ? base(a.prefix) : a.startsWith;
  if (isWhole(b)) return true;
  if ('startsWith' in b) return first.startsWith(b.startsWith);
  return 'prefix' in a ? isBelow(first, base(b.prefix)) : first.startsWith(`${base(b.prefix)}/`);
}

function isWhole(path: Within): boolean {
  return 'prefix' in path ? base(path.prefix) === '' : path.startsWith === '/';
}

/** As an allow rule meets it: a path that may be read in two ways is below no prefix but the root. */
function meets(path: string, wanted: AccessPath): boolean {
  if ('exact' in wanted) return path === wanted.exact;
  if (isWhole(wanted)) return true;
  if (/%2f|%5c|(\.|%2e)(;|%3b)/i.test(path)) return false;
  return 'prefix' in wanted ? isBelow(path, base(wanted.prefix)) : path.startsWith(wanted.startsWith);
}

function isBelow(path: string, below: string): boolean {
  return path === below || path.startsWith(`${below}/`);
}

function base(prefix: string): string {
  return prefix.replace(/\/+$/, '');
}
