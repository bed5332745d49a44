// Roots of an authority outside: told before they sign, kept over restarts and between replicas, never made here.
import { randomBytes, sign } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { intermediateRequest } from '../../../src/ca/csr.ts';
import { seal, unseal } from '../../../src/ca/envelope.ts';
import { createForeignRoots, type ForeignRoots } from '../../../src/ca/foreign-roots.ts';
import { createIntermediates } from '../../../src/ca/intermediates.ts';
import { generateKeyPair } from '../../../src/ca/x509.ts';
import { AppError } from '../../../src/util/errors.ts';
import { silentLogger } from '../../../src/util/log.ts';
import { noMetrics } from '../../../src/util/metrics.ts';
import { createFakeClock } from '../../support/fake-clock.ts';
import { createAuthorityInMemory, makeRoot } from '../../support/foreign-authority.ts';
import { createMemoryStore } from './memory-store.ts';

const trustDomain = 'mesh.example';
const minute = 60_000;
const hour = 60 * minute;
const limits = { startMs: minute, holdMs: 2 * minute, patienceMs: hour, leavingMs: 70 * minute };

function setUp() {
  const clock = createFakeClock();
  const authority = createAuthorityInMemory(clock);
  const store = createMemoryStore();
  const key = randomBytes(32);
  const fleet = { confirms: true };
  const replica = (sealKey = key): ForeignRoots => {
    const placeOf = (path: string) => ({ path, trustDomain, generation: 1 });
    return createForeignRoots(
      {
        ...{ clock, log: silentLogger, metrics: noMetrics, authority, store },
        seal: async (plain, path) => seal(sealKey, placeOf(path), plain),
        unseal: async (sealed, path) => unseal(sealKey, placeOf(path), sealed),
        confirmed: async () => fleet.confirms,
      },
      { ...limits, kind: 'test', trustDomain },
    );
  };
  return { clock, authority, store, fleet, replica };
}

function ask(provider: ForeignRoots, lifeMs = 24 * hour) {
  const { publicKey, privateKey } = generateKeyPair();
  const prove = (bytes: Uint8Array): Uint8Array => sign('sha256', bytes, privateKey);
  return provider.signIntermediate({ publicKey, lifeMs, prove });
}
const ids = async (provider: ForeignRoots): Promise<readonly string[]> =>
  (await provider.reload()).roots.map(({ keyId }) => keyId);
const failing = (code: string) => expect.objectContaining({ code, retryable: true });

