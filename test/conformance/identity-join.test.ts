// One-time tokens and signing keys over every kind of store: of many that want the same, exactly one gets it.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createJoinTokens, type JoinTokens } from '../../src/identity/join-token.ts';
import { createRevocations } from '../../src/identity/revocations.ts';
import { createSigningKeys } from '../../src/identity/signing-keys.ts';
import { createStore, type StoreConfig } from '../../src/store/store.ts';
import { silentLogger } from '../../src/util/log.ts';
import { noMetrics } from '../../src/util/metrics.ts';
import { createSystemClock } from '../../src/util/system-clock.ts';
import { describeWith, startConsul, startEtcd } from '../support/real-parts.ts';
import { createTempDir } from '../support/temp-dir.ts';

const clock = createSystemClock();
const log = silentLogger;
const trustDomain = 'shop.example';

interface Place {
  readonly config: StoreConfig;
  stop(): Promise<void> | void;
}

/** `replicas` have clients of their own, but in memory, where there is only one store. */
function suite(start: () => Promise<Place>): void {
  let place: Place;
  let stores: readonly ReturnType<typeof createStore>[];
  beforeAll(async () => {
    place = await start();
    const { config } = place;
    const first = createStore({ clock }, config);
    stores = [first, ...[1, 2, 3].map(() => (config.kind === 'memory' ? first : createStore({ clock }, config)))];
  });
  afterAll(async () => {
    for (const store of new Set(stores)) store.close();
    await place.stop();
  });

  const replicas = (): readonly JoinTokens[] =>
    stores.map((store) => createJoinTokens({ store, clock, log }, { trustDomain }));

  it('T4: exactly one of 100 redemptions at once gets the grant', async () => {
    const all = replicas();
    const created = await all[0]?.create({ services: ['web'], gateways: [] });
    const askers = Array.from({ length: 25 }, () => all).flat();
    const answers = await Promise.all(askers.map((replica) => replica.redeem(created?.text ?? '')));
    const granted = answers.filter((answer) => 'id' in answer);
    expect(granted).toEqual([expect.objectContaining({ id: created?.id, services: ['web'] })]);
    const refused = answers.filter((answer) => 'refused' in answer);
    expect(new Set(refused.map(({ refused: how }) => how))).toEqual(new Set(['unauthenticated']));
    expect(await all[1]?.list()).toEqual([]);
  });

  it('T4: a token that one replica revoked is redeemed by none', async () => {
    const [one, two] = replicas();
    const created = await one?.create({ services: ['web'], gateways: ['edge'], nodeId: 'n1' });
    expect(await two?.list()).toEqual([expect.objectContaining({ id: created?.id, gateways: ['edge'], nodeId: 'n1' })]);
    expect(await two?.revoke(created?.id ?? '')).toBe(true);
    expect(await one?.redeem(created?.text ?? '')).toMatchObject({ refused: 'unauthenticated' });
  });

  it('replicas that start together sign with one key', async () => {
    const same = { seal: (bytes: Uint8Array) => bytes, open: (bytes: Uint8Array) => bytes };
    const keys = stores.map((store) => createSigningKeys({ store, ...same, clock, log }));
    await Promise.all(keys.map((own) => own.open()));
    expect(new Set(keys.map((own) => own.signer().kid)).size).toBe(1);
  });

  it('T15: what one replica revoked, another reads', async () => {
    const [one, two] = stores.map((store) => createRevocations({ store, clock, log, metrics: noMetrics }));
    await two?.open();
    expect(two?.isRevoked('token', 'a1')).toBe(false);
    await one?.revoke('token', 'a1', clock.wall() + 3_600_000);
    await two?.open();
    expect(two?.isRevoked('token', 'a1')).toBe(true);
  });
}

describe('identity over a store in memory', () => {
  suite(async () => ({ config: { kind: 'memory' }, stop: () => {} }));
});

describe('identity over files', () => {
  suite(async () => {
    const dir = createTempDir('identity-store');
    return { config: { kind: 'files', folder: dir.path }, stop: () => dir.remove() };
  });
});

describeWith(['etcd'], 'identity over a real etcd', () => {
  suite(async () => {
    const etcd = await startEtcd();
    return { config: { kind: 'etcd', prefix: '/chancery/state/', endpoints: [etcd.url] }, stop: () => etcd.kill() };
  });
});

describeWith(['consul'], 'identity over a real Consul', () => {
  suite(async () => {
    const consul = await startConsul();
    return { config: { kind: 'consul', prefix: 'chancery/state/', address: consul.url }, stop: () => consul.kill() };
  });
});
