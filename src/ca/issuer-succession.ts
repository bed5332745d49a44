// How one given authority takes the place of another: whose root is trusted, and which of them signs. Pure.
// It must not know files or proxies. Invariants: nothing signs under a root before proxies were told of it, but the first;
// a root that nobody gave is never trusted; one that is given no more is, until what it signed for us was replaced.
import type { Root } from './contract.ts';
import type { Given, GivenAuthority } from './issuer-authority.ts';
import { certificateText } from './root.ts';

export interface Succession {
  readonly signing: GivenAuthority;
  /** All that proxies are told, the one of `signing` first. */
  readonly roots: readonly Root[];
  /** When each root, by its bytes as base64, was told first. */
  readonly toldMs: ReadonlyMap<string, number>;
  /** Roots that are not given any more. */
  readonly leaving: readonly { readonly root: Root; readonly untilMs: number }[];
  /** Waits until proxies know its root. */
  readonly next?: GivenAuthority;
}

export interface SuccessionLimits {
  /** A root is told for so long at least before it signs: other replicas and their proxies hear of it. */
  readonly holdMs: number;
  /** For so long at most proxies that have not confirmed are waited for. */
  readonly patienceMs: number;
  /** A root that signed and is given no more stays trusted so long after another one signs. */
  readonly leavingMs: number;
}

/** Where nothing signed yet there is nothing to wait for. */
export function beginSuccession({ authority, roots }: Given): Succession {
  const ordered = inOrder(roots, authority);
  const toldMs = new Map(ordered.map((root) => [name(root), Number.NEGATIVE_INFINITY]));
  return { signing: authority, roots: ordered, toldMs, leaving: [] };
}

/** `confirmed`: every proxy said that it trusts `before.roots`. */
export function succeed(
  before: Succession,
  given: Given,
  at: { readonly nowMs: number; readonly confirmed: boolean },
  limits: SuccessionLimits,
): Succession {
  const { nowMs } = at;
  const { authority } = given;
  const same = authority.root === before.signing.root;
  const goes = same || mayTakeOver(before, given, at, limits);
  const signing = goes ? authority : before.signing;
  const isGiven = new Set(given.roots.map(name));
  // The one that signed until now, where it is given no more: trusted while it signs, and while what it signed is replaced.
  const dropped = before.roots.filter((root) => root.keyId === before.signing.root && !isGiven.has(name(root)));
  const leaving = [
    ...before.leaving.filter(({ root, untilMs }) => untilMs > nowMs && !isGiven.has(name(root))),
    ...(same || !goes ? [] : dropped.map((root) => ({ root, untilMs: nowMs + limits.leavingMs }))),
  ];
  const kept = [...given.roots, ...(goes ? [] : dropped), ...leaving.map(({ root }) => root)];
  const unique = [...new Map(kept.map((root) => [name(root), root])).values()];
  const roots = inOrder(
    unique.filter((root) => root.notAfterMs > nowMs),
    signing,
  );
  return {
    ...{ signing, roots, leaving },
    toldMs: new Map(roots.map((root) => [name(root), before.toldMs.get(name(root)) ?? nowMs])),
    ...(goes ? {} : { next: authority }),
  };
}

function inOrder(roots: readonly Root[], { root: first }: GivenAuthority): readonly Root[] {
  return [...roots.filter(({ keyId }) => keyId === first), ...roots.filter(({ keyId }) => keyId !== first)];
}

function mayTakeOver(
  before: Succession,
  { authority, roots }: Given,
  { nowMs, confirmed }: { readonly nowMs: number; readonly confirmed: boolean },
  { holdMs, patienceMs }: SuccessionLimits,
): boolean {
  const told = roots.filter(({ keyId }) => keyId === authority.root).map((root) => before.toldMs.get(name(root)));
  const sinceMs = Math.min(...told.map((ms) => ms ?? Number.POSITIVE_INFINITY));
  // Never told: not even an end that is near lets it sign in this round.
  if (sinceMs === Number.POSITIVE_INFINITY) return false;
  if (nowMs >= before.signing.notAfterMs - holdMs) return true;
  return nowMs >= sinceMs + (confirmed ? holdMs : patienceMs);
}

function name({ certificate }: Root): string {
  return certificateText(certificate);
}
