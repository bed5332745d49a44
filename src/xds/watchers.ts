// Which streams watch which name: a bit per stream and name, so that a change costs its watchers, not the fleet.
// It must not know types or resources. Invariant: a watcher that left is never told, and its slot is clean before another
// stream gets it.

export interface Watcher {
  watch(names: Iterable<string>): void;
  unwatch(names: Iterable<string>): void;
  /** Every name, beside those watched one by one. */
  watchAll(yes: boolean): void;
  /** `watched`: the names still watched; they are not kept here a second time. */
  leave(watched: Iterable<string>): void;
}

export interface Watchers<Change> {
  /** `tell` gets each change of which at least one name is watched; it may say nothing to some of the others. */
  join(tell: (change: Change) => void): Watcher;
  /** Tells each watcher of at least one of the names, once. */
  changed(names: readonly string[], change: Change): void;
}

const bitsPerWord = 32;

interface Bits {
  /** Slots of the first word and those after it: a name that one late stream watches takes one word, not one a stream. */
  words: Uint32Array;
  /** Index of the first word among those of all slots; no matter while nothing is set. */
  first: number;
  count: number;
}

const createBits = (): Bits => ({ words: new Uint32Array(1), first: 0, count: 0 });

/** Makes room for the word of this index. */
function reach(bits: Bits, index: number): void {
  const { words, first, count } = bits;
  if (count === 0) bits.first = index - (index % words.length);
  if (index >= bits.first && index < bits.first + words.length) return;
  // Twice as many at least, to either side.
  const from = index < first ? Math.max(0, Math.min(index, first - words.length)) : first;
  const end = index < first ? first + words.length : Math.max(index + 1, first + words.length * 2);
  const wider = new Uint32Array(end - from);
  wider.set(words, first - from);
  bits.words = wider;
  bits.first = from;
}

function set({ bits, slot, on }: { readonly bits: Bits; readonly slot: number; readonly on: boolean }): void {
  const word = Math.floor(slot / bitsPerWord);
  if (on) reach(bits, word);
  const index = word - bits.first;
  if (index < 0 || index >= bits.words.length) return;
  const before = bits.words[index] ?? 0;
  const mask = 1 << (slot % bitsPerWord);
  const after = on ? before | mask : before & ~mask;
  if (after >>> 0 === before) return;
  bits.words[index] = after;
  bits.count += on ? 1 : -1;
}

export function createWatchers<Change>(): Watchers<Change> {
  const byName = new Map<string, Bits>();
  const everything = createBits();
  const tells: (((change: Change) => void) | undefined)[] = [];
  const freeSlots: number[] = [];

  /** The watchers of the names, as one set of bits. */
  function union(names: readonly string[]): Uint32Array {
    const words = new Uint32Array(Math.ceil(tells.length / bitsPerWord));
    const add = (bits: Bits): void => {
      for (let index = 0; index < bits.words.length && bits.first + index < words.length; index++)
        words[bits.first + index] = (words[bits.first + index] ?? 0) | (bits.words[index] ?? 0);
    };
    if (everything.count > 0) add(everything);
    for (const name of names) {
      const bits = byName.get(name);
      if (bits !== undefined) add(bits);
    }
    return words;
  }

  return {
    join(tell) {
      const slot = freeSlots.pop() ?? tells.length;
      tells[slot] = tell;
      const unwatch = (names: Iterable<string>): void => {
        for (const name of names) {
          const bits = byName.get(name);
          if (bits === undefined) continue;
          set({ bits, slot, on: false });
          if (bits.count === 0) byName.delete(name);
        }
      };
      return {
        watch(names) {
          for (const name of names) {
            let bits = byName.get(name);
            if (bits === undefined) {
              bits = createBits();
              byName.set(name, bits);
            }
            set({ bits, slot, on: true });
          }
        },
        unwatch,
        watchAll: (yes) => set({ bits: everything, slot, on: yes }),
        leave(watched) {
          if (tells[slot] !== tell) return;
          unwatch(watched);
          set({ bits: everything, slot, on: false });
          tells[slot] = undefined;
          freeSlots.push(slot);
        },
      };
    },
    changed(names, change) {
      const words = union(names);
      for (let index = 0; index < words.length; index++) {
        let word = words[index] ?? 0;
        while (word !== 0) {
          const bit = Math.clz32(word & -word) ^ 31;
          word &= word - 1;
          tells[index * bitsPerWord + bit]?.(change);
        }
      }
    },
  };
}
