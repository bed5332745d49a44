// The state-of-the-world variant, rule by rule.
import { describe, expect, it } from 'vitest';
import { createMessages } from '../../../src/xds/responses.ts';
import { createStream, step } from '../../../src/xds/stream.ts';
import { defaultLimits } from '../../../src/xds/stream-state.ts';
import { resource, viewOf } from '../../support/static-views.ts';
import { CDS, drive, EDS, LDS, RDS, SDS } from './driver.ts';

const cluster = (name: string, content = '1') => resource(CDS, name, { content, deps: [{ type: EDS, name }] });
const assignment = (name: string, content = '1') => resource(EDS, name, { content });
const sotw = (resources: Parameters<typeof drive>[0]['resources'] = []) => drive({ variant: 'sotw', resources });

describe('subscriptions', () => {
  it('R23: clusters and listeners always come as the complete set; absence is deletion', () => {
    const driver = sotw([cluster('a'), cluster('b')]);
    expect(driver.sotw(CDS, [])).toEqual(['CDS a b']);
    expect(driver.ack(CDS)).toEqual([]);
    expect(driver.publish([cluster('a'), cluster('b', '2')])).toEqual(['CDS a b']);
    driver.ack(CDS);
    expect(driver.publish([cluster('a')])).toEqual(['CDS a -b']);
    driver.ack(CDS);
    expect(driver.publish([])).toEqual(['CDS -a']);
  });
  it('R23: other types come as what changed', () => {
    const driver = sotw([assignment('a'), assignment('b')]);
    expect(driver.sotw(EDS, ['a', 'b'])).toEqual(['EDS a b']);
    driver.ack(EDS);
    expect(driver.publish([assignment('a', '2'), assignment('b')])).toEqual(['EDS a']);
  });
  it('R22, R24: a new name is sent though nothing changed; a dropped one is not sent any more', () => {
    const driver = sotw([assignment('a'), assignment('b')]);
    driver.sotw(EDS, ['a']);
    driver.ack(EDS);
    expect(driver.sotw(EDS, ['a', 'b'])).toEqual(['EDS b']);
    driver.ack(EDS);
    expect(driver.sotw(EDS, ['b'])).toEqual([]);
    expect(driver.publish([assignment('a', '2'), assignment('b')])).toEqual([]);
  });
  it('R25: unsubscribed and subscribed again at the same version is sent again', () => {
    const driver = sotw([assignment('a')]);
    driver.sotw(EDS, ['a']);
    driver.ack(EDS);
    expect(driver.sotw(EDS, [])).toEqual([]);
    expect(driver.sotw(EDS, ['a'])).toEqual(['EDS a']);
    const named = drive({ variant: 'sotw', resources: [cluster('a'), cluster('b')], legacyWildcard: false });
    named.sotw(CDS, ['a', 'b']);
    named.ack(CDS);
    expect(named.sotw(CDS, ['a'])).toEqual([]);
    expect(named.sotw(CDS, ['a', 'b'])).toEqual(['CDS a b']);
  });
  it('R26: interest in an unknown name is remembered, silently', () => {
    const driver = sotw([]);
    expect(driver.sotw(RDS, ['r'])).toEqual([]);
    expect(driver.publish([resource(RDS, 'r')])).toEqual(['RDS r']);
  });
  it('R34, R36: an empty list is a wildcard for clusters and listeners only, answered even if empty', () => {
    const driver = sotw([]);
    expect(driver.sotw(CDS, [])).toEqual(['CDS']);
    expect(driver.sotw(LDS, [])).toEqual(['LDS']);
    expect([EDS, RDS, SDS].flatMap((type) => driver.sotw(type, []))).toEqual([]);
  });
  it('R22: an empty list after names means nothing, and nothing is sent from then on', () => {
    const driver = sotw([cluster('a')]);
    driver.sotw(CDS, ['a']);
    driver.ack(CDS);
    expect(driver.sotw(CDS, [])).toEqual([]);
    expect(driver.publish([cluster('a', '2')])).toEqual([]);
  });
  it('R27: one stream carries any number of names', () => {
    const names = Array.from({ length: 500 }, (_, index) => `n${String(index).padStart(3, '0')}`);
    const driver = sotw(names.map((name) => assignment(name)));
    driver.sotw(EDS, names);
    expect([...driver.last(EDS).resources.keys()]).toEqual(names);
  });
});

