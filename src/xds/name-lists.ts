// Lists of names as clients repeat them: a SotW client sends its whole subscription with every ACK, and a fleet sends the
// same ones. Equal bytes give the same array, so that an unchanged list is told by identity, and is in memory once.
// It must not know what the names are for. Invariant: a list is never changed; bytes of a request are not kept, copies are.

export interface NameList {
  /** The encoded fields, tags included, as they stood in the request. */
  readonly raw: Buffer;
  /** Each name once. */
  readonly names: readonly string[];
}

export interface NameLists {
  /** The list of these bytes: one known already where there is one. */
  intern(raw: Buffer, names: readonly string[]): NameList;
}

const maxLists = 256;
/** Longer lists are rare and would make the table large. */
const maxRawBytes = 256 * 1024;

/** Lists known of late; one that is no longer known lives on with those who hold it. */
export function createNameLists(): NameLists {
  const known = new Map<string, NameList>();
  return {
    intern(raw, names) {
      if (raw.length > maxRawBytes) return { raw: Buffer.from(raw), names };
      const key = raw.toString('latin1');
      const found = known.get(key);
      if (found !== undefined) {
        known.delete(key);
        known.set(key, found);
        return found;
      }
      const list = { raw: Buffer.from(raw), names };
      known.set(key, list);
      const [oldest] = known.keys();
      if (known.size > maxLists && oldest !== undefined) known.delete(oldest);
      return list;
    },
  };
}
