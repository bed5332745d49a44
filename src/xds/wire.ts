// Reads the protobuf wire format, as much of it as discovery messages need: varints, length-delimited fields, skipping.
// It must not know any message. Invariant: reading never leaves the buffer; bad bytes throw WireError, nothing else.

/** The bytes are not a protobuf message. */
export class WireError extends Error {
  override readonly name = 'WireError';
}

export interface WireField {
  readonly number: number;
  /** 0 varint, 1 eight bytes, 2 length-delimited, 5 four bytes. */
  readonly wireType: number;
  /** Varints (up to 53 bits) and fixed numbers; 0 for length-delimited fields. */
  readonly value: number;
  /** Start and end of a length-delimited (or fixed) body. */
  readonly start: number;
  readonly end: number;
  /** Where reading goes on; a visitor that knows the fields after this one may set it to the end of a later one. */
  next: number;
}

/** Calls `visit` for every field in [start, end). Groups are refused. */
export function eachField(
  bytes: Buffer,
  [start, end]: readonly [number, number],
  visit: (field: WireField) => void,
): void {
  let at = start;
  const varint = (): number => {
    let result = 0;
    let scale = 1;
    for (let count = 0; count < 10; count++) {
      const byte = at < end ? bytes[at++] : undefined;
      if (byte === undefined) throw new WireError('a number is cut off');
      result += (byte & 0x7f) * scale;
      if (byte < 0x80) return result;
      scale *= 128;
    }
    throw new WireError('a number is too long');
  };
  while (at < end) {
    const tag = varint();
    const number = Math.floor(tag / 8);
    const wireType = tag % 8;
    if (number === 0 || number > 536_870_911) throw new WireError('field number out of range');
    if (wireType === 0) {
      const value = varint();
      visit({ number, wireType, value, start: at, end: at, next: at });
      continue;
    }
    const size = wireType === 2 ? varint() : wireType === 1 ? 8 : wireType === 5 ? 4 : -1;
    if (size < 0) throw new WireError(`wire type ${wireType} is not supported`);
    if (size > end - at) throw new WireError('a field is cut off');
    const from = at;
    at += size;
    const value = wireType === 1 ? bytes.readDoubleLE(from) : 0;
    const field = { number, wireType, value, start: from, end: at, next: at };
    visit(field);
    at = field.next;
  }
}
