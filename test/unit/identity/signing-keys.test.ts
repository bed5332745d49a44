// Keys that sign tokens: made once for all replicas, sealed, brought in and taken away.
import { beforeEach, describe, expect, it } from 'vitest';
import { createNodeTokens } from '../../../src/identity/node-token.ts';
import { createSigningKeys, type SigningKeys } from '../../../src/identity/signing-keys.ts';
import { createFakeClock, type FakeClock } from '../../support/fake-clock.ts';
import {
  bearer,
  createRecorder,
  createTestStore,
  outcome,
  plainSeal,
  type TestStore,
  trustDomain,
  webId,
} from './rig.ts';

let store: TestStore;
let clock: FakeClock;
beforeEach(() => {
  store = createTestStore();
  clock = createFakeClock();
});

const log = createRecorder();
const replica = (own: Partial<typeof plainSeal> = {}): SigningKeys =>
  createSigningKeys({ store, ...plainSeal, ...own, clock, log });
const opened = async (): Promise<SigningKeys> => {
  const keys = replica();
  await keys.open();
  return keys;
};
const tokensOf = (keys: SigningKeys) => createNodeTokens({ keys, clock }, { trustDomain });
const issue = async (keys: SigningKeys): Promise<string> =>
  (await tokensOf(keys).issue({ id: webId, services: ['web'], gateways: [] })).text;
const takes = async (keys: SigningKeys, text: string): Promise<string> =>
  outcome(await tokensOf(keys).verify(bearer(text)));

describe('signing keys', () => {
  it('are one for replicas that start together', async () => {
    const replicas = Array.from({ length: 8 }, () => replica());
    await Promise.all(replicas.map((keys) => keys.open()));
    expect(new Set(replicas.map((keys) => keys.signer().kid)).size).toBe(1);
    expect(store.entries.size).toBe(1);
  });

  it('outlive a restart', async () => {
    const token = await issue(await opened());
    expect(await takes(await opened(), token)).toBe('accepted');
  });

  it('sign nothing before they were read', () => {
    expect(() => replica().signer()).toThrow('have not been read');
  });

  it('T16: lie in the store sealed only', async () => {
    const sealed: Uint8Array[] = [];
    const keys = replica({
      seal: (plain) => {
        sealed.push(plain);
        return Buffer.from([1, 2, 3]);
      },
      open: () => sealed[0] ?? Buffer.alloc(0),
    });
    await keys.open();
    expect([...store.entries.values()].map(({ value }) => [...value])).toEqual([[1, 2, 3]]);
  });

  it.each([
    ['another key-encryption key', plainSeal.seal, new Error('tag')],
    ['bytes that are no key', () => Buffer.from('{"version":1,"createdAtMs":0,"privateKey":"AAAA"}'), undefined],
    ['bytes of another form', () => Buffer.from('[]'), undefined],
  ])('T16: are never made anew because of %s', async (_, seal, failure) => {
    const first = replica({ seal, open: (bytes) => bytes });
    await first.open().catch(() => {});
    const before = [...store.entries];
    const open = (bytes: Uint8Array): Uint8Array => {
      if (failure !== undefined) throw failure;
      return bytes;
    };
    await expect(replica({ seal, open }).open()).rejects.toMatchObject({ code: 'CH1831' });
    expect([...store.entries]).toEqual(before);
  });

  it('T16: cannot be moved to another place of the store', async () => {
    await opened();
    const [[path, entry] = ['', { value: Buffer.alloc(0), revision: '' }]] = store.entries;
    store.entries.set(path.replace(/.$/, '2'), entry);
    await expect(replica().open()).rejects.toMatchObject({ code: 'CH1831' });
  });

  it('reject while the store is away, and make none', async () => {
    store.broken = true;
    await expect(replica().open()).rejects.toThrow('away');
    expect(store.entries.size).toBe(0);
  });
});

describe('a new signing key', () => {
  it('signs once all replicas have read it, and the old one verifies on', async () => {
    const [one, two] = [await opened(), await opened()];
    clock.advance(60_000);
    const stop = new AbortController();
    const running = two.run(stop.signal);
    const before = await issue(one);
    const kid = await one.rotate();
    expect(one.signer().kid).not.toBe(kid);
    await clock.advanceAsync(20_000);
    expect([one.signer().kid, two.signer().kid]).toEqual([kid, kid]);
    const after = await issue(one);
    for (const token of [before, after]) expect(await takes(two, token)).toBe('accepted');
    stop.abort();
    await running;
  });

  it('is one a rotation, also where two replicas rotate at once', async () => {
    const [one, two] = [await opened(), await opened()];
    const kids = await Promise.all([one.rotate(), two.rotate()]);
    expect(new Set(kids).size).toBe(2);
    expect(store.entries.size).toBe(3);
  });

  it('lets the old one be retired: its tokens are refused', async () => {
    const keys = await opened();
    const before = await issue(keys);
    const old = keys.signer().kid;
    expect(await keys.retire(old), 'the only one stays').toBe(false);
    await keys.rotate();
    expect(await keys.retire(old)).toBe(true);
    expect(await keys.retire(old)).toBe(false);
    expect(await takes(keys, before)).toBe('unknown-key');
    expect(await takes(keys, await issue(keys))).toBe('accepted');
  });

  it('T21: is in no line of the log', async () => {
    const keys = await opened();
    await keys.rotate();
    const secret = keys.signer().privateKey.export({ type: 'pkcs8', format: 'der' }).toString('base64');
    expect(log.text()).toContain(keys.signer().kid);
    expect(log.text()).not.toContain(secret.slice(-40));
  });

  it('is not missed because the store was away for a while', async () => {
    const [one, two] = [await opened(), await opened()];
    const stop = new AbortController();
    const running = two.run(stop.signal);
    store.broken = true;
    await clock.advanceAsync(10_000);
    expect(log.lines.at(-1)?.message).toContain('stay in use');
    expect(await takes(two, await issue(one))).toBe('accepted');
    store.broken = false;
    const kid = await one.rotate();
    await clock.advanceAsync(10_000);
    expect(two.publicKey(kid)).toBeDefined();
    stop.abort();
    await running;
  });
});
