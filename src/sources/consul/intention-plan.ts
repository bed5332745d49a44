// The permissions of one intention, of which the first that fits decides, as a plan without order. Pure.
// Invariant: a plan never lets in what the permissions refuse. Where order or a condition cannot be said, the plan is
// stricter, and says why. Source: Consul docs, "Service intentions configuration entry", Permissions.
import type { AccessPath, Operation } from '../../model/authorization.ts';
import type { IntentionPlan } from '../../model/intentions.ts';

export interface Permission {
  readonly action: 'allow' | 'deny';
  readonly path?: Exclude<AccessPath, { readonly prefix: string }>;
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
    } else if (open || later.some((other) => overlap(other, one))) {
      deny.push(operation(one));
      if (one.unsaid.length > 0) tell(`${one.unsaid.join(' and ')} cannot be asked here, so it denies without`);
      if (earlier.some((other) => overlap(other, one)))
        tell('an earlier permission allows some of it, and what is denied here is refused all the same');
    }
  }
  return { plan: { open, allow, deny }, stricter };
}

function isTotal({ path, methods, headers, unsaid }: Permission): boolean {
  const everywhere = path === undefined || ('startsWith' in path && path.startsWith === '/');
  return everywhere && methods.length + headers.length + unsaid.length === 0;
}

function operation({ path, methods, headers }: Permission): Operation {
  return { methods, headers, paths: path === undefined ? [] : [path] };
}

/** Whether some request may fit both. Headers are never taken to exclude each other: they may come twice. */
function overlap(a: Permission, b: Permission): boolean {
  const methods = a.methods.length === 0 || b.methods.length === 0 || a.methods.some((one) => b.methods.includes(one));
  return methods && pathsOverlap(a.path, b.path);
}

function pathsOverlap(a: Permission['path'], b: Permission['path']): boolean {
  if (a === undefined || b === undefined) return true;
  if ('exact' in a) return 'exact' in b ? a.exact === b.exact : a.exact.startsWith(b.startsWith);
  if ('exact' in b) return b.exact.startsWith(a.startsWith);
  return a.startsWith.startsWith(b.startsWith) || b.startsWith.startsWith(a.startsWith);
}
