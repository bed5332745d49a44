// However a stream of messages is cut into chunks, the same messages come out.
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { frameOf } from '../../../src/xds/frame.ts';
import { createMessageReader, FramingError } from '../../../src/xds/grpc/message-reader.ts';
import { propertyRuns } from '../../support/property-runs.ts';

it('gives every message once, whole and in order', () => {
  fc.assert(
    fc.property(
      fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 6 }),
      fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1, maxLength: 8 }),
      (messages, cuts) => {
        const bytes = Buffer.concat(messages.map((message) => frameOf(message).framed));
        const reader = createMessageReader(40, { left: 10_000 });
        const got: string[] = [];
        let at = 0;
        for (let index = 0; at < bytes.length; index++) {
          const size = cuts[index % cuts.length] ?? 1;
          reader.take(bytes.subarray(at, at + size), (message) => got.push(message.toString('hex')));
          at += size;
        }
        expect(got).toEqual(messages.map((message) => Buffer.from(message).toString('hex')));
        expect(reader.atBoundary()).toBe(true);
      },
    ),
    { numRuns: propertyRuns(300) },
  );
});

it.each([
  ['compressed messages', [1, 0, 0, 0, 1, 7], 'unimplemented'],
  ['another flag', [2, 0, 0, 0, 1, 7], 'internal'],
  ['a message beyond the limit, before it has come', [0, 0, 0, 0, 41], 'resource-exhausted'],
])('refuses %s, in one piece or byte by byte', (_, bytes, status) => {
  const take = (size: number): unknown => {
    const reader = createMessageReader(40, { left: 10_000 });
    try {
      for (let at = 0; at < bytes.length; at += size)
        reader.take(Buffer.from(bytes.slice(at, at + size)), () => expect.unreachable('a message came'));
      return undefined;
    } catch (error) {
      return error instanceof FramingError ? error.status : error;
    }
  };
  expect(take(bytes.length)).toBe(status);
  expect(take(1)).toBe(status);
});

it('tells a message that is cut off', () => {
  const reader = createMessageReader(40, { left: 10_000 });
  reader.take(Buffer.from([0, 0]), () => expect.unreachable('a message came'));
  expect(reader.atBoundary()).toBe(false);
});

it('keeps nothing of the pieces a message comes in: each may be one byte, of a buffer that holds much more', () => {
  const body = Buffer.from('a message that takes its time');
  const reader = createMessageReader(40, { left: 10_000 });
  const got: string[] = [];
  for (const byte of frameOf(body).framed) {
    const piece = Buffer.from([byte]);
    reader.take(piece, (message) => got.push(message.toString()));
    piece.fill(0);
  }
  expect(got).toEqual([body.toString()]);
});

it('holds no more of unfinished messages than there is room for, and gives it back', () => {
  const room = { left: 10_000 };
  const half = frameOf(Buffer.alloc(8_000)).framed.subarray(0, 6_000);
  const one = createMessageReader(10_000, room);
  one.take(half, () => {});
  const two = createMessageReader(10_000, room);
  expect(() => two.take(half, () => {})).toThrow(FramingError);
  two.close();
  one.close();
  expect(room.left).toBe(10_000);
  let whole = 0;
  const three = createMessageReader(10_000, room);
  three.take(half, () => whole++);
  three.take(Buffer.alloc(2_005), () => whole++);
  expect(whole).toBe(1);
  expect(room.left).toBe(10_000);
});
