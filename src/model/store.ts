// What a store is: small values under keys, changed by compare-and-set, so that replicas agree without talking.
// What lies in it is the program's own (authority, tokens, revocations), never what users write: that is `sources`.
// Invariant: a `put` or `delete` happens only if the key still has the revision that was read; of many racing ones on one
// revision exactly one succeeds.

export interface StoreEntry {
  readonly value: Uint8Array;
  /** Opaque; equal only if nobody wrote in between. */
  readonly revision: string;
}

export interface Store {
  /** `memory`, `files`, `etcd` or `consul`. */
  readonly kind: string;
  /** Linearizable. Like the others it throws an AppError (CH1821 to CH1826) if the store cannot be asked; never "absent" then. */
  get(key: string): Promise<StoreEntry | undefined>;
  /** Every key under the prefix, whole and sorted. The prefix is empty or ends with a `/` (added where it is missing). */
  list(prefix: string): Promise<ReadonlyMap<string, StoreEntry>>;
  /**
   * The new revision; undefined if the key has another revision by now (`absent`: if it exists). At most 128 KiB.
   * Where it throws CH1821, whether it was done is not known: read again before the next try.
   */
  put(key: string, value: Uint8Array, expect: { readonly revision: string } | 'absent'): Promise<string | undefined>;
  /** True if this call removed it: of many calls with one revision exactly one is told so. */
  delete(key: string, expect: { readonly revision: string }): Promise<boolean>;
}

/** Keys: lower-case segments of at most 200 bytes joined by `/`, at most 512 bytes; `ca/roots/1`, `tokens/join/<hash>`. */
export const storeKey = /^[a-z0-9][a-z0-9._-]*(?:\/[a-z0-9][a-z0-9._-]*)*$/;
