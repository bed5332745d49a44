// DER, as much of it as certificates need: writing by nesting pieces, reading strictly.
// It must not know certificates. Invariant: what is written is DER (definite, shortest lengths), and nothing else is read.

const maxLength = 0xffff;

/** One element: the tag, the length, then the parts one after another. Throws a RangeError above 65,535 bytes. */
export function element(tag: number, ...parts: readonly Uint8Array[]): Uint8Array {
  let length = 0;
  for (const part of parts) length += part.length;
  if (length > maxLength) throw new RangeError(`${length} bytes are too many for one element`);
  const head =
    length < 0x80 ? [tag, length] : length < 0x100 ? [tag, 0x81, length] : [tag, 0x82, length >> 8, length & 0xff];
  return Buffer.concat([Uint8Array.from(head), ...parts], head.length + length);
}

export const tags = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  objectId: 0x06,
  utf8String: 0x0c,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
  set: 0x31,
} as const;

export const sequence = (...parts: readonly Uint8Array[]): Uint8Array => element(tags.sequence, ...parts);
export const octetString = (...parts: readonly Uint8Array[]): Uint8Array => element(tags.octetString, ...parts);

/** The integer that these bytes, most significant first and without a sign, are. */
export function unsignedInteger(bytes: Uint8Array): Uint8Array {
  let start = 0;
  while (start < bytes.length - 1 && bytes[start] === 0) start++;
  const digits = bytes.subarray(start);
  return (digits[0] ?? 0) < 0x80 ? element(tags.integer, digits) : element(tags.integer, Uint8Array.of(0), digits);
}

/** A bit string without unused bits. */
export const bitString = (bytes: Uint8Array): Uint8Array => element(tags.bitString, Uint8Array.of(0), bytes);

/** Seconds are kept, fractions cut. RFC 5280 4.1.2.5: UTCTime through 2049, GeneralizedTime from 2050. */
export function time(ms: number): Uint8Array {
  const digits = digitsOf(ms);
  const year = Number(digits.slice(0, 4));
  return year >= 1950 && year < 2050
    ? element(tags.utcTime, Buffer.from(digits.slice(2), 'latin1'))
    : element(tags.generalizedTime, Buffer.from(digits, 'latin1'));
}

/** `20300131235959Z` */
const digitsOf = (ms: number): string =>
  new Date(ms).toISOString().replace(/\.\d+Z$|[-:T]/g, (part) => (part.endsWith('Z') ? 'Z' : ''));

export interface DerElement {
  readonly tag: number;
  readonly content: Uint8Array;
  /** Tag, length and content. */
  readonly whole: Uint8Array;
}

/** The elements that stand one after another in these bytes. Throws a RangeError where they are not DER. */
export function readElements(bytes: Uint8Array): readonly DerElement[] {
  const found: DerElement[] = [];
  for (let at = 0; at < bytes.length; ) {
    const read = readElement(bytes, at);
    found.push(read);
    at += read.whole.length;
  }
  return found;
}

/** The one element that these bytes are, of this tag. Throws a RangeError otherwise. */
export function readOne(bytes: Uint8Array, tag: number): DerElement {
  const read = readElement(bytes, 0);
  if (read.whole.length !== bytes.length || read.tag !== tag) throw new RangeError('not the element that belongs here');
  return read;
}

function readElement(bytes: Uint8Array, at: number): DerElement {
  const tag = bytes[at] ?? 0x1f;
  const first = bytes[at + 1] ?? 0xff;
  const extra = first < 0x80 ? 0 : first & 0x7f;
  if ((tag & 0x1f) === 0x1f || extra > 3 || first === 0x80) throw new RangeError('not DER');
  let length = extra === 0 ? first : 0;
  for (let index = 0; index < extra; index++) length = length * 256 + (bytes[at + 2 + index] ?? 0);
  const start = at + 2 + extra;
  const shortest = length < 0x80 ? 0 : length < 0x100 ? 1 : length < 0x10000 ? 2 : 3;
  if (extra !== shortest || start + length > bytes.length) throw new RangeError('not DER');
  return { tag, content: bytes.subarray(start, start + length), whole: bytes.subarray(at, start + length) };
}

/** Milliseconds since the epoch of a UTCTime or GeneralizedTime in the only forms that RFC 5280 allows. */
export function readTime({ tag, content }: DerElement): number {
  const text = Buffer.from(content).toString('latin1');
  const full = tag === tags.utcTime ? `${Number(text.slice(0, 2)) < 50 ? '20' : '19'}${text}` : text;
  const match = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/.exec(full);
  if (match === null || (tag !== tags.utcTime && tag !== tags.generalizedTime)) throw new RangeError('not a time');
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = match.slice(1).map(Number);
  const ms = Date.UTC(year, month - 1, day, hour, minute, second);
  if (digitsOf(ms) !== full) throw new RangeError('not a day of the calendar');
  return ms;
}