describe('roots of an authority outside', () => {
  it('are told from the first moment, and sign at once where there was nothing before', async () => {
    const { clock, authority, replica } = setUp();
    const provider = replica();
    await expect(ask(provider)).rejects.toThrow('open()');
    const { roots, generation } = await provider.open();
    expect(roots.map(({ keyId }) => keyId)).toEqual([authority.signs.keyId]);
    expect(generation).toBe(1);
    expect(await ask(provider)).toMatchObject({ chain: [], notAfterMs: clock.wall() + 24 * hour });
  });

  it.each([
    ['confirmed after two minutes', true, 2 * minute],
    ['not confirmed after an hour', false, hour],
  ])('that follow are told first: used when %s', async (_, confirms, waitMs) => {
    const { clock, authority, fleet, replica } = setUp();
    const provider = replica();
    await provider.open();
    await ask(provider);
    const [old, next] = [authority.signs, makeRoot(clock.wall())];
    authority.roots.push(next);
    expect(await ids(provider)).toEqual([old.keyId, next.keyId]);
    authority.signs = next;
    fleet.confirms = confirms;
    expect((await ids(provider))[0]).toBe(old.keyId);
    const { asked } = authority;
    await expect(ask(provider)).rejects.toThrow(failing('CH1878'));
    // It said so already: no certificate is made in vain.
    expect(authority.asked).toBe(asked);
    clock.setWall(clock.wall() + waitMs - 1);
    expect((await ids(provider))[0]).toBe(old.keyId);
    clock.setWall(clock.wall() + 1);
    expect(await ids(provider)).toEqual([next.keyId, old.keyId]);
    await ask(provider);
    // Gone upstream, it stays until what it signed was replaced.
    authority.roots = [next];
    expect(await ids(provider)).toEqual([next.keyId, old.keyId]);
    clock.setWall(clock.wall() + limits.leavingMs - 1);
    expect(await ids(provider)).toEqual([next.keyId, old.keyId]);
    clock.setWall(clock.wall() + 1);
    expect(await ids(provider)).toEqual([next.keyId]);
  });

  it.each([
    ['tells', true],
    ['does not tell', false],
  ])(
    'exchanged at once by an authority that %s which one signs: both are told, and the new one signs later',
    async (_, tells) => {
      const { clock, authority, replica } = setUp();
      authority.tells = tells;
      const provider = replica();
      await provider.open();
      await ask(provider);
      const [old, next] = [authority.signs, makeRoot(clock.wall())];
      authority.roots = [next];
      authority.signs = next;
      // Nobody looked in between: the certificate is of a root that nobody was told of.
      await expect(ask(provider)).rejects.toThrow(failing('CH1878'));
      expect(await ids(provider)).toEqual([old.keyId, next.keyId]);
      clock.setWall(clock.wall() + limits.holdMs);
      expect(await ids(provider)).toEqual([next.keyId, old.keyId]);
      await ask(provider);
    },
  );

  it('are used without more waiting when what signs is about to end', async () => {
    const { clock, authority, fleet, replica } = setUp();
    const provider = replica();
    await provider.open();
    fleet.confirms = false;
    const { notAfterMs } = await ask(provider, 30 * minute);
    const next = makeRoot(clock.wall());
    authority.roots = [next];
    authority.signs = next;
    await ids(provider);
    clock.setWall(notAfterMs - limits.holdMs - 1000);
    expect((await ids(provider))[0]).not.toBe(next.keyId);
    clock.setWall(notAfterMs - limits.holdMs);
    expect((await ids(provider))[0]).toBe(next.keyId);
  });

  it('are remembered for replicas and restarts, which wait as long where another one signs now', async () => {
    const { clock, authority, replica } = setUp();
    await replica().open();
    const [old, next] = [authority.signs, makeRoot(clock.wall())];
    authority.roots = [next];
    authority.signs = next;
    const restarted = replica();
    expect((await restarted.open()).roots.map(({ keyId }) => keyId)).toEqual([next.keyId, old.keyId]);
    let done = false;
    const pending = ask(restarted).then((given) => {
      done = true;
      return given;
    });
    await clock.advanceAsync(limits.startMs - 1);
    expect(done).toBe(false);
    await clock.advanceAsync(1);
    await pending;
    // By now others were told too.
    const other = replica();
    expect((await other.open()).roots.map(({ keyId }) => keyId)).toEqual([next.keyId, old.keyId]);
    await ask(other);
  });

  it('are agreed on by replicas that start at once', async () => {
    const { authority, clock, replica } = setUp();
    authority.roots.push(makeRoot(clock.wall()));
    const opened = await Promise.all(Array.from({ length: 5 }, () => replica().open()));
    for (const { roots } of opened) expect(roots).toEqual(opened[0]?.roots);
  });

  it('are not taken from a store that somebody else wrote', async () => {
    const { store, clock, authority, replica } = setUp();
    await replica().open();
    const stranger = setUp();
    stranger.authority.roots = [makeRoot(clock.wall())];
    stranger.authority.signs = stranger.authority.roots[0] ?? authority.signs;
    await stranger.replica().open();
    const [[path, planted] = ['', new Uint8Array()]] = [...stranger.store.values];
    const before = store.values.get(path);
    store.values.set(path, planted);
    await expect(replica().open()).rejects.toThrow('[CH1806]');
    store.values.set(path, Buffer.from('[]'));
    await expect(replica().open()).rejects.toThrow('[CH1807]');
    store.values.set(path, before ?? planted);
    await replica().open();
    expect(Buffer.concat(store.offered).includes(Buffer.from(authority.signs.certificate).toString('base64'))).toBe(
      false,
    );
  });

  it('stay when the authority cannot be asked, gives none, or gives garbage', async () => {
    const { authority, clock, replica } = setUp();
    const provider = replica();
    await provider.open();
    const before = await ids(provider);
    authority.failure = new AppError('CH1873', 'no answer', { retryable: true });
    expect(await ids(provider)).toEqual(before);
    await expect(ask(provider)).rejects.toThrow(failing('CH1873'));
    await expect(replica().open()).rejects.toThrow(failing('CH1873'));
    authority.failure = undefined;
    const [old] = authority.roots;
    for (const roots of [
      [],
      [{ ...makeRoot(clock.wall()), certificate: Buffer.from('<html>') }],
      [makeRoot(clock.wall(), { trustDomain: 'other.example' })],
    ]) {
      authority.roots = roots;
      expect(await ids(provider)).toEqual(before);
      await expect(replica().open()).rejects.toThrow(failing('CH1875'));
    }
    // One that cannot be used is no reason to do without the others.
    authority.roots = [makeRoot(clock.wall(), { lifeMs: -1000 }), ...(old === undefined ? [] : [old])];
    expect(await ids(provider)).toEqual(before);
    await ask(provider);
  });

  it('give nothing to sign with where what comes back is of another key, of another root, or garbage', async () => {
    const { authority, clock, replica } = setUp();
    const provider = replica();
    await provider.open();
    const stranger = createAuthorityInMemory(clock);
    const pair = generateKeyPair();
    const foreign = await stranger.sign(
      {
        ...{ publicKey: pair.publicKey, lifeMs: hour },
        request: () => {
          const prove = (bytes: Uint8Array): Uint8Array => sign('sha256', bytes, pair.privateKey);
          return intermediateRequest({ publicKey: pair.publicKey, prove, trustDomain });
        },
      },
      [],
    );
    const answers = [
      () => foreign,
      (given: typeof foreign) => ({ ...given, certificate: Buffer.from('no') }),
      (given: typeof foreign) => ({ ...given, chain: [Buffer.from('no')] }),
    ];
    for (const instead of answers) {
      authority.instead = instead;
      await expect(ask(provider)).rejects.toThrow(failing('CH1871'));
    }
    authority.instead = undefined;
    const { signs } = authority;
    authority.tells = false;
    authority.signs = makeRoot(clock.wall());
    await expect(ask(provider)).rejects.toThrow(failing('CH1871'));
    expect(await ids(provider)).toEqual([signs.keyId]);
  });

  it('sign under the authority of a replica: shorter lives are taken, and failures leave the old one in use', async () => {
    const { clock, authority, replica } = setUp();
    const random = (): number => 0.5;
    const deps = { clock, random, log: silentLogger, metrics: noMetrics, provider: replica() };
    const intermediates = createIntermediates(deps, { lifeMs: 24 * hour });
    authority.mostMs = hour;
    await intermediates.open();
    const first = intermediates.current();
    expect(first.notAfterMs).toBe(clock.wall() + hour);
    const stop = new AbortController();
    const kept = intermediates.keep(stop.signal);
    authority.failure = new AppError('CH1873', 'no answer', { retryable: true });
    await clock.advanceAsync(35 * minute);
    expect(intermediates.current()).toBe(first);
    authority.failure = undefined;
    await clock.advanceAsync(5 * minute);
    expect(intermediates.current()).not.toBe(first);
    stop.abort();
    await clock.advanceAsync(minute);
    await kept;
  });

  it('that follow reach the replica in order: bundle, then intermediate, once each', async () => {
    const { clock, authority, replica } = setUp();
    const deps = { clock, random: () => 0.5, log: silentLogger, metrics: noMetrics, provider: replica() };
    const intermediates = createIntermediates(deps, { lifeMs: 24 * hour });
    await intermediates.open();
    const old = authority.signs.keyId;
    const seen: string[] = [];
    intermediates.onRoots(({ roots }) =>
      seen.push(
        `${roots.map(({ keyId }) => (keyId === old ? 'old' : 'new')).join('+')} by ${intermediates.current().root === old ? 'old' : 'new'}`,
      ),
    );
    const stop = new AbortController();
    const kept = intermediates.keep(stop.signal);
    const next = makeRoot(clock.wall());
    authority.roots = [next];
    authority.signs = next;
    for (let minutes = 0; minutes < 90; minutes++) await clock.advanceAsync(minute);
    expect(seen).toEqual(['old+new by old', 'new+old by new', 'new by new']);
    expect(authority.asked).toBe(2);
    stop.abort();
    await clock.advanceAsync(minute);
    await kept;
  });
});
