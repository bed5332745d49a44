// The delta variant, rule by rule.
import { describe, expect, it } from 'vitest';
import { resource } from '../../support/static-views.ts';
import { CDS, drive, EDS, LDS, RDS, SDS } from './driver.ts';

const cluster = (name: string, content = '1') => resource(CDS, name, { content, deps: [{ type: EDS, name }] });
const assignment = (name: string, content = '1') => resource(EDS, name, { content });
const delta = (resources: Parameters<typeof drive>[0]['resources'] = []) => drive({ variant: 'delta', resources });

describe('subscriptions', () => {
  it('R28: a wildcard client gets all and then only what changes', () => {
    const a = cluster('a');
    const driver = delta([a, cluster('b')]);
    expect(driver.delta(CDS)).toEqual(['CDS a b']);
    expect(driver.ack(CDS)).toEqual([]);
    expect(driver.publish([a, cluster('b', '2')])).toEqual(['CDS b']);
    expect(driver.ack(CDS)).toEqual([]);
    expect(driver.publish([a])).toEqual(['CDS -b']);
  });
  it('R29: a subscribed name is answered even if the client has it', () => {
    const driver = delta([assignment('a')]);
    expect(driver.delta(EDS, { subscribe: ['a'] })).toEqual(['EDS a']);
    driver.ack(EDS);
    expect(driver.delta(EDS, { subscribe: ['a'] })).toEqual(['EDS a']);
  });
  it('F11: a stream that subscribes without end is ended', () => {
    const driver = drive({ variant: 'delta', limits: { maxNames: 3 } });
    driver.delta(EDS, { subscribe: ['a', 'b'] });
    driver.delta(RDS, { subscribe: ['c'] });
    driver.delta(EDS, { subscribe: ['d'], unsubscribe: ['a'] });
    expect(driver.effects.some(({ kind }) => kind === 'end')).toBe(false);
    expect(driver.delta(EDS, { subscribe: ['e'] })).toEqual([]);
    expect(driver.effects.at(-1)).toMatchObject({ kind: 'end', code: 'resource-exhausted' });
  });
  it('F11: a stream that subscribes to names without end is ended, however few they are', () => {
    for (const variant of ['delta', 'sotw'] as const) {
      const driver = drive({ variant, limits: { maxNameCharacters: 10 } });
      const ask = (type: typeof EDS | typeof RDS, subscribe: readonly string[], unsubscribe: readonly string[]): void =>
        void (variant === 'delta' ? driver.delta(type, { subscribe, unsubscribe }) : driver.sotw(type, subscribe));
      const ended = (): boolean => driver.effects.some(({ kind }) => kind === 'end');
      ask(EDS, ['aaaa', 'bb'], []);
      ask(RDS, ['cccc'], []);
      ask(EDS, ['dddd', 'bb'], ['aaaa']);
      expect(ended()).toBe(false);
      ask(EDS, ['dddd', 'bb', 'e'], []);
      expect(driver.effects.at(-1)).toMatchObject({ kind: 'end', code: 'resource-exhausted' });
    }
  });
  it('R30: superfluous unsubscribes are ignored, a pure unsubscribe is not answered', () => {
    const driver = delta([assignment('a')]);
    driver.delta(EDS, { subscribe: ['a'] });
    driver.ack(EDS);
    expect(driver.delta(EDS, { unsubscribe: ['b', 'a'] })).toEqual([]);
    expect(driver.publish([assignment('a', '2')])).toEqual([]);
  });
  it('R31: an absent name is removed at once, stays subscribed, and is sent when it is created', () => {
    const driver = delta([]);
    expect(driver.delta(RDS, { subscribe: ['r'] })).toEqual(['RDS -r']);
    driver.ack(RDS);
    expect(driver.publish([resource(RDS, 'r')])).toEqual(['RDS r']);
  });
  it('R32: what is not subscribed is never sent', () => {
    const driver = delta([assignment('a')]);
    driver.delta(EDS, { subscribe: ['a'] });
    driver.ack(EDS);
    expect(driver.publish([assignment('a'), assignment('b')])).toEqual([]);
  });
  it('R33: aliases are not used: a name matches itself only', () => {
    const driver = delta([resource(RDS, 'main')]);
    expect(driver.delta(RDS, { subscribe: ['main/host'] })).toEqual(['RDS -main/host']);
  });
  it('R34: a legacy wildcard exists for clusters and listeners only, and not for gRPC clients', () => {
    const all = [cluster('a'), assignment('a'), resource(LDS, 'l'), resource(RDS, 'r'), resource(SDS, 's')];
    const envoy = delta(all);
    expect([CDS, LDS, EDS, RDS, SDS].flatMap((type) => envoy.delta(type))).toEqual(['CDS a', 'LDS l']);
    const grpc = drive({ variant: 'delta', resources: all, legacyWildcard: false });
    expect([CDS, LDS].flatMap((type) => grpc.delta(type))).toEqual([]);
    expect(grpc.delta(CDS, { subscribe: ['*'] })).toEqual(['CDS a']);
  });
  it('R35: unsubscribing a name beside the wildcard is answered with the resource or its removal', () => {
    const driver = delta([cluster('a')]);
    expect(driver.delta(CDS, { subscribe: ['*', 'a', 'x'] })).toEqual(['CDS a -x']);
    driver.ack(CDS);
    expect(driver.delta(CDS, { unsubscribe: ['a', 'x'] })).toEqual(['CDS a -x']);
  });
  it('R36: a first wildcard request is answered even if there is nothing', () => {
    const driver = delta([]);
    expect(driver.delta(CDS)).toEqual(['CDS']);
    expect(driver.ack(CDS)).toEqual([]);
    expect(driver.delta(LDS, { subscribe: ['*'] })).toEqual(['LDS']);
  });
});