describe('answers', () => {
  it('R6: a nonce of an earlier stream is neither an ACK nor given out again', () => {
    const driver = sotw([cluster('a')]);
    driver.sotw(CDS, []);
    const { nonce } = driver.last(CDS);
    driver.ack(CDS);
    // The next stream of the same server: equal content, and the client still carries the old nonce.
    const next = drive({ variant: 'sotw', resources: [cluster('a')], messages: driverMessages(nonce) });
    expect(next.sotw(CDS, [], { nonce, versionInfo: 'other' })).toEqual(['CDS a']);
    expect(next.last(CDS).nonce).not.toBe(nonce);
    expect(next.notices.filter(({ kind }) => kind === 'ack')).toEqual([]);
  });
  it('R12: an old version_info without error_detail is no NACK, an equal one with it is', () => {
    const driver = sotw([assignment('a')]);
    driver.sotw(EDS, ['a']);
    expect(driver.sotw(EDS, ['a'], { versionInfo: 'old' })).toEqual([]);
    driver.publish([assignment('a', '2')]);
    const { version } = driver.last(EDS);
    driver.sotw(EDS, ['a'], { versionInfo: version, error: { code: 3, message: 'no' } });
    expect(driver.notices.map(({ kind }) => kind)).toEqual(['subscribe', 'sent', 'ack', 'sent', 'nack']);
  });
  it('R13: rejected clusters are replaced by their last good ones, or left out; nothing loops', () => {
    const driver = sotw([cluster('a'), cluster('b')]);
    driver.sotw(CDS, []);
    driver.ack(CDS);
    expect(driver.publish([cluster('a', 'bad'), cluster('b')])).toEqual(['CDS a b']);
    expect(driver.nack(CDS)).toEqual([]);
    // The next change of another cluster carries a at its last good content.
    expect(driver.publish([cluster('a', 'bad'), cluster('b', '2')])).toEqual(['CDS a b']);
    expect(driver.last(CDS).versions.get('a')).toBe(cluster('a').version);
    driver.ack(CDS);
    expect(driver.publish([cluster('a', '3'), cluster('b', '2')])).toEqual(['CDS a b']);
    expect(driver.last(CDS).versions.get('a')).toBe(cluster('a', '3').version);
    const fresh = sotw([cluster('a', 'bad')]);
    fresh.sotw(CDS, []);
    expect(fresh.nack(CDS)).toEqual([]);
    expect(fresh.publish([cluster('a', 'bad'), cluster('b')])).toEqual(['CDS b']);
  });
  it('R14: of several changed clusters the bad one is found and the others arrive', () => {
    const before = ['a', 'b', 'c', 'd'].map((name) => cluster(name));
    const driver = sotw(before);
    driver.sotw(CDS, []);
    driver.ack(CDS);
    let lines = driver.publish(['a', 'b', 'c', 'd'].map((name) => cluster(name, name === 'c' ? 'bad' : '2')));
    let rounds = 0;
    let held = new Map<string, string>();
    while (lines.length > 0 && rounds++ < 10) {
      const { versions } = driver.last(CDS);
      if (versions.get('c') === cluster('c', 'bad').version) lines = driver.nack(CDS);
      else {
        held = new Map(versions);
        lines = driver.ack(CDS);
      }
    }
    expect(rounds).toBeLessThanOrEqual(8);
    expect([...held]).toEqual(
      ['a', 'b', 'c', 'd'].map((name) => [name, cluster(name, name === 'c' ? '1' : '2').version]),
    );
  });
  it('R13: NACK of one resource of several endpoints leaves the others to arrive', () => {
    const driver = sotw([assignment('a'), assignment('b', 'bad')]);
    expect(driver.sotw(EDS, ['a', 'b'])).toEqual(['EDS a b']);
    expect(driver.nack(EDS)).toEqual(['EDS a']);
    expect(driver.ack(EDS)).toEqual(['EDS b']);
    expect(driver.nack(EDS)).toEqual([]);
    expect(driver.publish([assignment('a', '2'), assignment('b', 'bad')])).toEqual(['EDS a']);
  });
  it('R15: a silent NACK (new nonce, old version, no error) is not answered', () => {
    const driver = sotw([assignment('a')]);
    driver.sotw(EDS, ['a']);
    for (let round = 0; round < 3; round++) expect(driver.sotw(EDS, ['a'], { versionInfo: '' })).toEqual([]);
    expect(driver.sent).toHaveLength(1);
  });
  it('R16: nothing is sent to a type whose subscription is empty, and a missing ACK stalls only for a time', () => {
    const driver = sotw([assignment('a')]);
    driver.sotw(EDS, ['a']);
    expect(driver.publish([assignment('a', '2')])).toEqual([]);
    expect(driver.fire(EDS)).toEqual(['EDS a']);
    expect(driver.sotw(EDS, [])).toEqual([]);
    expect(driver.publish([assignment('a', '3')])).toEqual([]);
  });
  it('R16: a NACK that comes after the time limit still pins the content', () => {
    const driver = sotw([resource(RDS, 'r', { content: 'bad' })]);
    driver.sotw(RDS, ['r']);
    driver.event({ kind: 'timeout', timer: RDS });
    driver.nack(RDS);
    expect(driver.notices.at(-1)?.kind).toBe('nack');
    expect(driver.sotw(RDS, [])).toEqual([]);
    expect(driver.sotw(RDS, ['r'])).toEqual([]);
    expect(driver.publish([resource(RDS, 'r', { content: '2' })])).toEqual(['RDS r']);
  });
  it('R18, R21: a request that adds nothing is not answered, and only the newest of several is', () => {
    const driver = sotw([assignment('a'), assignment('b'), assignment('c')]);
    driver.sotw(EDS, ['a']);
    const { nonce } = driver.last(EDS);
    expect(driver.sotw(EDS, ['a', 'b'], { nonce: '' })).toEqual([]);
    expect(driver.sotw(EDS, ['a', 'c'], { nonce: '' })).toEqual([]);
    expect(driver.sotw(EDS, ['a', 'c'], { nonce })).toEqual(['EDS c']);
    driver.ack(EDS);
    expect(driver.sotw(EDS, ['a', 'c'])).toEqual([]);
  });
  it('R19: a stale nonce is no ACK but its names count', () => {
    const driver = sotw([assignment('a'), assignment('b')]);
    driver.sotw(EDS, ['a']);
    const stale = driver.last(EDS).nonce;
    driver.ack(EDS);
    driver.publish([assignment('a', '2'), assignment('b')]);
    expect(driver.sotw(EDS, ['a', 'b'], { nonce: stale })).toEqual([]);
    expect(driver.sotw(EDS, ['a', 'b'], { nonce: stale, error: { code: 3, message: 'old' } })).toEqual([]);
    expect(driver.ack(EDS)).toEqual(['EDS b']);
    expect(driver.notices.filter(({ kind }) => kind === 'nack')).toEqual([]);
  });
  it('R7: version_info is a hash of the content: equal on every replica, whatever the history', () => {
    const one = sotw([cluster('a'), cluster('b')]);
    one.sotw(CDS, []);
    const two = sotw([cluster('b')]);
    two.sotw(CDS, []);
    two.ack(CDS);
    two.publish([cluster('b'), cluster('a')]);
    expect(two.last(CDS).version).toBe(one.last(CDS).version);
  });
});

