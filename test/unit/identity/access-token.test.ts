// Tokens of the API: shown once, kept as hashes, one a name, worth nothing at once when revoked.
import { beforeEach, describe, expect, it } from 'vitest';
import { type AccessTokens, createAccessTokens, isAccessToken } from '../../../src/identity/access-token.ts';
import type { Role } from '../../../src/model/access.ts';
import { createFakeClock, type FakeClock } from '../../support/fake-clock.ts';
import { createTestStore, type TestStore } from './rig.ts';

let store: TestStore;
let clock: FakeClock;
let tokens: AccessTokens;
beforeEach(() => {
  store = createTestStore();
  clock = createFakeClock();
  tokens = createAccessTokens({ store, clock });
});

const dayMs = 86_400_000;
const grafana = { name: 'grafana', role: 'reader', createdBy: 'root' } as const;

describe('a token of the API', () => {
  it('says who it is on every replica, for 90 days', async () => {
    const { text, ...made } = await tokens.create(grafana);
    expect(isAccessToken(text)).toBe(true);
    expect(made).toEqual({ ...grafana, createdAtMs: clock.wall(), expiresAtMs: clock.wall() + 90 * dayMs });
    const replica = createAccessTokens({ store, clock });
    expect(await replica.check(text)).toEqual(made);
    clock.advance(90 * dayMs);
    expect(await replica.check(text)).toBeUndefined();
    expect(await tokens.list()).toEqual([]);
    expect(store.entries.size).toBe(0);
  });

  it('T21: lies in the store as a hash, and is in no list', async () => {
    const { text } = await tokens.create(grafana);
    const [, , secret = ''] = text.split('.');
    const stored = [...store.entries].map(([key, { value }]) => key + new TextDecoder().decode(value)).join();
    expect(stored).toContain('grafana');
    expect(stored).not.toContain(secret);
    expect(JSON.stringify(await tokens.list())).not.toContain(secret);
  });

  it('is one a name, and the name is free when it was revoked or has ended', async () => {
    await tokens.create(grafana);
    await expect(tokens.create({ ...grafana, role: 'operator' })).rejects.toThrow('CH1722');
    expect(await tokens.list()).toMatchObject([{ role: 'reader' }]);
    expect(await tokens.revoke('grafana')).toBe(true);
    expect(await tokens.revoke('grafana')).toBe(false);
    await tokens.create({ ...grafana, ttlMs: 60_000 });
    clock.advance(60_000);
    await tokens.create(grafana);
  });

  it('that was revoked is worth nothing at once, on every replica', async () => {
    const replica = createAccessTokens({ store, clock });
    const { text } = await tokens.create(grafana);
    expect(await replica.isListed(text)).toBe(true);
    await tokens.revoke('grafana');
    expect(await replica.check(text)).toBeUndefined();
    const again = await tokens.create(grafana);
    expect(await replica.check(text)).toBeUndefined();
    expect(await replica.check(again.text)).toBeDefined();
  });

  it.each([
    '',
    'ca1.grafana.',
    `ca1.grafana.${'A'.repeat(43)}`,
    `ca1.other.${'A'.repeat(43)}`,
    `ca1.../x.${'A'.repeat(43)}`,
    `cj1.grafana.${'A'.repeat(43)}`,
  ])('is not %j', async (text) => {
    await tokens.create(grafana);
    expect(await tokens.check(text)).toBeUndefined();
    expect(await tokens.isListed(text)).toBe(false);
  });

  it('grants nothing where its record is not whole', async () => {
    const { text } = await tokens.create(grafana);
    const [[key = '', entry] = []] = store.entries;
    if (entry === undefined) throw new Error('no entry');
    const record = JSON.parse(new TextDecoder().decode(entry.value)) as Record<string, unknown>;
    for (const change of [
      { version: 2 },
      { role: 'admin' },
      { name: 'other' },
      { expiresAtMs: '9' },
      { secretHash: '' },
    ]) {
      const value = new TextEncoder().encode(JSON.stringify({ ...record, ...change }));
      store.entries.set(key, { ...entry, value });
      expect(await tokens.check(text), JSON.stringify(change)).toBeUndefined();
    }
  });

  it('asks for a name, a role and a time that fit', async () => {
    for (const wrong of [{ name: 'Grafana' }, { name: '../x' }, { name: '' }, { role: 'admin' as Role }, { ttlMs: 1 }])
      await expect(tokens.create({ ...grafana, ...wrong })).rejects.toThrow('CH1723');
  });

  it('is looked up in a list that is read at most once in 5 s, however often strangers ask', async () => {
    const { text } = await tokens.create(grafana);
    let lists = 0;
    const counting = createAccessTokens({
      clock,
      store: {
        ...store,
        list: async (prefix) => {
          lists++;
          return store.list(prefix);
        },
      },
    });
    const guesses = Array.from({ length: 100 }, () => counting.isListed(`ca1.grafana.${'A'.repeat(43)}`));
    expect(new Set(await Promise.all(guesses))).toEqual(new Set([false]));
    expect(await counting.isListed(text)).toBe(true);
    expect(lists).toBe(1);
    clock.advance(5_001);
    await counting.isListed(text);
    expect(lists).toBe(2);
  });
});
