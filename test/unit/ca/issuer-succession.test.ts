// One given authority after another: what is told, and which of them signs, moment by moment.
import { describe, expect, it } from 'vitest';
import type { Root } from '../../../src/ca/contract.ts';
import type { Given, GivenAuthority } from '../../../src/ca/issuer-authority.ts';
import { beginSuccession, type Succession, succeed } from '../../../src/ca/issuer-succession.ts';
import { generateKeyPair } from '../../../src/ca/x509.ts';

const limits = { holdMs: 100, patienceMs: 1_000, leavingMs: 500 };
const end = 1_000_000;
const root = (keyId: string, text = keyId, notAfterMs = end): Root => ({
  ...{ certificate: Buffer.from(text), keyId, notAfterMs },
});
const signer = (id: string, notAfterMs = end): GivenAuthority => ({
  ...{ issuer: { certificate: Buffer.from(id), key: generateKeyPair().privateKey }, chain: [], root: id, notAfterMs },
});
const given = (authority: GivenAuthority, ...roots: readonly Root[]): Given => ({ authority, roots });
const seen = ({ signing, roots }: Succession): readonly string[] => [
  `${signing.root} signs`,
  ...roots.map(({ certificate }) => Buffer.from(certificate).toString()),
];
const [a, b] = [signer('a'), signer('b')];
const both = given(b, root('b'), root('a'));
const begun = beginSuccession(given(a, root('x'), root('a')));

describe('one given authority after another', () => {
  it('begins with what is there, its root first', () => {
    expect(seen(begun)).toEqual(['a signs', 'a', 'x']);
  });

  it('signs when its root was told for long enough and every proxy confirmed, not before', () => {
    const told = succeed(begun, both, { nowMs: 0, confirmed: true }, limits);
    expect(seen(told)).toEqual(['a signs', 'a', 'b']);
    expect(told.next).toBe(b);
    const early = succeed(told, both, { nowMs: 99, confirmed: true }, limits);
    expect(seen(early)).toEqual(['a signs', 'a', 'b']);
    expect(seen(succeed(early, both, { nowMs: 100, confirmed: false }, limits))).toEqual(['a signs', 'a', 'b']);
    const after = succeed(early, both, { nowMs: 100, confirmed: true }, limits);
    expect(seen(after)).toEqual(['b signs', 'b', 'a']);
    expect(after.next).toBeUndefined();
  });

  it('waits for proxies that do not confirm for so long and no longer', () => {
    const told = succeed(begun, both, { nowMs: 0, confirmed: false }, limits);
    expect(seen(succeed(told, both, { nowMs: 999, confirmed: false }, limits))[0]).toBe('a signs');
    expect(seen(succeed(told, both, { nowMs: 1_000, confirmed: false }, limits))[0]).toBe('b signs');
  });

  it('does not wait where its root was told before, which is how a careful keeper does it', () => {
    const told = succeed(begun, given(a, root('a'), root('b')), { nowMs: 0, confirmed: false }, limits);
    expect(seen(succeed(told, both, { nowMs: 100, confirmed: true }, limits))).toEqual(['b signs', 'b', 'a']);
  });

  it('never signs in the round in which its root is told, though the former ends', () => {
    const ending = beginSuccession(given(signer('a', 50), root('a')));
    const told = succeed(ending, both, { nowMs: 0, confirmed: true }, limits);
    expect(seen(told)[0]).toBe('a signs');
    expect(seen(succeed(told, both, { nowMs: 1, confirmed: false }, limits))[0]).toBe('b signs');
  });

  it('keeps a root that the file leaves out while it signs and while what it signed is replaced, then not', () => {
    const alone = given(b, root('b'));
    const told = succeed(begun, alone, { nowMs: 0, confirmed: true }, limits);
    expect(seen(told)).toEqual(['a signs', 'a', 'b']);
    const after = succeed(told, alone, { nowMs: 100, confirmed: true }, limits);
    expect(seen(after)).toEqual(['b signs', 'b', 'a']);
    const still = succeed(after, alone, { nowMs: 599, confirmed: false }, limits);
    expect(seen(still)).toEqual(['b signs', 'b', 'a']);
    expect(seen(succeed(still, alone, { nowMs: 600, confirmed: false }, limits))).toEqual(['b signs', 'b']);
  });

  it('drops a root at once that is given no more and signed nothing', () => {
    expect(seen(succeed(begun, given(a, root('a')), { nowMs: 0, confirmed: false }, limits))).toEqual(['a signs', 'a']);
  });

  it('trusts no root that nobody gave, whatever signs', () => {
    const steps = [both, given(b, root('b')), given(a, root('a')), both];
    let state = begun;
    for (const [index, step] of steps.entries()) {
      state = succeed(state, step, { nowMs: index * 200, confirmed: true }, limits);
      expect(['a', 'b', 'x']).toEqual(expect.arrayContaining(state.roots.map(({ keyId }) => keyId)));
      // The one that signs is always trusted.
      expect(state.roots[0]?.keyId).toBe(state.signing.root);
    }
  });

  it('signs on at once with another authority of the same root', () => {
    const other = signer('a');
    const after = succeed(begun, given(other, root('a'), root('x')), { nowMs: 0, confirmed: false }, limits);
    expect(after.signing).toBe(other);
  });

  it('tells a root that was renewed with its key in place of the former', () => {
    const after = succeed(begun, given(a, root('a', 'a again')), { nowMs: 0, confirmed: false }, limits);
    expect(seen(after)).toEqual(['a signs', 'a again']);
  });

  it('begins to count anew for a root that was taken away and came back', () => {
    const told = succeed(begun, both, { nowMs: 0, confirmed: false }, limits);
    const gone = succeed(told, given(a, root('a')), { nowMs: 50, confirmed: false }, limits);
    const back = succeed(gone, both, { nowMs: 100, confirmed: true }, limits);
    expect(seen(back)).toEqual(['a signs', 'a', 'b']);
    expect(seen(succeed(back, both, { nowMs: 150, confirmed: true }, limits))[0]).toBe('a signs');
  });
});