describe('what streams of one view share', () => {
  it.each(['sotw', 'delta'] as const)('%s: one message, and one record of what they hold', (variant) => {
    const messages = createMessages('test', 'e');
    const view = viewOf(['a', 'b', 'c'].map((name) => cluster(name)));
    const streams = [1, 2].map(() => createStream({ ...streamOptions(variant), view, messages }));
    const take = (event: Parameters<typeof step>[1]): unknown[] =>
      streams.map((stream) =>
        step(stream, event).flatMap((effect) => (effect.kind === 'send' ? [effect.message] : [])),
      );
    const request = { typeUrl: CDS, error: undefined, node: undefined, versionInfo: '', names: [] };
    const lists = { subscribe: [], unsubscribe: [], versions: new Map<string, string>() };
    const ask = (nonce: string): unknown[] =>
      take({ kind: 'request', request: { ...request, ...lists, variant: variant as 'sotw', nonce } });
    const [one, two] = ask('').flat();
    expect(two).toBe(one);
    ask('e-1');
    const held = streams.map(({ types }) => types.get(CDS)?.holdings);
    expect(held.map((holdings) => holdings?.size)).toEqual([3, 3]);
    expect(held[0]?.base).toBe(held[1]?.base);
    expect(held[0]?.exceptions).toBe(undefined);
  });
  it('a stream with an exception gets a set of its own, and the common one again when it has none', () => {
    const messages = createMessages('test', 'e');
    const [usual, odd] = [1, 2].map(() => drive({ variant: 'sotw', resources: [cluster('a')], messages }));
    for (const driver of [usual, odd]) {
      driver?.sotw(CDS, []);
      driver?.ack(CDS);
    }
    for (const driver of [usual, odd]) driver?.publish([cluster('a', 'bad')]);
    usual?.ack(CDS);
    odd?.nack(CDS);
    const next = [cluster('a', 'bad'), cluster('b')];
    for (const driver of [usual, odd]) expect(driver?.publish(next)).toEqual(['CDS a b']);
    expect(odd?.last(CDS).versions.get('a')).toBe(cluster('a').version);
    expect(usual?.last(CDS).versions.get('a')).toBe(cluster('a', 'bad').version);
    for (const driver of [usual, odd]) {
      driver?.ack(CDS);
      driver?.publish([cluster('a', 'good'), cluster('b')]);
      driver?.ack(CDS);
    }
    expect(odd?.last(CDS)).toBe(usual?.last(CDS));
  });
});

