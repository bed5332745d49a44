// The envelope: what opens it, and that everything else fails by its own name and without a byte of a key.
import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { type Place, seal, unseal } from '../../../src/ca/envelope.ts';
import type { AppError } from '../../../src/util/errors.ts';

const kek = randomBytes(32);
const secret = randomBytes(200);
const place: Place = { path: 'ca/roots/1', trustDomain: 'mesh.example', generation: 1 };
const envelope = seal(kek, place, secret);
const fields = JSON.parse(Buffer.from(envelope).toString()) as Record<string, unknown>;
const altered = (change: Record<string, unknown>): Uint8Array => Buffer.from(JSON.stringify({ ...fields, ...change }));

function refusal(open: () => unknown): AppError {
  try {
    open();
  } catch (error) {
    return error as AppError;
  }
  throw new Error('it opened');
}

/** Flips one bit of the byte at `at` of a base64 text. */
function flipped(text: unknown, at: number): string {
  const bytes = Buffer.from(String(text), 'base64');
  bytes[at] = (bytes[at] ?? 0) ^ 1;
  return bytes.toString('base64');
}

describe('an envelope', () => {
  it('opens with its key at its place', () => {
    expect(unseal(kek, place, envelope).equals(secret)).toBe(true);
  });

  it('never looks the same twice, and has nothing of the secret or a key in it', () => {
    expect(Buffer.from(seal(kek, place, secret)).equals(envelope)).toBe(false);
    const raw = Object.values(fields).flatMap((value) => [
      Buffer.from(JSON.stringify(value)),
      Buffer.from(String(value), 'base64'),
    ]);
    for (const hidden of [secret.subarray(0, 16), secret.subarray(-16), kek.subarray(0, 8), kek.subarray(-8)])
      for (const form of [
        hidden,
        Buffer.from(hidden.toString('hex')),
        Buffer.from(hidden.toString('base64').slice(0, 10)),
      ])
        expect(raw.some((bytes) => bytes.includes(form))).toBe(false);
  });

  it('does not open with another key', () => {
    expect(refusal(() => unseal(randomBytes(32), place, envelope)).code).toBe('CH1806');
  });

  it('does not open with another key that passes for its own by name', () => {
    const other = randomBytes(32);
    const { keyId } = JSON.parse(Buffer.from(seal(other, place, secret)).toString()) as { keyId: string };
    expect(refusal(() => unseal(other, place, altered({ keyId }))).code).toBe('CH1807');
  });

  it.each([0, 16, 31, 33, 64])('takes no key of %i bytes', (length) => {
    expect(refusal(() => seal(Buffer.alloc(length, 7), place, secret)).code).toBe('CH1805');
    expect(refusal(() => unseal(Buffer.alloc(length, 7), place, envelope)).code).toBe('CH1805');
  });

  it.each<[string, Partial<Place>]>([
    ['under another key of the store', { path: 'ca/roots/2' }],
    ['in another trust domain', { trustDomain: 'other.example' }],
    ['in another generation', { generation: 2 }],
  ])('does not open %s, whether or not it says where it belongs', (_, change) => {
    const elsewhere = { ...place, ...change };
    expect(refusal(() => unseal(kek, elsewhere, envelope)).code).toBe('CH1808');
    expect(refusal(() => unseal(kek, elsewhere, altered({ place: elsewhere }))).code).toBe('CH1807');
  });

  it('does not open where any byte was cut from its end', () => {
    for (let length = 0; length < envelope.length; length++)
      expect(refusal(() => unseal(kek, place, envelope.subarray(0, length))).code, `${length} bytes`).toBe('CH1807');
  });

  it.each(['dataKey', 'secret'])('does not open where any bit of its %s differs', (field) => {
    const { length } = Buffer.from(String(fields[field]), 'base64');
    for (let at = 0; at < length; at++)
      expect(refusal(() => unseal(kek, place, altered({ [field]: flipped(fields[field], at) }))).code).toBe('CH1807');
  });

  it.each<[string, Record<string, unknown>]>([
    ['a secret that is cut', { secret: String(fields['secret']).slice(0, -8) }],
    ['an empty secret', { secret: '' }],
    [
      'the secret of another envelope',
      { secret: (JSON.parse(Buffer.from(seal(kek, place, secret)).toString()) as typeof fields)['secret'] },
    ],
    ['data key and secret exchanged', { secret: fields['dataKey'], dataKey: fields['secret'] }],
    ['no data key', { dataKey: undefined }],
    ['a number for a text', { secret: 1 }],
    ['no place', { place: null }],
    ['a newer version', { version: 2 }],
  ])('does not open with %s', (_, change) => {
    expect(refusal(() => unseal(kek, place, altered(change))).code).toBe('CH1807');
  });

  it.each(['', 'null', '[]', '"text"', '{}', '1', '\0\0\0', '{"__proto__":{"version":1}}'])('is not %j', (text) => {
    expect(refusal(() => unseal(kek, place, Buffer.from(text))).code).toBe('CH1807');
  });

  it('T16: says nothing of a key when it does not open', () => {
    const failures = [
      () => unseal(randomBytes(32), place, envelope),
      () => unseal(kek, { ...place, generation: 2 }, envelope),
      () => unseal(kek, place, altered({ secret: flipped(fields['secret'], 20) })),
      () => unseal(kek, place, kek),
      () => seal(kek.subarray(1), place, secret),
    ];
    for (const failure of failures) {
      const error = refusal(failure);
      const text = `${error.message} ${String(error.cause)} ${error.stack}`;
      for (const form of ['hex', 'base64', 'latin1'] as const) {
        expect(text).not.toContain(kek.subarray(1, 9).toString(form).slice(0, 8));
        expect(text).not.toContain(secret.subarray(0, 9).toString(form).slice(0, 8));
      }
    }
  });
});
