// The protobuf wire format, as much as the hot messages need: varints, tags, length-delimited fields.
// It must not know any message. Invariant: what it writes is what the library writes for the same fields in field order.
// Source: protobuf.dev/programming-guides/encoding.

/** Bytes of an unsigned varint (up to 2^53). */
export function varintSize(value: number): number {
  let size = 1;
  for (let rest = value; rest >= 0x80; rest = Math.floor(rest / 0x80)) size++;
  return size;
}

/** Writes at `at`, returns the position after. */
export function putVarint(target: Uint8Array, at: number, value: number): number {
  let rest = value;
  let position = at;
  while (rest >= 0x80) {
    target[position++] = (rest % 0x80) | 0x80;
    rest = Math.floor(rest / 0x80);
  }
  target[position++] = rest;
  return position;
}

/** A length-delimited field: tag, length, body. `field` below 16. */
export function delimited(field: number, ...parts: readonly Uint8Array[]): Uint8Array {
  let length = 0;
  for (const part of parts) length += part.length;
  const target = new Uint8Array(1 + varintSize(length) + length);
  target[0] = (field << 3) | 2;
  let at = putVarint(target, 1, length);
  for (const part of parts) {
    target.set(part, at);
    at += part.length;
  }
  return target;
}

export function concat(parts: readonly Uint8Array[]): Uint8Array {
  let length = 0;
  for (const part of parts) length += part.length;
  const target = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    target.set(part, at);
    at += part.length;
  }
  return target;
}
