// A Store in memory for tests of what lies in one. Every call takes a turn of the event loop, so that callers interleave.
import type { Store, StoreEntry } from '../../../src/model/store.ts';

export interface MemoryStore extends Store {
  /** What lies there now; tests change it as somebody with access to the real store would. */
  readonly values: Map<string, Uint8Array>;
  /** Every value that was ever put, refused ones too. */
  readonly offered: Uint8Array[];
}

export function createMemoryStore(): MemoryStore {
  const values = new Map<string, Uint8Array>();
  const offered: Uint8Array[] = [];
  const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
  const revisionOf = (value: Uint8Array): string => Buffer.from(value).toString('base64');
  const entryOf = (value: Uint8Array | undefined): StoreEntry | undefined =>
    value && { value, revision: revisionOf(value) };
  return {
    kind: 'memory',
    values,
    offered,
    async get(key) {
      await turn();
      return entryOf(values.get(key));
    },
    async list(prefix) {
      await turn();
      const found = [...values].filter(([key]) => key.startsWith(prefix)).sort(([a], [b]) => (a < b ? -1 : 1));
      return new Map(found.map(([key, value]) => [key, { value, revision: revisionOf(value) }]));
    },
    async put(key, value, expect) {
      await turn();
      offered.push(value);
      const there = entryOf(values.get(key))?.revision;
      if (there !== (expect === 'absent' ? undefined : expect.revision)) return undefined;
      values.set(key, value);
      return revisionOf(value);
    },
    async delete(key, expect) {
      await turn();
      if (entryOf(values.get(key))?.revision !== expect.revision) return false;
      return values.delete(key);
    },
  };
}
