// What stands behind a store: one way of keeping bytes, without checks, deadlines and words for people (guard.ts has those).
// Invariant: of many racing `put`s and `delete`s on one revision exactly one succeeds, also when they write equal values.
import type { StoreEntry } from '../model/store.ts';

/** What is wrong, in words that hold no credential. */
export interface Fault {
  readonly code: 'CH1821' | 'CH1822' | 'CH1825' | 'CH1826';
  readonly reason: string;
  readonly hint?: string;
  /** Of CH1821: to ask again is of no use before somebody did something here. */
  readonly lasting?: true;
  readonly cause?: unknown;
}

/** Keys and prefixes come checked; a prefix is empty or ends in `/`. A revision may be any text, also one never given out. */
export interface Driver {
  get(key: string): Promise<StoreEntry | undefined>;
  /** In any order. */
  list(prefix: string): Promise<ReadonlyMap<string, StoreEntry>>;
  /** `expect` undefined: absent. */
  put(key: string, value: Uint8Array, expect: string | undefined): Promise<string | undefined>;
  delete(key: string, revision: string): Promise<boolean>;
  /** Of an error that a method threw. */
  fault(error: unknown): Fault;
  close(): void;
}

/** Thrown by drivers where the reason is theirs. */
export class DriverError extends Error {
  readonly fault: Fault;

  constructor(fault: Fault) {
    super(fault.reason, { cause: fault.cause });
    this.fault = fault;
  }
}
