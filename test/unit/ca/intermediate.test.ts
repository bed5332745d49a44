// What a provider gives is checked before anything is signed with it.
import { describe, expect, it } from 'vitest';
import { acceptIntermediate } from '../../../src/ca/intermediate.ts';
import { generateKeyPair, publicKeyId, randomSerial, selfSignedRoot, signLeaf } from '../../../src/ca/x509.ts';
import { createFakeClock } from '../../support/fake-clock.ts';
import { createRootsInMemory } from '../../support/roots-in-memory.ts';

const day = 86_400_000;

async function setUp() {
  const clock = createFakeClock();
  const provider = createRootsInMemory(clock);
  const roots = await provider.open();
  const { publicKey } = generateKeyPair();
  const given = await provider.signIntermediate({ publicKey, lifeMs: 7 * day });
  const nowMs = clock.wall();
  return { clock, provider, roots, publicKey, given, nowMs, expected: { publicKey, roots, nowMs } };
}
const refusal = (why: string) => expect.objectContaining({ code: 'CH1816', message: expect.stringContaining(why) });

describe('an intermediate', () => {
  it('is taken with the root that it ends at, which is never part of its chain', async () => {
    const { roots, given, nowMs, expected } = await setUp();
    const [root] = roots.roots;
    const withRoot = { ...given, chain: [root?.certificate ?? new Uint8Array()] };
    for (const each of [given, withRoot])
      expect(acceptIntermediate(each, expected)).toEqual({
        chain: [given.certificate],
        keyId: expect.stringMatching(/^[0-9a-f]{40}$/),
        notBeforeMs: nowMs - 3_600_000,
        notAfterMs: nowMs + 7 * day,
        root: root?.keyId,
      });
  });

  it('is refused if it is of another key', async () => {
    const { given, expected } = await setUp();
    const { publicKey } = generateKeyPair();
    expect(() => acceptIntermediate(given, { ...expected, publicKey })).toThrow(refusal('of another key'));
  });

  it('is refused if it ends at a root that nobody is told of', async () => {
    const { clock, given, expected } = await setUp();
    const roots = await createRootsInMemory(clock).open();
    expect(() => acceptIntermediate(given, { ...expected, roots })).toThrow(refusal('none of the roots'));
  });

  it('is refused with a chain of others', async () => {
    const { clock, given, expected } = await setUp();
    const foreign = createRootsInMemory(clock);
    const [root] = (await foreign.open()).roots;
    const other = await foreign.signIntermediate({ publicKey: generateKeyPair().publicKey, lifeMs: day });
    for (const chain of [[other.certificate], [other.certificate, root?.certificate ?? new Uint8Array()]])
      expect(() => acceptIntermediate({ ...given, chain }, expected)).toThrow(refusal('not its own'));
    const chain = Array.from({ length: 5 }, () => other.certificate);
    expect(() => acceptIntermediate({ ...given, chain }, expected)).toThrow(refusal('5 certificates'));
  });

  it('is refused if it may not sign', async () => {
    const { nowMs, publicKey } = await setUp();
    const pair = generateKeyPair();
    const validity = { notBeforeMs: nowMs, notAfterMs: nowMs + day };
    const certificate = selfSignedRoot(pair, { trustDomain: 'example.org', validity, serial: randomSerial() });
    const roots = {
      generation: 1,
      roots: [{ certificate, keyId: publicKeyId(pair.publicKey), notAfterMs: validity.notAfterMs }],
    };
    const issuer = { certificate, key: pair.privateKey };
    const leaf = signLeaf(issuer, {
      ...{ publicKey, validity, serial: randomSerial() },
      spiffeId: 'spiffe://example.org/svc/web',
    });
    const given = { certificate: leaf, chain: [], notAfterMs: validity.notAfterMs };
    expect(() => acceptIntermediate(given, { publicKey, roots, nowMs })).toThrow(refusal('may not sign'));
  });

  it('is refused before and after its time, and where its bytes are none', async () => {
    const { given, nowMs, expected } = await setUp();
    for (const ms of [-2 * 3_600_000, 7 * day])
      expect(() => acceptIntermediate(given, { ...expected, nowMs: nowMs + ms })).toThrow(refusal('not valid now'));
    const damaged = { ...given, certificate: given.certificate.slice(0, -1) };
    expect(() => acceptIntermediate(damaged, expected)).toThrow(expect.objectContaining({ code: 'CH1811' }));
  });

  it('is refused if one bit of its signature is another', async () => {
    const { given, expected } = await setUp();
    const certificate = Uint8Array.from(given.certificate);
    certificate[certificate.length - 1] = (certificate.at(-1) ?? 0) ^ 1;
    expect(() => acceptIntermediate({ ...given, certificate }, expected)).toThrow(refusal('none of the roots'));
  });
});
