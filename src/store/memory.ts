// A store that ends with the process: for tests and the demo.
// Invariant: nobody outside holds the bytes that are kept.
import type { StoreEntry } from '../model/store.ts';
import { errorText } from '../util/errors.ts';
import type { Driver } from './driver.ts';

export function createMemoryDriver(): Driver {
  const entries = new Map<string, StoreEntry>();
  let writes = 0;
  const copy = ({ value, revision }: StoreEntry): StoreEntry => ({ value: value.slice(), revision });

  return {
    async get(key) {
      const entry = entries.get(key);
      return entry === undefined ? undefined : copy(entry);
    },
    async list(prefix) {
      const below = [...entries].filter(([key]) => key.startsWith(prefix));
      return new Map(below.map(([key, entry]) => [key, copy(entry)]));
    },
    async put(key, value, expect) {
      if (entries.get(key)?.revision !== expect) return undefined;
      const revision = String(++writes);
      entries.set(key, { value: value.slice(), revision });
      return revision;
    },
    async delete(key, revision) {
      return entries.get(key)?.revision === revision && entries.delete(key);
    },
    fault: (error) => ({ code: 'CH1821', reason: errorText(error) }),
    close() {},
  };
}
