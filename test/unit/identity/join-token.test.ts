// One-time tokens: made, redeemed once, listed, revoked, and refused in one way whatever is wrong with them.
import { beforeEach, describe, expect, it } from 'vitest';
import { createJoinTokens, type JoinTokens } from '../../../src/identity/join-token.ts';
import { joinTokenText, readJoinToken } from '../../../src/identity/join-token-text.ts';
import { createFakeClock, type FakeClock } from '../../support/fake-clock.ts';
import { createRecorder, createTestStore, type Recorder, type TestStore, trustDomain } from './rig.ts';

let store: TestStore;
let clock: FakeClock;
let log: Recorder;
let tokens: JoinTokens;
beforeEach(() => {
  store = createTestStore();
  clock = createFakeClock();
  log = createRecorder();
  tokens = createJoinTokens({ store, clock, log }, { trustDomain });
});

const web = { services: ['web'], gateways: [] };
const minute = 60_000;

describe('a join token', () => {
  it('grants what it was made for, once', async () => {
    const { text, id, expiresAtMs } = await tokens.create({
      services: ['web', 'prod|api'],
      gateways: ['edge'],
      nodeId: 'n1',
    });
    expect(text).toMatch(/^cj1\.[0-9a-f]{32}\.[\w-]{43}$/);
    expect(expiresAtMs).toBe(clock.wall() + 10 * minute);
    expect(await tokens.redeem(text)).toEqual({
      ...{ id, services: ['web', 'prod|api'], gateways: ['edge'], nodeId: 'n1', expiresAtMs },
    });
    expect(await tokens.redeem(text)).toMatchObject({ refused: 'unauthenticated' });
  });

  it('T4: is redeemed by exactly one of 100 at once', async () => {
    const replicas = Array.from({ length: 4 }, () => createJoinTokens({ store, clock, log }, { trustDomain }));
    const { text, id } = await tokens.create(web);
    const askers = Array.from({ length: 25 }, () => replicas).flat();
    const answers = await Promise.all(askers.map((replica) => replica.redeem(text)));
    expect(answers.filter((answer) => 'id' in answer)).toHaveLength(1);
    expect(
      log.lines.filter(({ message }) => message.includes('two at once')).map(({ fields }) => fields),
    ).toContainEqual({
      token: id,
    });
  });

  it('T4: grants what the store holds, whatever the text says', async () => {
    const { text, id } = await tokens.create(web);
    const { secret = '' } = readJoinToken(text) ?? {};
    const pinned = joinTokenText({ id, secret, pin: 'a'.repeat(64) });
    expect(await tokens.redeem(pinned)).toMatchObject({ services: ['web'], gateways: [] });
  });

  it('T4: tells of a second use by who has the secret, not of a guess', async () => {
    const { text, id } = await tokens.create(web);
    await tokens.redeem(text);
    await tokens.redeem(joinTokenText({ id, secret: 'A'.repeat(43) }));
    const told = () => log.lines.filter(({ message }) => message.includes('second time'));
    expect(told()).toEqual([]);
    await tokens.redeem(text);
    expect(told().map(({ fields }) => fields)).toEqual([{ token: id }]);
  });

  it('lies in the store as a hash only, and in no line of the log (T21)', async () => {
    const { text } = await tokens.create(web);
    const { secret = '' } = readJoinToken(text) ?? {};
    await tokens.redeem(text);
    await tokens.redeem(text);
    const stored = [...store.entries.values()].map(({ value }) => Buffer.from(value).toString()).join();
    expect(stored).toContain('secretHash');
    for (const place of [stored, log.text()]) {
      expect(place).not.toContain(secret);
      expect(place).not.toContain(Buffer.from(secret, 'base64url').toString('hex'));
    }
  });

  it('ends with its time', async () => {
    const { text } = await tokens.create({ ...web, ttlMs: minute });
    clock.advance(minute);
    expect(await tokens.redeem(text)).toMatchObject({ cause: 'expired' });
  });

  it('is revoked by its id', async () => {
    const { text, id } = await tokens.create(web);
    expect(await tokens.revoke(id)).toBe(true);
    expect(await tokens.revoke(id)).toBe(false);
    expect(await tokens.revoke('../join')).toBe(false);
    expect(await tokens.redeem(text)).toMatchObject({ cause: 'unknown-key' });
  });

  it('bears the pin of the authority', async () => {
    const pin = '0123456789abcdef'.repeat(4);
    const { text } = await tokens.create({ ...web, pin });
    expect(readJoinToken(text)?.pin).toBe(pin);
    expect(await tokens.redeem(text)).toMatchObject({ services: ['web'] });
  });
});

