// The bundle of an authority outside over time: what is told, since when, and in which order.
import { describe, expect, it } from 'vitest';
import {
  type Bundle,
  bundleText,
  followRoots,
  inOrder,
  maxRoots,
  readBundle,
  usableFrom,
} from '../../../src/ca/foreign-bundle.ts';
import { type MadeRoot, makeRoot } from '../../support/foreign-authority.ts';

const nowMs = Date.UTC(2030, 0, 1);
const limits = { leavingMs: 1000 };
const [a, b] = [makeRoot(nowMs), makeRoot(nowMs)];
const at = (ms: number, inUse?: string) => ({ nowMs: nowMs + ms, inUse });

describe('a bundle', () => {
  it('is the same object when nothing changed', () => {
    const first = followRoots([], [a.certificate, a.certificate], at(0), limits);
    expect(first.map(({ keyId, toldMs }) => [keyId, toldMs])).toEqual([[a.keyId, 0]]);
    expect(followRoots(first, [a.certificate], at(5), limits)).toBe(first);
  });

  it('keeps one that is gone for a while, longer while it is in use, and forgets that it was gone when it is back', () => {
    const both = followRoots(
      followRoots([], [a.certificate], at(0), limits),
      [a.certificate, b.certificate],
      at(1),
      limits,
    );
    expect(both.map(({ toldMs }) => toldMs)).toEqual([0, nowMs + 1]);
    const gone = followRoots(both, [b.certificate], at(2), limits);
    expect(gone.map(({ goneMs }) => goneMs)).toEqual([nowMs + 2, undefined]);
    expect(followRoots(gone, [a.certificate, b.certificate], at(3), limits).map(({ goneMs }) => goneMs)).toEqual([
      undefined,
      undefined,
    ]);
    expect(followRoots(gone, [b.certificate], at(1001), limits)).toHaveLength(2);
    expect(followRoots(gone, [b.certificate], at(1002), limits)).toHaveLength(1);
    expect(followRoots(gone, [b.certificate], at(5000, a.keyId), limits)).toHaveLength(2);
  });

  describe('whose keeper means it when he leaves a root out', () => {
    const follow = (before: Bundle, given: readonly MadeRoot[], ms: number, inUse: MadeRoot) =>
      followRoots(
        before,
        given.map(({ certificate }) => certificate),
        { ...at(ms, inUse.keyId), isUnused: ({ keyId }) => keyId !== inUse.keyId },
        limits,
      );
    const seen = (bundle: Bundle) => bundle.map(({ keyId, toldMs, goneMs }) => [keyId, toldMs, goneMs]);

    it('drops at once one that never signed, and counts anew when it comes back', () => {
      const both = follow(follow([], [a], 0, a), [a, b], 1, a);
      const without = follow(both, [a], 2, a);
      expect(seen(without)).toEqual([[a.keyId, 0, undefined]]);
      expect(seen(follow(without, [a, b], 3, a))).toEqual([
        [a.keyId, 0, undefined],
        [b.keyId, nowMs + 3, undefined],
      ]);
    });

    it('keeps one that signs, and for a while after it signed last', () => {
      const both = follow(follow([], [a, b], 0, a), [b], 1, a);
      expect(seen(both)).toContainEqual([a.keyId, 0, nowMs + 1]);
      const later = follow(both, [b], 5000, a);
      expect(seen(later)).toContainEqual([a.keyId, 0, nowMs + 5000]);
      // A replica that never signed under it goes by what the others wrote.
      expect(follow(later, [b], 5999, b)).toBe(later);
      expect(seen(follow(later, [b], 6000, b))).toEqual([[b.keyId, 0, undefined]]);
    });
  });

  it('drops what has ended, in use or not', () => {
    const short = makeRoot(nowMs, { lifeMs: 2000 });
    const first = followRoots([], [short.certificate, b.certificate], at(0), limits);
    expect(
      followRoots(first, [short.certificate, b.certificate], at(2000, short.keyId), limits).map(({ keyId }) => keyId),
    ).toEqual([b.keyId]);
  });

  it('has one order on every replica below what signs', () => {
    const long = makeRoot(nowMs, { lifeMs: 1e12 });
    const one = followRoots([], [a.certificate, long.certificate, b.certificate], at(0), limits);
    const other = followRoots([], [b.certificate, a.certificate, long.certificate], at(0), limits);
    expect(inOrder(one, a.keyId)).toEqual(inOrder(other, a.keyId));
    expect(
      inOrder(one, a.keyId)
        .map(({ keyId }) => keyId)
        .slice(0, 2),
    ).toEqual([a.keyId, long.keyId]);
    expect(inOrder(one, undefined)[0]?.keyId).toBe(long.keyId);
  });

  it('says from when on a root may sign', () => {
    const times = { startMs: 5, holdMs: 10, patienceMs: 100 };
    const bundle = followRoots(
      followRoots([], [a.certificate], at(0), limits),
      [a.certificate, b.certificate],
      at(0),
      limits,
    );
    const from = (keyId: string, confirmed: readonly string[], endsMs?: number) =>
      usableFrom(bundle, keyId, { confirmed: new Set(confirmed), endsMs }, times);
    expect(from(a.keyId, [])).toBe(0);
    expect(from('00', [])).toBeUndefined();
    expect(from(b.keyId, [])).toBe(nowMs + 5);
    expect(from(b.keyId, [b.keyId], nowMs + 1000)).toBe(nowMs + 10);
    expect(from(b.keyId, [a.keyId], nowMs + 1000)).toBe(nowMs + 100);
    expect(from(b.keyId, [], nowMs + 50)).toBe(nowMs + 40);
    expect(from(b.keyId, [], nowMs + 7)).toBe(nowMs + 5);
  });

  it('is read as it was written, and not at all otherwise', () => {
    const bundle = followRoots(
      followRoots([], [a.certificate, b.certificate], at(0), limits),
      [b.certificate],
      at(7),
      limits,
    );
    const text = (value: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(value));
    const plain = JSON.parse(new TextDecoder().decode(bundleText(bundle)));
    expect(
      readBundle(bundleText(bundle))?.map((root) => ({ ...root, certificate: Buffer.from(root.certificate) })),
    ).toEqual(bundle.map((root) => ({ ...root, certificate: Buffer.from(root.certificate) })));
    for (const wrong of [
      {},
      null,
      [1],
      [{ ...plain[0], toldMs: 'x' }],
      [{ ...plain[0], goneMs: -1 }],
      [{ ...plain[0], certificate: 'AAAA' }],
      Array.from({ length: maxRoots + 1 }, () => plain[0]),
    ])
      expect(readBundle(text(wrong))).toBeUndefined();
    expect(readBundle(Uint8Array.of(0xff))).toBeUndefined();
  });
});
