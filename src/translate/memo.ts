// Last-value memos: a stage runs again only when one of its inputs is another object than the last time.
// Invariant: a memo never changes what a stage returns, only whether it runs; every run is counted under the stage's name.

export type Ran = Map<string, number>;

export function countRun(ran: Ran, stage: string): void {
  ran.set(stage, (ran.get(stage) ?? 0) + 1);
}

export function sameItems(a: readonly unknown[], b: readonly unknown[]): boolean {
  return a.length === b.length && a.every((item, index) => item === b[index]);
}

export interface KeyedMemo<T> {
  /** The last result of `key` if `inputs` are identical to those it was made from, else a new one. */
  get(key: string, inputs: readonly unknown[], make: () => T): T;
  /** Forgets the keys that were not asked for since the last sweep. */
  sweep(): void;
}

/** Keeps one result per key. */
export function createKeyedMemo<T>(ran: Ran, stage: string): KeyedMemo<T> {
  const entries = new Map<string, { inputs: readonly unknown[]; value: T; used: boolean }>();
  return {
    get(key, inputs, make) {
      const last = entries.get(key);
      if (last !== undefined && sameItems(last.inputs, inputs)) {
        last.used = true;
        return last.value;
      }
      countRun(ran, stage);
      const value = make();
      entries.set(key, { inputs, value, used: true });
      return value;
    },
    sweep() {
      for (const [key, entry] of entries) {
        if (entry.used) entry.used = false;
        else entries.delete(key);
      }
    },
  };
}
