// Lists of names as clients send them: a SotW client repeats its whole subscription with every ACK, and a fleet asks for the
// same ones. Equal bytes give the same list, so that an unchanged one is told by identity, is read once, and is in memory once.
// It must not know what the names are for. Invariant: a list is never changed; bytes of a request are not kept, copies are.
import { varintSize } from '../resources/wire.ts';
import { canonicalName } from './resource-names.ts';
import { eachField, WireError, type WireField } from './wire.ts';

export interface NameList {
  /** The encoded fields, tags included, as they stood in the request. */
  readonly raw: Buffer;
  /** Each name once. */
  readonly names: readonly string[];
  /** The names, as a set that everybody shares. */
  set(): ReadonlySet<string>;
}

export interface NameLists {
  /** The list of these bytes: one known already where there is one, else a new one of what `read` gives. */
  intern(raw: Buffer, read: () => readonly string[]): NameList;
}

export interface NameMemory {
  readonly lists: NameLists;
  /** What this client sent last, of each type. */
  readonly last: Iterable<NameList>;
}

/** What all lists that are known take together. Clients choose them, and each thread knows its own. */
const maxKnownBytes = 32 * 1024 * 1024;
/** A list that takes more is rare, and would push out all others. */
const maxListBytes = maxKnownBytes / 8;
/** What a name takes as a text, in the list and in the set, beside its bytes. */
const bytesPerName = 100;
/** Names one list may carry. */
export const maxNames = 200_000;
/** Bytes of one name; it is kept while it is subscribed. */
export const maxNameBytes = 4096;

/** About what a known list takes: its bytes twice, as they are and as the key, and once more as names. */
function sizeOf({ raw, names }: NameList): number {
  return 3 * raw.length + bytesPerName * names.length;
}

/** Lists known of late; one that is no longer known lives on with those who hold it. */
export function createNameLists(): NameLists {
  const known = new Map<string, NameList>();
  let knownBytes = 0;

  function forget(key: string, list: NameList): void {
    known.delete(key);
    knownBytes -= sizeOf(list);
  }

  return {
    intern(raw, read) {
      if (3 * raw.length > maxListBytes) return createList(raw, read());
      const key = raw.toString('latin1');
      const found = known.get(key);
      if (found !== undefined) {
        known.delete(key);
        known.set(key, found);
        return found;
      }
      const list = createList(raw, read());
      const size = sizeOf(list);
      if (size > maxListBytes) return list;
      known.set(key, list);
      knownBytes += size;
      for (const [oldest, one] of known) {
        if (knownBytes <= maxKnownBytes) break;
        forget(oldest, one);
      }
      return list;
    },
  };
}

function createList(raw: Buffer, names: readonly string[]): NameList {
  let set: ReadonlySet<string> | undefined;
  return {
    raw: Buffer.from(raw),
    names,
    set() {
      set ??= new Set(names);
      return set;
    },
  };
}

export interface ReadNames {
  readonly names: readonly string[];
  /** Undefined where there are none, or where they were not in one piece. */
  readonly list: NameList | undefined;
}

/** Finds the names of one repeated field while its message is read; they are decoded only where nobody knows the list. */
export interface NameReader {
  /** Takes one field of the list; skips those after it where the client repeats itself. Throws WireError. */
  take(field: WireField): void;
  read(): ReadNames;
}

export function createNameReader(bytes: Buffer, memory?: NameMemory): NameReader {
  /** Where the names stand; neighbours are one piece. */
  const pieces: { readonly from: number; to: number }[] = [];
  let repeated: NameList | undefined;
  let count = 0;
  return {
    take(field) {
      const { start, end } = field;
      if (end - start > maxNameBytes) throw new WireError(`a name is longer than ${maxNameBytes} bytes`);
      if (++count > maxNames) throw new WireError(`more than ${maxNames} names in one message`);
      // A tag below 16 takes one byte; a length that is written longer than need be only keeps pieces apart.
      const from = start - 1 - varintSize(end - start);
      const before = pieces.at(-1);
      if (before?.to === from) before.to = end;
      else {
        const list = pieces.length === 0 ? lastAt(bytes, from, memory?.last ?? []) : undefined;
        if (list !== undefined) field.next = from + list.raw.length;
        pieces.push({ from, to: list === undefined ? end : field.next });
        repeated = list;
      }
    },
    read() {
      const [only] = pieces;
      if (only === undefined) return { names: [], list: undefined };
      const parse = (): readonly string[] => namesIn(bytes, pieces);
      if (pieces.length > 1 || memory === undefined) return { names: parse(), list: undefined };
      const raw = bytes.subarray(only.from, only.to);
      const list = repeated?.raw.length === raw.length ? repeated : memory.lists.intern(raw, parse);
      return { names: list.names, list };
    },
  };
}

/** The list whose bytes stand at `from`. More names may follow. */
function lastAt(bytes: Buffer, from: number, last: Iterable<NameList>): NameList | undefined {
  for (const list of last) {
    const to = from + list.raw.length;
    if (to <= bytes.length && bytes.compare(list.raw, 0, list.raw.length, from, to) === 0) return list;
  }
  return undefined;
}

function namesIn(bytes: Buffer, pieces: Iterable<{ readonly from: number; readonly to: number }>): readonly string[] {
  const names = new Set<string>();
  for (const { from, to } of pieces)
    eachField(bytes, [from, to], ({ start, end }) => void names.add(canonicalName(bytes.toString('utf8', start, end))));
  return [...names];
}
