// Small JSON records in the store. It must not know what they say.
// Invariant: what cannot be read is undefined, never half a record; a text from a record is never longer than asked.

export type StoredRecord = Readonly<Record<string, unknown>>;

export function encodeRecord(record: StoredRecord): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(record));
}

/** The members of a JSON object, without a prototype; undefined for anything else. */
export function decodeRecord(bytes: Uint8Array): StoredRecord | undefined {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    return undefined;
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
  return Object.assign(Object.create(null) as Record<string, unknown>, value);
}

/** A list of at most `most` texts; undefined for anything else. */
export function textList(value: unknown, most: number): readonly string[] | undefined {
  if (!Array.isArray(value) || value.length > most) return undefined;
  const texts = value.filter((item): item is string => typeof item === 'string');
  return texts.length === value.length ? texts : undefined;
}

/** A moment in milliseconds since the Unix epoch that a Date can hold. */
export function moment(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 && value <= 8.64e15 ? value : undefined;
}
