// Everything a view has of one type, put in order and hashed once for all streams of the view.
// It must not know streams. Invariant: a set belongs to one view, which never changes, and is gone with it.
import type { Resource, View } from '../resources/resource.ts';
import type { TypeUrl } from '../resources/type-urls.ts';
import { contentHash } from '../util/hash.ts';

export interface FullSet {
  /** Sorted by name. */
  readonly resources: readonly Resource[];
  readonly byName: ReadonlyMap<string, Resource>;
  readonly names: readonly string[];
  /** version_info of the set: equal on every replica for equal sets (R7). */
  readonly version: string;
}

/** A function that gives the set of a view's type, made when first asked for. */
export function createFullSets(): (view: View, type: TypeUrl) => FullSet {
  const views = new WeakMap<View, Map<TypeUrl, FullSet>>();
  return (view, type) => {
    let types = views.get(view);
    if (types === undefined) {
      types = new Map();
      views.set(view, types);
    }
    let set = types.get(type);
    if (set === undefined) {
      set = makeFullSet([...view.names(type)].sort().flatMap((name) => view.get(type, name) ?? []));
      types.set(type, set);
    }
    return set;
  };
}

/** `resources` sorted by name. */
function makeFullSet(resources: readonly Resource[]): FullSet {
  const names = resources.map(({ name }) => name);
  const byName = new Map(resources.map((resource) => [resource.name, resource]));
  return { resources, byName, names, version: setVersion(resources) };
}

/** version_info of a set whose resources are sorted by name. */
export function setVersion(resources: readonly Resource[]): string {
  return contentHash(resources.map(({ name, version }) => `${name}\n${version}\n`).join(''));
}
