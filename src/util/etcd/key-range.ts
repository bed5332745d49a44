// All keys under a prefix, read in pages at one revision, so that the pages together are one moment of etcd.
// It must not know what keys and values mean. Invariant: a list is whole or it is an error.
import type { Etcd3 } from 'etcd3';

export interface KeyRange {
  readonly start: Buffer;
  /** First key that is not in it. */
  readonly end: Buffer;
}

/** The raw form of a key and value, as etcd sends it. */
export interface RawKeyValue {
  readonly key: Buffer;
  readonly value: Buffer;
  readonly create_revision: string;
  readonly mod_revision: string;
  readonly lease: string;
}

export interface RangeContent {
  readonly revision: string;
  /** In order of their keys. */
  readonly entries: readonly RawKeyValue[];
}

/** The keys that start with `prefix`. (An `end` of one zero byte means: to the last key; etcd API, RangeRequest.) */
export function prefixRange(prefix: string): KeyRange {
  const start = Buffer.from(prefix);
  const end = Buffer.from(prefix);
  for (let at = end.length - 1; at >= 0; at--) {
    const byte = end[at] ?? 0;
    if (byte === 0xff) continue;
    end[at] = byte + 1;
    return { start, end: end.subarray(0, at + 1) };
  }
  return { start: start.length === 0 ? Buffer.of(0) : start, end: Buffer.of(0) };
}

/** Linearizable. Rejects when a page fails, also when the revision was compacted between two pages. */
export async function readRange(client: Pick<Etcd3, 'kv'>, range: KeyRange, pageKeys = 1000): Promise<RangeContent> {
  const entries: RawKeyValue[] = [];
  let key = range.start;
  let revision: string | undefined;
  for (;;) {
    const page = await client.kv.range({
      key,
      range_end: range.end,
      limit: pageKeys,
      ...(revision === undefined ? {} : { revision }),
    });
    revision ??= page.header.revision;
    entries.push(...page.kvs);
    const last = page.kvs.at(-1);
    if (!page.more || last === undefined) return { revision, entries };
    key = Buffer.concat([last.key, Buffer.of(0)]);
  }
}
