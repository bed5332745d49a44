// Sealed roots: what a reader of the store learns, and what happens when key or value are wrong. The contract itself is
// test/conformance/ca-roots.test.ts.
import { createPrivateKey, randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import type { RootProvider } from '../../../src/ca/contract.ts';
import { readElements, readOne, sequence, tags } from '../../../src/ca/der.ts';
import { seal, unseal } from '../../../src/ca/envelope.ts';
import { createSealedRoots } from '../../../src/ca/roots-sealed.ts';
import { pkcs8 } from '../../../src/ca/x509.ts';
import { AppError } from '../../../src/util/errors.ts';
import { createFakeClock } from '../../support/fake-clock.ts';
import { type TestAuthority, testAuthority, trustDomain, year } from './authority.ts';
import { createMemoryStore, type MemoryStore } from './memory-store.ts';

const path = 'ca/roots/1';
const place = { path, trustDomain, generation: 1 };
const kek = randomBytes(32);
const clock = createFakeClock();

function sealedRoots(store: MemoryStore, key: Uint8Array | undefined = kek, domain = trustDomain): RootProvider {
  const keyEncryptionKey = (): Promise<Uint8Array> => Promise.resolve(key);
  return createSealedRoots({ clock }, { store, keyEncryptionKey, trustDomain: domain, lifeMs: 10 * year });
}

async function opened(): Promise<MemoryStore> {
  const store = createMemoryStore();
  await sealedRoots(store).open();
  return store;
}

const storedIn = (store: MemoryStore): Uint8Array => store.values.get(path) ?? new Uint8Array(0);

/** Expects that opening is refused with this code, and that not one byte was written for it. */
async function refused(store: MemoryStore, code: string, provider = sealedRoots(store)): Promise<void> {
  const values = new Map(store.values);
  const offered = store.offered.length;
  await expect(provider.open()).rejects.toMatchObject({ code });
  expect(store.values).toEqual(values);
  expect(store.offered.length).toBe(offered);
}

describe('T16: the root in a store', () => {
  it('is nowhere there in clear: no scalar, no PKCS#8, no PEM, not in what lost the race either', async () => {
    const store = createMemoryStore();
    await Promise.all(Array.from({ length: 4 }, () => sealedRoots(store).open()));
    expect(store.offered.length).toBeGreaterThan(1);
    for (const value of store.offered) {
      const plain = unseal(kek, place, value);
      const [keyElement] = readElements(readOne(plain, tags.sequence).content);
      const key = createPrivateKey({ key: Buffer.from(keyElement?.whole ?? ''), format: 'der', type: 'pkcs8' });
      const scalar = Buffer.from(key.export({ format: 'jwk' }).d ?? '', 'base64url');
      expect(scalar.length).toBe(32);
      expect(plain.includes(scalar)).toBe(true);
      const text = Buffer.from(value);
      const { dataKey, secret } = JSON.parse(text.toString()) as { dataKey: string; secret: string };
      const haystacks = [text, Buffer.from(dataKey, 'base64'), Buffer.from(secret, 'base64')];
      const whole = Buffer.from(pkcs8(key));
      const needles = [
        ...[scalar, whole, kek],
        ...[scalar, whole, kek].map((bytes) => Buffer.from(bytes.toString('hex'))),
        // In base64 at any of the three offsets the middle is the same text.
        ...[0, 1, 2].map((skip) => Buffer.from(scalar.subarray(skip, skip + 27).toString('base64'))),
        Buffer.from('PRIVATE KEY'),
      ];
      for (const haystack of haystacks) for (const needle of needles) expect(haystack.includes(needle)).toBe(false);
    }
  });

  it('lies under one key and nowhere else', async () => {
    expect([...(await opened()).values.keys()]).toEqual([path]);
  });

  it('is refused to who has another key-encryption key', async () => {
    const store = await opened();
    await refused(store, 'CH1806', sealedRoots(store, randomBytes(32)));
  });

  it('is refused, and made by nobody, where there is no key-encryption key', async () => {
    const missing = (): Promise<Uint8Array> => Promise.reject(new AppError('CH1805', 'the variable is not set'));
    const options = { keyEncryptionKey: missing, trustDomain, lifeMs: year };
    for (const store of [await opened(), createMemoryStore()]) {
      await refused(store, 'CH1805', createSealedRoots({ clock }, { store, ...options }));
      await refused(store, 'CH1805', sealedRoots(store, new Uint8Array(0)));
    }
  });

  it('is refused where it was cut', async () => {
    const store = await opened();
    const value = storedIn(store);
    for (const length of [0, 1, value.length >> 1, value.length - 1]) {
      store.values.set(path, value.subarray(0, length));
      await refused(store, 'CH1807');
    }
  });

  it('is refused where it is the one of another trust domain under the same key-encryption key', async () => {
    const store = await opened();
    const other = createMemoryStore();
    await sealedRoots(other, kek, 'other.example').open();
    store.values.set(path, storedIn(other));
    await refused(store, 'CH1808');
  });

  it('is refused where it is something else that was sealed for this place', async () => {
    const store = createMemoryStore();
    for (const secret of [Buffer.from('other'), Buffer.from('3000', 'hex'), Buffer.from('300430003000', 'hex')]) {
      store.values.set(path, seal(kek, place, secret));
      await refused(store, 'CH1803');
    }
  });

  it.each([
    ['the certificate is of another key', (one: TestAuthority) => one.root.certificate, 'another certificate'],
    ['the certificate is not self-signed', (one: TestAuthority) => one.intermediate.certificate, 'self-signed'],
  ])('is refused where %s', async (_, certificateOf, reason) => {
    const authority = testAuthority();
    const store = createMemoryStore();
    store.values.set(path, seal(kek, place, sequence(pkcs8(authority.intermediate.key), certificateOf(authority))));
    await refused(store, 'CH1803');
    await expect(sealedRoots(store).open()).rejects.toThrow(reason);
  });

  it('is the one of another replica that was put after we looked: ours never goes over it', async () => {
    const store = await opened();
    const kept = storedIn(store);
    let looks = 0;
    const late: MemoryStore = { ...store, get: (key) => (looks++ === 0 ? Promise.resolve(undefined) : store.get(key)) };
    const { roots } = await sealedRoots(late).open();
    expect(store.offered.length).toBe(2);
    expect(storedIn(store)).toBe(kept);
    expect(roots).toEqual((await sealedRoots(store).open()).roots);
  });

  it('is not made anew when the store cannot be asked', async () => {
    const store = createMemoryStore();
    const down: MemoryStore = { ...store, get: () => Promise.reject(new Error('no leader')) };
    await expect(sealedRoots(down).open()).rejects.toThrow('no leader');
    expect(store.offered).toEqual([]);
  });
});