describe('answers', () => {
  it('R4, R7: a response never has a name twice, and every resource its name and version', () => {
    const driver = delta([assignment('a')]);
    driver.delta(EDS, { subscribe: ['a', 'b', 'a', 'b'] });
    const { resources, removed, versions } = driver.last(EDS);
    expect([...resources.keys(), ...removed]).toEqual(['a', 'b']);
    expect(versions.get('a')).toBe(assignment('a').version);
  });
  it('R6: nonces are never empty and never repeat on a stream', () => {
    const driver = delta([assignment('a')]);
    for (let round = 0; round < 5; round++) {
      driver.delta(EDS, { subscribe: ['a'] });
      driver.ack(EDS);
    }
    const nonces = driver.sent.map(({ nonce }) => nonce);
    expect(nonces).toHaveLength(5);
    expect(new Set(nonces).size).toBe(5);
    expect(nonces).not.toContain('');
  });
  it('R13: after a NACK of one resource nothing is sent until its content changes', () => {
    const driver = delta([assignment('a')]);
    driver.delta(EDS, { subscribe: ['a'] });
    driver.ack(EDS);
    expect(driver.publish([assignment('a', 'bad')])).toEqual(['EDS a']);
    expect(driver.nack(EDS)).toEqual([]);
    expect(driver.publish([assignment('a', 'bad'), assignment('b')])).toEqual([]);
    expect(driver.publish([assignment('a', '3')])).toEqual(['EDS a']);
  });
  it('R13: subscription changes in a NACK count', () => {
    const driver = delta([assignment('a'), assignment('b')]);
    driver.delta(EDS, { subscribe: ['a'] });
    const { nonce } = driver.last(EDS);
    expect(driver.delta(EDS, { nonce, error: { code: 3, message: 'no' }, subscribe: ['b'] })).toEqual(['EDS b']);
  });
  it('R13: a rejected name subscribed again is answered with its last good content, or as removed', () => {
    const driver = delta([assignment('a')]);
    driver.delta(EDS, { subscribe: ['a'] });
    driver.ack(EDS);
    driver.publish([assignment('a', 'bad')]);
    driver.nack(EDS);
    expect(driver.delta(EDS, { subscribe: ['a'] })).toEqual(['EDS a']);
    expect(driver.last(EDS).versions.get('a')).toBe(assignment('a').version);
    const fresh = delta([assignment('a', 'bad')]);
    fresh.delta(EDS, { subscribe: ['a'] });
    fresh.nack(EDS);
    expect(fresh.delta(EDS, { subscribe: ['a'] })).toEqual(['EDS -a']);
  });
  it('R14: the valid rest of a rejected response arrives, the bad one is found and left alone', () => {
    const names = ['a', 'b', 'c', 'd', 'e'];
    const driver = delta(names.map((name) => cluster(name, name === 'd' ? 'bad' : '1')));
    const accepted = new Set<string>();
    let lines = driver.delta(CDS);
    let rounds = 0;
    while (lines.length > 0 && rounds++ < 20) {
      const sent = [...driver.last(CDS).resources.keys()];
      if (sent.includes('d')) lines = driver.nack(CDS);
      else {
        for (const name of sent) accepted.add(name);
        lines = driver.ack(CDS);
      }
    }
    expect([...accepted].sort()).toEqual(['a', 'b', 'c', 'e']);
    expect(rounds).toBeLessThanOrEqual(2 * names.length);
  });
  it('R14: a name the client quotes is tried apart', () => {
    const driver = delta([cluster('alpha'), cluster('beta'), cluster('gamma', 'bad')]);
    driver.delta(CDS);
    expect(driver.nack(CDS, 'Error adding/updating cluster(s) gamma: no')).toEqual(['CDS alpha beta']);
    expect(driver.ack(CDS)).toEqual(['CDS gamma']);
    expect(driver.nack(CDS)).toEqual([]);
  });
  it('R18, R21: a request that adds nothing is not answered; one message is on its way at a time', () => {
    const driver = delta([assignment('a'), assignment('b'), assignment('c')]);
    driver.delta(EDS, { subscribe: ['a'] });
    expect(driver.delta(EDS, { subscribe: ['b'] })).toEqual([]);
    expect(driver.delta(EDS, { subscribe: ['c'] })).toEqual([]);
    expect(driver.ack(EDS)).toEqual(['EDS b c']);
    expect(driver.delta(EDS)).toEqual([]);
  });
  it('R20: a stale or unknown nonce is no ACK, but its subscription changes count', () => {
    const driver = delta([assignment('a'), assignment('b')]);
    driver.delta(EDS, { subscribe: ['a'] });
    expect(driver.delta(EDS, { nonce: 'gone', subscribe: ['b'] })).toEqual([]);
    expect(driver.delta(EDS, { nonce: 'gone', error: { code: 3, message: 'old' } })).toEqual([]);
    expect(driver.ack(EDS)).toEqual(['EDS b']);
    expect(driver.notices.filter(({ kind }) => kind === 'nack')).toEqual([]);
  });
});

