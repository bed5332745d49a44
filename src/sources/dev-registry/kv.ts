// The key-value part with Consul's index rules: a prefix has the highest index below it, deletions count (tombstones),
// and what does not exist answers with the index of the whole store. It must not know HTTP.
import type { Catalog } from './catalog.ts';

export interface KvEntry {
  readonly key: string;
  readonly value: Buffer;
  readonly created: number;
  readonly modified: number;
}

export interface Kv {
  get(key: string): KvEntry | undefined;
  /** Sorted by key. */
  list(prefix: string): readonly KvEntry[];
  /** Stores; false when `cas` names another ModifyIndex (0: must not exist). */
  put(key: string, value: Buffer, cas?: number): boolean;
  remove(key: string, options: { readonly recurse: boolean; readonly cas?: number }): boolean;
  /** Index of one key, or of all below a prefix. */
  indexOf(key: string, recurse: boolean): number;
  onChange(listener: () => void): () => void;
}

export function createKv(catalog: Catalog): Kv {
  const entries = new Map<string, KvEntry>();
  const tombstones = new Map<string, number>();
  const listeners = new Set<() => void>();
  let storeIndex = catalog.index();

  function changed(): void {
    for (const listener of [...listeners]) listener();
  }
  const fits = (key: string, cas: number | undefined): boolean =>
    cas === undefined || cas === (entries.get(key)?.modified ?? 0);
  const below = (prefix: string): KvEntry[] =>
    [...entries.values()].filter(({ key }) => key.startsWith(prefix)).sort((a, b) => (a.key < b.key ? -1 : 1));

  return {
    get: (key) => entries.get(key),
    list: below,
    put(key, value, cas) {
      if (!fits(key, cas)) return false;
      const old = entries.get(key);
      if (old?.value.equals(value)) return true;
      storeIndex = catalog.nextIndex();
      entries.set(key, { key, value, created: old?.created ?? storeIndex, modified: storeIndex });
      tombstones.delete(key);
      changed();
      return true;
    },
    remove(key, { recurse, cas }) {
      if (!recurse && !fits(key, cas)) return false;
      const gone = recurse ? below(key).map((entry) => entry.key) : entries.has(key) ? [key] : [];
      if (gone.length === 0) return true;
      storeIndex = catalog.nextIndex();
      for (const one of gone) {
        entries.delete(one);
        tombstones.set(one, storeIndex);
      }
      changed();
      return true;
    },
    indexOf(key, recurse) {
      const found = recurse ? below(key) : [entries.get(key)].filter((entry) => entry !== undefined);
      if (found.length === 0) return storeIndex;
      const dead = [...tombstones].filter(([one]) => one.startsWith(key)).map(([, index]) => index);
      return Math.max(...found.map(({ modified }) => modified), ...(recurse ? dead : []));
    },
    onChange(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}