describe('reconnect', () => {
  it('R40: endpoints of a cluster nobody knows are answered with an empty assignment', () => {
    const driver = sotw([assignment('a')]);
    expect(driver.sotw(EDS, ['a', 'x'])).toEqual(['EDS a x']);
    expect(Buffer.from(driver.last(EDS).resources.get('x')?.bytes ?? []).toString('latin1')).toBe('\n\x01x');
    driver.ack(EDS);
    expect(driver.publish([assignment('a'), assignment('x')])).toEqual(['EDS x']);
  });
  it('R41: an equal version_info on a lone wildcard is not answered, a different one or a named one is', () => {
    const all = [cluster('a'), cluster('b')];
    const first = sotw(all);
    first.sotw(CDS, []);
    const { version: versionInfo } = first.last(CDS);
    const driver = sotw(all);
    expect(driver.sotw(CDS, [], { versionInfo, nonce: 'old' })).toEqual([]);
    expect(driver.publish([cluster('a'), cluster('b', '2')])).toEqual(['CDS a b']);
    expect(sotw(all).sotw(CDS, [], { versionInfo: 'other' })).toEqual(['CDS a b']);
    expect(sotw(all).sotw(CDS, ['a', 'b'], { versionInfo })).toEqual(['CDS a b']);
    expect(sotw([assignment('a')]).sotw(EDS, ['a'], { versionInfo })).toEqual(['EDS a']);
  });
});

function driverMessages(nonce: string) {
  const messages = createMessages('test', 'e');
  // Brings the shared messages to the state in which `nonce` was given out.
  expect(messages.sotw({ type: CDS, resources: [cluster('a')], removed: [] }, 0).nonce).toBe(nonce);
  return messages;
}

function streamOptions(variant: 'sotw' | 'delta') {
  return { variant, aggregated: true, legacyWildcard: true, limits: defaultLimits };
}