describe('reconnect', () => {
  const versions = (...list: readonly { name: string; version: string }[]) =>
    new Map(list.map(({ name, version }) => [name, version]));
  it('R37, R38: equal versions are not sent, unequal ones are, vanished ones are removed, unlisted ones sent', () => {
    const [same, fresh] = [cluster('same'), cluster('fresh')];
    const driver = delta([same, cluster('changed', '2'), fresh]);
    const held = versions(same, cluster('changed', '1'), cluster('gone'));
    expect(driver.delta(CDS, { versions: held })).toEqual(['CDS changed fresh']);
    driver.ack(CDS);
    // The removal waits until the listeners of this client are known to need it no more.
    expect(driver.delta(LDS)).toEqual(['LDS']);
    expect(driver.ack(LDS)).toEqual(['CDS -gone']);
  });
  it('R38: a client that has everything gets nothing for listeners and clusters', () => {
    const all = [cluster('a'), cluster('b'), resource(LDS, 'l')];
    const driver = delta(all);
    expect(driver.delta(CDS, { versions: versions(cluster('a'), cluster('b')) })).toEqual([]);
    expect(driver.delta(LDS, { versions: versions(resource(LDS, 'l')) })).toEqual([]);
    expect(driver.publish([cluster('a'), cluster('b', '2'), resource(LDS, 'l')])).toEqual(['CDS b']);
  });
  it('R39: named types are answered in full, whatever the versions say', () => {
    const driver = delta([assignment('a'), assignment('b')]);
    const held = versions(assignment('a'), assignment('b'));
    expect(driver.delta(EDS, { subscribe: ['a', 'b'], versions: held })).toEqual(['EDS a b']);
  });
  it('R40: endpoints asked for before clusters, for a cluster nobody knows, are answered', () => {
    const driver = delta([assignment('a')]);
    expect(driver.delta(EDS, { subscribe: ['a', 'x'] })).toEqual(['EDS a -x']);
  });
});
