// The permissions of one intention, of which the first that fits decides, as a plan without order. Pure.
// Invariant: a plan never lets in what the permissions refuse. Where order or a condition cannot be said, the plan is
// stricter, and says why. Source: Consul docs, "Service intentions configuration entry", Permissions.
import type { AccessPath, Operation } from '../../model/authorization.ts';
import type { IntentionPlan } from '../../model/intentions.ts';

export interface Permission {
  readonly action: 'allow' | 'deny';
  /** `start`: as text, so that `/a` means `/ab` too. */
  readonly path?: { readonly exact: string } | { readonly start: string };
  /** Upper case; empty: every one. */
  readonly methods: readonly string[];
  readonly headers: Operation['headers'];
  /** What it asks besides and nothing here can ask, for people; empty: nothing. */
  readonly unsaid: readonly string[];
}

export interface Planned {
  readonly plan: IntentionPlan;
  /** Why it is stricter than what was written, each by its permission. */
  readonly stricter: readonly { readonly index: number; readonly why: string }[];
}

export const openPlan: IntentionPlan = { open: true, allow: [], deny: [] };
export const closedPlan: IntentionPlan = { open: false, allow: [], deny: [] };

/** `fallback`: what holds where no permission fits. */
export function planOf(permissions: readonly Permission[], fallback: 'allow' | 'deny'): Planned {
  // Whatever comes behind a permission for every request is never asked.
  const end = permissions.findIndex(isTotal);
  const open = (permissions[end]?.action ?? fallback) === 'allow';
  const asked = end === -1 ? permissions : permissions.slice(0, end);
  const allow: Operation[] = [];
  const deny: Operation[] = [];
  const stricter: { index: number; why: string }[] = [];
  for (const [index, one] of asked.entries()) {
    const tell = (why: string): void => void stricter.push({ index, why });
    const earlier = asked.slice(0, index).filter(({ action }) => action === 'allow');
    const later = asked.slice(index + 1).filter(({ action }) => action === 'allow');
    if (one.action === 'allow') {
      if (open) continue;
      if (one.unsaid.length > 0) {
        tell(`${one.unsaid.join(' and ')} cannot be asked here, so it allows nothing`);
        continue;
      }
      allow.push(operation(one));
      const beside = besides(one);
      if (beside === undefined) continue;
      if (typeof beside === 'string') {
        tell(beside);
        continue;
      }
      deny.push(operation(beside));
      if (asked.some((other) => other !== one && other.action === 'allow' && overlap(other, beside)))
        tell(`"${beside.path.exact}" itself is refused, though another permission may allow it`);
    } else if (open || later.some((other) => overlap(other, one))) {
      const { made, why } = denied(one, asked, open);
      deny.push(operation(made));
      for (const reason of why) tell(reason);
      if (earlier.some((other) => overlap(other, made)))
        tell('an earlier permission allows some of it, and what is denied here is refused all the same');
    }
  }
  return { plan: { open, allow, deny }, stricter };
}

function isTotal({ path, methods, headers, unsaid }: Permission): boolean {
  const everywhere = path === undefined || ('start' in path && path.start === '/');
  return everywhere && methods.length + headers.length + unsaid.length === 0;
}

/** What a prefix of ours takes and that of an allowing permission does not, or why ours takes less. */
function besides(one: Permission): (Permission & { readonly path: { readonly exact: string } }) | string | undefined {
  if (one.path === undefined || 'exact' in one.path || one.path.start === '/') return undefined;
  const { start } = one.path;
  if (!start.endsWith('/')) return `path prefix "${start}" is read by whole segments, so "${start}x" is refused`;
  return { ...one, path: { exact: withoutSlashes(start) } };
}

/** At least what a denying permission refuses. */
function denied(
  one: Permission,
  all: readonly Permission[],
  open: boolean,
): { readonly made: Permission; readonly why: string[] } {
  const why = one.unsaid.length === 0 ? [] : [`${one.unsaid.join(' and ')} cannot be asked here, so it denies without`];
  if (one.path === undefined || 'exact' in one.path) return { made: one, why };
  const { start } = one.path;
  const whole = start.slice(0, start.lastIndexOf('/') + 1);
  const made: Permission = { ...one, path: { start: whole } };
  const itself = withoutSlashes(whole);
  if (start !== whole)
    why.push(
      `path prefix "${start}" is not whole segments, so all of "${whole}" is refused; write "${start}/", and "${start}" by PathExact`,
    );
  else if (itself !== '' && admits(itself, one, all, open))
    why.push(`"${itself}" itself is refused with what lies below it`);
  return { made, why };
}

/** Whether a request like those of `one`, but for exactly this path, may be let in. */
function admits(exact: string, one: Permission, all: readonly Permission[], open: boolean): boolean {
  const allowed = all.some((other) => other.action === 'allow' && overlap(other, { ...one, path: { exact } }));
  return allowed || (open && !all.some((other) => other.action === 'deny' && takes(other, exact, one)));
}

/** Whether it holds for this path, whenever `like` holds for its own. */
function takes(other: Permission, exact: string, like: Permission): boolean {
  return (
    other.path !== undefined &&
    'exact' in other.path &&
    other.path.exact === exact &&
    other.unsaid.length + other.headers.length === 0 &&
    (other.methods.length === 0 || other.methods.join() === like.methods.join())
  );
}

function withoutSlashes(path: string): string {
  return path.replace(/\/+$/, '');
}

function operation({ path, methods, headers }: Permission): Operation {
  return { methods, headers, paths: path === undefined ? [] : [accessPath(path)] };
}

function accessPath(path: NonNullable<Permission['path']>): AccessPath {
  return 'exact' in path ? path : { prefix: path.start };
}

/** Whether some request may fit both. Headers are never taken to exclude each other: they may come twice. */
function overlap(a: Permission, b: Permission): boolean {
  const methods = a.methods.length === 0 || b.methods.length === 0 || a.methods.some((one) => b.methods.includes(one));
  return methods && pathsOverlap(a.path, b.path);
}

function pathsOverlap(a: Permission['path'], b: Permission['path']): boolean {
  if (a === undefined || b === undefined) return true;
  if ('exact' in a) return 'exact' in b ? a.exact === b.exact : below(a.exact, b.start);
  if ('exact' in b) return below(b.exact, a.start);
  return below(a.start, b.start) || below(b.start, a.start);
}

/** With a slash at the end as without: what is made of it here takes that path too. */
function below(path: string, start: string): boolean {
  return path.startsWith(start) || path === withoutSlashes(start);
}
