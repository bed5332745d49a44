// Numbers for resources that a worker was told of: views share most of what they hold, so each is told once and then named.
// It must not know views. Invariant: a number means one content for ever, and is in use as long as somebody took it and has
// not released it. Resources are the same if type, name and version are: versions are hashes of the bytes.
import type { Resource } from '../../resources/resource.ts';

export interface Interned {
  /** `fresh`: nobody had it. */
  take(resource: Resource): { readonly id: number; readonly fresh: boolean };
  /** The number, when nobody has it any more. */
  release(resource: Resource): number | undefined;
}

export function createInterned(): Interned {
  const entries = new Map<string, { readonly id: number; users: number }>();
  let next = 1;
  const keyOf = ({ type, name, version }: Resource): string => `${version} ${type} ${name}`;
  return {
    take(resource) {
      const key = keyOf(resource);
      const known = entries.get(key);
      if (known !== undefined) {
        known.users++;
        return { id: known.id, fresh: false };
      }
      const id = next++;
      entries.set(key, { id, users: 1 });
      return { id, fresh: true };
    },
    release(resource) {
      const key = keyOf(resource);
      const known = entries.get(key);
      if (known === undefined || --known.users > 0) return undefined;
      entries.delete(key);
      return known.id;
    },
  };
}
