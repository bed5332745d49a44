// The keys under a prefix with their values as text.
// It must not know what the values mean. Invariant: a list is whole or it is an error.
import type { Etcd3 } from 'etcd3';
import { prefixRange, type RawKeyValue, readRange } from '../../util/etcd/key-range.ts';

export interface KeyValue {
  /** Below the prefix. */
  readonly key: string;
  readonly value: string;
  readonly created: bigint;
  readonly modified: bigint;
  readonly leased: boolean;
}

export interface KeyList {
  readonly revision: bigint;
  readonly values: ReadonlyMap<string, KeyValue>;
}

export function keyValue(raw: RawKeyValue, prefix: string): KeyValue {
  return {
    key: raw.key.toString('utf8').slice(prefix.length),
    value: raw.value.toString('utf8'),
    created: BigInt(raw.create_revision),
    modified: BigInt(raw.mod_revision),
    leased: raw.lease !== '0',
  };
}

/** Linearizable. Rejects when a page fails, also when the revision was compacted between two pages. */
export async function listKeys(client: Pick<Etcd3, 'kv'>, prefix: string, pageKeys = 1000): Promise<KeyList> {
  const { revision, entries } = await readRange(client, prefixRange(prefix), pageKeys);
  const values = new Map(entries.map((raw) => keyValue(raw, prefix)).map((value) => [value.key, value]));
  return { revision: BigInt(revision), values };
}
