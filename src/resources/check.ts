// Whether everything that is named exists: what Envoy would wait for in vain, or refuse, is found before it is sent.
// It must not know what made the resources. Invariant: pure.
import type { Resource, ResourceRef } from './resource.ts';
import { shortNames } from './type-urls.ts';

export interface MissingRef {
  readonly from: Resource;
  readonly to: ResourceRef;
}

/** The references of `resources` for which `has` says no. */
export function missingRefs(resources: Iterable<Resource>, has: (ref: ResourceRef) => boolean): readonly MissingRef[] {
  const missing: MissingRef[] = [];
  for (const from of resources) for (const to of from.deps) if (!has(to)) missing.push({ from, to });
  return missing;
}

export function missingText({ from, to }: MissingRef): string {
  return `${shortNames[from.type]} "${from.name}" names ${shortNames[to.type]} "${to.name}", which does not exist`;
}

/** Wildcard addresses take a port on every address. */
const everywhere = new Set(['0.0.0.0', '::']);

/** The items whose address and port one before them already has; the earlier one is given too. */
export function portClashes<T extends { readonly address: string; readonly port: number }>(
  items: readonly T[],
): ReadonlyMap<T, T> {
  const clashes = new Map<T, T>();
  const kept: T[] = [];
  for (const item of items) {
    const first = kept.find(
      (other) =>
        other.port === item.port &&
        (other.address === item.address || everywhere.has(other.address) || everywhere.has(item.address)),
    );
    if (first === undefined) kept.push(item);
    else clashes.set(item, first);
  }
  return clashes;
}