describe('what is refused', () => {
  it('has one shape, whatever is wrong', async () => {
    const used = (await tokens.create(web)).text;
    await tokens.redeem(used);
    const expired = (await tokens.create({ ...web, ttlMs: 1000 })).text;
    clock.advance(1000);
    const { id } = await tokens.create(web);
    const texts = [used, expired, '', 'cj1', `${used} `, `${used}\n`, used.toUpperCase(), used.replace('cj1', 'cj2')];
    texts.push(
      joinTokenText({ id, secret: 'A'.repeat(43) }),
      joinTokenText({ id: 'f'.repeat(32), secret: 'A'.repeat(43) }),
    );
    const shapes = new Set<string>();
    for (const text of texts) {
      const answer = await tokens.redeem(text);
      shapes.add(JSON.stringify('refused' in answer ? { ...answer, cause: '' } : answer));
    }
    expect([...shapes]).toEqual([
      '{"refused":"unauthenticated","message":"the caller is not authenticated","cause":""}',
    ]);
    // A wrong secret costs the right one nothing.
    expect(await tokens.list()).toHaveLength(1);
  });

  it('is unavailable where the store cannot be asked', async () => {
    const { text } = await tokens.create(web);
    store.broken = true;
    expect(await tokens.redeem(text)).toMatchObject({ refused: 'unavailable' });
    store.broken = false;
    expect(await tokens.redeem(text)).toMatchObject({ services: ['web'] });
  });

  it('is a record that is not whole', async () => {
    const { text, id } = await tokens.create(web);
    const path = `tokens/join/${id}`;
    const entry = store.entries.get(path);
    const whole = JSON.parse(Buffer.from(entry?.value ?? []).toString()) as Record<string, unknown>;
    for (const member of Object.keys(whole)) {
      const { [member]: _, ...rest } = whole;
      store.entries.set(path, { value: Buffer.from(JSON.stringify(rest)), revision: 'x' });
      expect(await tokens.redeem(text), `without ${member}`).toMatchObject({ refused: 'unauthenticated' });
    }
    expect(await tokens.list(), 'it may be of a newer version').toEqual([]);
    expect(store.entries.has(path)).toBe(true);
  });

  it.each([
    ['no names', { services: [], gateways: [] }],
    ['a name without an id', { services: ['a/b'], gateways: [] }],
    ['too many names', { services: Array.from({ length: 65 }, (_, n) => `s${n}`), gateways: [] }],
    ['no time', { ...web, ttlMs: 0 }],
    ['too long a time', { ...web, ttlMs: 86_400_001 }],
    ['an empty node id', { ...web, nodeId: '' }],
  ])('is a request for %s', async (_, request) => {
    await expect(tokens.create(request)).rejects.toMatchObject({ code: 'CH1833' });
    expect(store.entries.size).toBe(0);
  });
});

it('lists what can be redeemed, without secrets, and forgets what ended', async () => {
  const { id } = await tokens.create({ ...web, ttlMs: 60 * minute });
  const short = await tokens.create({ ...web, ttlMs: minute });
  await tokens.redeem((await tokens.create(web)).text);
  clock.advance(minute);
  expect(await tokens.list()).toEqual([{ id, services: ['web'], gateways: [], expiresAtMs: expect.any(Number) }]);
  expect([...store.entries.keys()].some((key) => key.includes(short.id))).toBe(false);
  clock.advance(24 * 60 * minute);
  expect(await tokens.list()).toEqual([]);
  expect(store.entries.size).toBe(0);
});

it('leaves nothing in the store that ended, though nobody asks for the list', async () => {
  for (let day = 0; day < 3; day++) {
    await tokens.redeem((await tokens.create(web)).text);
    await tokens.create(web);
    clock.advance(24 * 60 * minute);
  }
  expect(store.entries.size).toBe(2);
});

describe('T9: the list of join tokens, for when strangers guess', () => {
  it('knows those that can be redeemed, by their secret, and is read at most once in 5 s', async () => {
    let lists = 0;
    const counting = {
      ...store,
      list: async (prefix: string) => {
        lists++;
        return store.list(prefix);
      },
    };
    const replica = createJoinTokens({ store: counting, clock, log }, { trustDomain });
    const { text, id } = await tokens.create(web);
    expect(await replica.isListed(text)).toBe(true);
    const guesses = [joinTokenText({ id, secret: 'A'.repeat(43) }), 'cj1.x', ''];
    for (const guess of guesses) for (let n = 0; n < 50; n++) expect(await replica.isListed(guess)).toBe(false);
    expect(lists).toBe(1);
    await tokens.redeem(text);
    clock.advance(5_001);
    expect(await replica.isListed(text)).toBe(false);
    // One that was made here is known at once.
    expect(await replica.isListed((await replica.create(web)).text)).toBe(true);
  });
});
