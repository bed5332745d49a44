// Reading members of JSON that may be of any shape. Consul writes null for what is empty, so null counts as absent.
// Pure; it knows nothing of Consul's members. Invariant: nothing here throws except ShapeError.

/** An entry that is not what it should be; the message names the member. */
export class ShapeError extends Error {}

export type Json = Readonly<Record<string, unknown>>;

function describe(value: unknown): string {
  return Array.isArray(value) ? 'a list' : value === null ? 'null' : `a ${typeof value}`;
}

export function isRecord(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function record(parent: Json, name: string): Json {
  const value = parent[name];
  if (!isRecord(value)) throw new ShapeError(`${name} is ${describe(value)}, not an object`);
  return value;
}

/** Absent and null: an empty object. */
export function optionalRecord(parent: Json, name: string): Json {
  return parent[name] === undefined || parent[name] === null ? {} : record(parent, name);
}

/** Absent and null: an empty list. */
export function optionalList(parent: Json, name: string): readonly unknown[] {
  const value = parent[name];
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value)) throw new ShapeError(`${name} is ${describe(value)}, not a list`);
  return value;
}

/** Absent and null: the empty string. */
export function optionalText(parent: Json, name: string): string {
  const value = parent[name];
  if (value === undefined || value === null) return '';
  if (typeof value !== 'string') throw new ShapeError(`${name} is ${describe(value)}, not a string`);
  return value;
}

export function requiredText(parent: Json, name: string): string {
  const value = optionalText(parent, name);
  if (value === '') throw new ShapeError(`${name} is missing`);
  return value;
}

/** Absent and null: `absent`. */
export function optionalNumber(parent: Json, name: string, absent: number): number {
  const value = parent[name];
  if (value === undefined || value === null) return absent;
  if (typeof value !== 'number') throw new ShapeError(`${name} is ${describe(value)}, not a number`);
  return value;
}

/** The string members of an object; others are left out. */
export function texts(value: Json): Readonly<Record<string, string>> {
  const found: Record<string, string> = {};
  for (const [key, member] of Object.entries(value)) if (typeof member === 'string') found[key] = member;
  return found;
}
