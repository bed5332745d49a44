// The roots of an authority outside, as proxies are told them, over the time that one takes the place of another. Pure.
// It must not know which authority it is, nor how it is asked. Invariants: a root that the authority never gave is not in it;
// one that it gives no more stays until what it signed was replaced, or it has ended.
import type { Root } from './contract.ts';
import { certificateText, rootOf } from './root.ts';

export interface TrustedRoot extends Root {
  /** Since when proxies are told, wall clock; 0: there was nothing before it. */
  readonly toldMs: number;
  /** Since when its keeper gives it no more; where that `ends` by use: when it was last seen to sign. */
  readonly goneMs?: number;
}

export type Bundle = readonly TrustedRoot[];

export interface BundleLimits {
  /** A root that the authority gives no more is trusted for so long. */
  readonly leavingMs: number;
}

/** More are a mistake, and would not fit where they are kept. */
export const maxRoots = 32;

export interface FollowAt {
  readonly nowMs: number;
  /** Key id of the root that this replica signs under; it stays in any case. */
  readonly inUse: string | undefined;
  /**
   * Given where leaving a root out means to distrust it: one that never signed is dropped at once, and of one that did
   * `leavingMs` count from when it signed last.
   */
  readonly isUnused?: (root: TrustedRoot) => boolean;
}

/** `given`: roots that the authority has now, checked, DER. The result is `before` itself where nothing changed. */
export function followRoots(
  before: Bundle,
  given: readonly Uint8Array[],
  at: FollowAt,
  { leavingMs }: BundleLimits,
): Bundle {
  const { nowMs, inUse, isUnused } = at;
  const roots = new Map(
    given.map((certificate) => [certificateText(certificate), rootOf(Uint8Array.from(certificate))]),
  );
  const keys = new Set([...roots.values()].map(({ keyId }) => keyId));
  const kept = before.flatMap((root) => {
    if (roots.delete(certificateText(root.certificate))) return back(root);
    if (isUnused === undefined) return gone(root, nowMs);
    // Renewed with its key: what it signed has the other one.
    if (keys.has(root.keyId)) return [];
    if (root.keyId === inUse) return { ...root, goneMs: nowMs };
    return root.goneMs === undefined && isUnused(root) ? [] : gone(root, nowMs);
  });
  const toldMs = before.length === 0 ? 0 : nowMs;
  const fresh = [...roots.values()].map((root): TrustedRoot => ({ ...root, toldMs }));
  const all = [...kept, ...fresh].filter(
    ({ keyId, goneMs, notAfterMs }) =>
      notAfterMs > nowMs && (goneMs === undefined || keyId === inUse || nowMs < goneMs + leavingMs),
  );
  return sameBundle(before, all) ? before : all;
}

function sameBundle(a: Bundle, b: Bundle): boolean {
  return a.length === b.length && a.every((root, index) => root === b[index]);
}

/** Those of `first` before the others, of each the one that lives longest: every replica has the same order below the first. */
export function inOrder(bundle: Bundle, first: string | undefined): readonly Root[] {
  const rank = ({ keyId }: Root): number => (keyId === first ? 0 : 1);
  return [...bundle]
    .sort((a, b) => rank(a) - rank(b) || b.notAfterMs - a.notAfterMs || (a.keyId < b.keyId ? -1 : 1))
    .map(({ certificate, keyId, notAfterMs }) => ({ certificate, keyId, notAfterMs }));
}

interface TakeOver {
  readonly nowMs: number;
  /** Key ids of the roots that every proxy said it trusts. */
  readonly confirmed: ReadonlySet<string>;
  /** When this replica can sign no more with what it has; undefined where it has nothing yet. */
  readonly endsMs: number | undefined;
}

export interface TakeOverLimits {
  /** A root is told for so long in any case before leaves of it are shown: other replicas and their proxies hear of it. */
  readonly startMs: number;
  /** For so long where what is there can sign: nodes that are cut off, or only look now and then, learn of it. */
  readonly holdMs: number;
  /** For so long at most proxies that have not confirmed are waited for. */
  readonly patienceMs: number;
}

/** From when on leaves of this root may be shown; undefined where nobody was told of it. */
export function usableFrom(
  bundle: Bundle,
  keyId: string,
  { confirmed, endsMs }: Omit<TakeOver, 'nowMs'>,
  { startMs, holdMs, patienceMs }: TakeOverLimits,
): number | undefined {
  const told = bundle.filter((root) => root.keyId === keyId).map(({ toldMs }) => toldMs);
  if (told.length === 0) return undefined;
  const since = Math.min(...told);
  if (since === 0) return 0;
  // Who starts has nothing to sign with, and no proxies that could confirm; who soon cannot sign any more cannot wait.
  if (endsMs === undefined) return since + startMs;
  return Math.min(since + (confirmed.has(keyId) ? holdMs : patienceMs), Math.max(endsMs - holdMs, since + startMs));
}

/** Undefined unless these bytes are exactly a bundle. */
export function readBundle(bytes: Uint8Array): Bundle | undefined {
  try {
    const value: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
    if (!Array.isArray(value) || value.length > maxRoots) return undefined;
    return value.map(readRoot);
  } catch {
    return undefined;
  }
}

export function bundleText(bundle: Bundle): Uint8Array {
  const plain = bundle.map(({ certificate, toldMs, goneMs }) => ({
    certificate: certificateText(certificate),
    toldMs,
    ...(goneMs === undefined ? {} : { goneMs }),
  }));
  return new TextEncoder().encode(JSON.stringify(plain));
}

function readRoot(value: unknown): TrustedRoot {
  const { certificate, toldMs, goneMs } = value as Readonly<Record<string, unknown>>;
  if (typeof certificate !== 'string' || !isTime(toldMs) || !(goneMs === undefined || isTime(goneMs)))
    throw new RangeError('not a root');
  return {
    ...rootOf(Uint8Array.from(Buffer.from(certificate, 'base64'))),
    toldMs,
    ...(goneMs === undefined ? {} : { goneMs }),
  };
}

const isTime = (value: unknown): value is number => Number.isFinite(value) && (value as number) >= 0;

function back(root: TrustedRoot): TrustedRoot {
  if (root.goneMs === undefined) return root;
  const { goneMs: _, ...rest } = root;
  return rest;
}

function gone(root: TrustedRoot, nowMs: number): TrustedRoot {
  return root.goneMs === undefined ? { ...root, goneMs: nowMs } : root;
}
