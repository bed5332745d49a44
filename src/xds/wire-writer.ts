// Writes protobuf fields, as much of the wire format as the answers of the xDS port need.
// It must not know any message. Invariant: but for `field`, what is zero or empty is left out, as proto3 has it.
import { putVarint, varintSize } from '../resources/wire.ts';

/** Tag and length of a length-delimited field whose body of `size` bytes follows. */
export function fieldHead(number: number, size: number): Buffer {
  const tag = number * 8 + 2;
  const target = Buffer.allocUnsafe(varintSize(tag) + varintSize(size));
  putVarint(target, putVarint(target, 0, tag), size);
  return target;
}

/** An encoded length-delimited field: a text, bytes, or a message given as its fields. Empty ones are written. */
export function field(number: number, body: string | Uint8Array | readonly Uint8Array[]): Buffer {
  if (typeof body === 'string') return textField(number, body);
  const content = body instanceof Uint8Array ? body : Buffer.concat(body);
  return Buffer.concat([fieldHead(number, content.length), content]);
}

/** In one piece: each response has dozens. */
function textField(number: number, body: string): Buffer {
  const tag = number * 8 + 2;
  const size = Buffer.byteLength(body);
  const target = Buffer.allocUnsafe(varintSize(tag) + varintSize(size) + size);
  target.write(body, putVarint(target, putVarint(target, 0, tag), size));
  return target;
}

/** A text field, nothing where the text is empty. */
export function text(number: number, value: string): Buffer {
  return value === '' ? Buffer.alloc(0) : field(number, value);
}

/** A whole number or an enum (0 to 2^53), nothing where it is 0. */
export function number(numberOfField: number, value: number): Buffer {
  if (value === 0) return Buffer.alloc(0);
  const tag = numberOfField * 8;
  const target = Buffer.allocUnsafe(varintSize(tag) + varintSize(value));
  putVarint(target, putVarint(target, 0, tag), value);
  return target;
}

/** A google.protobuf.Value of plain JSON; what JSON does not know becomes null. */
function jsonValue(value: unknown): Buffer {
  if (typeof value === 'number') {
    const target = Buffer.allocUnsafe(9);
    target[0] = 2 * 8 + 1;
    target.writeDoubleLE(value, 1);
    return target;
  }
  if (typeof value === 'string') return field(3, value);
  if (typeof value === 'boolean') return Buffer.from([4 * 8, value ? 1 : 0]);
  if (Array.isArray(value))
    return field(
      6,
      value.map((item) => field(1, jsonValue(item))),
    );
  if (value !== null && typeof value === 'object')
    return field(5, jsonStruct(value as Readonly<Record<string, unknown>>));
  return Buffer.from([8, 0]);
}

/** The body of a google.protobuf.Struct. */
export function jsonStruct(object: Readonly<Record<string, unknown>>): Buffer {
  return Buffer.concat(
    Object.entries(object).map(([key, value]) => field(1, [field(1, key), field(2, jsonValue(value))])),
  );
}
