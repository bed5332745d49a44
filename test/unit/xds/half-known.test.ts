// What a client holds that the server cannot be sure of: after refusals, after a reconnect, before the first ACK.
// Each case was found by the model tests (test/property/xds) and shrunk by hand.
import { describe, expect, it } from 'vitest';
import type { Resource, ResourceRef } from '../../../src/resources/resource.ts';
import type { TypeUrl } from '../../../src/resources/type-urls.ts';
import { resource } from '../../support/static-views.ts';
import { CDS, type Driver, drive, EDS, LDS, RDS, SDS } from './driver.ts';

type Variant = 'sotw' | 'delta';
const variants = ['sotw', 'delta'] as const;

const cluster = (name: string, content = '1'): Resource =>
  resource(CDS, name, { content, deps: [{ type: EDS, name }] });
const endpoints = (name: string, content = '1'): Resource => resource(EDS, name, { content });
const listener = (route: string, content = '1'): Resource =>
  resource(LDS, 'in', { content: `${route} ${content}`, deps: [{ type: RDS, name: route }] });
const table = (name: string, clusters: readonly string[], content = '1'): Resource =>
  resource(RDS, name, {
    content: `${clusters.join()} ${content}`,
    deps: clusters.map((one): ResourceRef => ({ type: CDS, name: one })),
  });

function ask(driver: Driver, type: TypeUrl, names: readonly string[]): string[] {
  return driver.options.variant === 'sotw' ? driver.sotw(type, names) : driver.delta(type, { subscribe: names });
}

/** A client that took everything it was sent. */
function settled(variant: Variant, resources: readonly Resource[], asked: { eds: string[]; rds: string[] }): Driver {
  const driver = drive({ variant, resources });
  for (const [type, names] of [
    [CDS, []],
    [EDS, asked.eds],
    [LDS, []],
    [RDS, asked.rds],
  ] as const) {
    ask(driver, type, names);
    driver.ack(type);
  }
  return driver;
}

describe('a first answer', () => {
  it.each(variants)('R44: %s: waits for clusters that are still on their way', (variant) => {
    const driver = drive({ variant, resources: [cluster('a'), listener('main'), table('main', ['a'])] });
    expect(ask(driver, CDS, [])).toEqual(['CDS a']);
    expect(ask(driver, LDS, [])).toEqual([]);
    expect(driver.ack(CDS)).toEqual(['LDS in']);
  });
  it('R40: of a type the client had nothing of waits for clusters, if another type tells that it comes back', () => {
    const driver = drive({ variant: 'delta', resources: [cluster('a'), listener('main'), table('main', ['a'])] });
    driver.delta(LDS, { versions: new Map([['in', listener('main').version]]) });
    expect(driver.delta(RDS, { subscribe: ['main'] })).toEqual([]);
    driver.delta(CDS);
    expect(driver.ack(CDS)).toEqual(['RDS main']);
  });
});

describe('a rejected branch keeps what it needs', () => {
  it.each(variants)('R45: %s: the clusters of the route that a rejected listener keeps', (variant) => {
    const before = [cluster('a'), endpoints('a'), listener('main'), table('main', ['a'])];
    const driver = settled(variant, before, { eds: ['a'], rds: ['main'] });
    driver.publish([cluster('b'), endpoints('b'), listener('side'), table('side', ['b'])]);
    expect(driver.ack(CDS)).toContain('LDS in');
    expect(driver.nack(LDS)).toEqual([]);
    expect(driver.timers.size).toBe(0);
    expect(driver.sent.every(({ removed }) => !removed.includes('a'))).toBe(true);
  });
  it.each(variants)('R13: %s: a listener does not move to a route configuration that was rejected', (variant) => {
    const before = [cluster('a'), endpoints('a'), listener('main'), table('main', ['a']), table('side', ['a'], 'bad')];
    const driver = settled(variant, before.slice(0, 4), { eds: ['a'], rds: ['main', 'side'] });
    driver.publish(before);
    driver.nack(RDS);
    const moved = [cluster('a'), endpoints('a'), listener('side'), table('main', ['a']), table('side', ['a'], 'bad')];
    expect(driver.publish(moved)).toEqual([]);
    const mended = moved.map((item) => (item.name === 'side' ? table('side', ['a'], 'good') : item));
    expect(driver.publish(mended)).toEqual(['LDS in', 'RDS side']);
  });
  it('R45: sotw: a route the client brought along, of content that nobody knows, keeps every cluster', () => {
    const before = [cluster('a'), listener('main'), table('main', ['a'], 'bad')];
    const driver = drive({ variant: 'sotw', resources: before });
    driver.sotw(CDS, [], { versionInfo: 'old' });
    driver.ack(CDS);
    driver.sotw(LDS, [], { versionInfo: 'old' });
    driver.ack(LDS);
    driver.sotw(RDS, ['main'], { versionInfo: 'old' });
    driver.nack(RDS);
    expect(driver.publish([cluster('b'), listener('main'), table('main', ['b'], 'bad')])).toEqual(['CDS a b']);
    driver.ack(CDS);
    driver.nack(RDS);
    expect(driver.timers.size).toBe(0);
    expect(driver.sent.every(({ removed }) => !removed.includes('a'))).toBe(true);
  });
  it.each(variants)('R44: %s: a route the client brought along does not move to a rejected cluster', (variant) => {
    const driver = drive({ variant, resources: [cluster('a'), cluster('b', 'bad'), table('main', ['b'])] });
    const versions = new Map([['main', 'old']]);
    if (variant === 'sotw') driver.sotw(CDS, [], { versionInfo: 'old' });
    else driver.delta(CDS, { versions: new Map([['a', cluster('a').version]]) });
    if (variant === 'sotw') driver.sotw(RDS, ['main'], { versionInfo: 'old' });
    else driver.delta(RDS, { subscribe: ['main'], versions });
    // Halved until the bad one is alone.
    for (let round = 0; round < 4; round++)
      if (driver.last(CDS).versions.get('b') === cluster('b', 'bad').version) driver.nack(CDS);
      else driver.ack(CDS);
    expect(driver.sent.some(({ type }) => type === RDS)).toBe(false);
  });
});

describe('after a refusal', () => {
  it.each(variants)('R13, R46: %s: a cluster that warms gets the last good endpoints', (variant) => {
    const before = [cluster('a'), endpoints('a')];
    const driver = settled(variant, before, { eds: ['a'], rds: ['none'] });
    expect(driver.publish([cluster('a', '2'), endpoints('a', 'bad')])).toEqual(['CDS a', 'EDS a']);
    expect(driver.nack(EDS)).toEqual(['EDS a']);
    expect(driver.last(EDS).versions.get('a')).toBe(endpoints('a').version);
    expect(driver.ack(EDS)).toEqual([]);
  });
  it('R14: sotw: what the client may have taken from a refused set is taken away by the next', () => {
    const driver = settled('sotw', [cluster('a')], { eds: ['a'], rds: ['none'] });
    expect(driver.publish([cluster('a', 'bad'), cluster('d')]).at(0)).toBe('CDS a d');
    // Gone again before the refusal comes: the client has d, as it takes what is valid.
    expect(driver.publish([cluster('a')])).toEqual([]);
    expect(driver.nack(CDS)).toEqual(['CDS a']);
    expect(driver.ack(CDS)).toEqual([]);
  });
});

describe('a resource found out to be the bad one of several', () => {
  it.each(variants)('R14: %s: leaves no doubt of what the client has, so removals go on beside it', (variant) => {
    const before = [cluster('a'), endpoints('a'), listener('main'), table('main', ['a'])];
    const driver = settled(variant, before, { eds: ['a'], rds: ['main'] });
    const bad = resource(LDS, 'poison', { content: 'bad', deps: [{ type: RDS, name: 'poison' }] });
    const poisoned = [listener('main', '2'), bad, table('poison', ['a'])];
    driver.publish([...before.filter(({ name }) => name !== 'in'), ...poisoned]);
    driver.nack(LDS);
    // One of the two alone, then the other: whichever holds the bad one is refused.
    for (let trial = 0; trial < 2; trial++) {
      const { resources } = driver.last(LDS);
      if (resources.has('poison')) driver.nack(LDS);
      else driver.ack(LDS);
    }
    // Sent again with each trial of its listener.
    driver.ack(RDS);
    driver.ack(RDS);
    driver.publish([cluster('b'), endpoints('b'), ...poisoned, table('main', ['b'])]);
    driver.ack(CDS);
    driver.ack(RDS);
    expect(driver.last(CDS).removed).toEqual(['a']);
    expect(driver.last(CDS).resources.has('a')).toBe(false);
  });
});

describe('a listener that warms', () => {
  it.each(variants)('R13, R49: %s: gets the last good secret, and keeps its cluster until then', (variant) => {
    const secret = (content: string): Resource => resource(SDS, 'key', { content });
    const tcp = (name: string, content: string): Resource =>
      resource(LDS, 'in', {
        content,
        deps: [
          { type: CDS, name },
          { type: SDS, name: 'key' },
        ],
      });
    const before = [cluster('a'), cluster('b'), endpoints('a'), endpoints('b')];
    const driver = settled(variant, [...before, tcp('a', '1'), secret('1')], { eds: ['a', 'b'], rds: ['none'] });
    ask(driver, SDS, ['key']);
    driver.ack(SDS);
    expect(driver.publish([...before, tcp('a', '1'), secret('bad')])).toEqual(['SDS key']);
    expect(driver.publish([cluster('b'), endpoints('b'), tcp('b', '2'), secret('bad')])).toContain('LDS in');
    driver.ack(LDS);
    expect(driver.last(CDS).removed).toEqual([]);
    expect(driver.nack(SDS)).toContain('SDS key');
    expect(driver.last(SDS).versions.get('key')).toBe(secret('1').version);
    driver.ack(SDS);
    expect(driver.last(CDS).removed).toEqual(['a']);
  });
});

describe('removals', () => {
  it.each(variants)('R45, R49: %s: wait until a listener that was acknowledged has its secrets', (variant) => {
    const before = [cluster('a'), endpoints('a'), listener('main'), table('main', ['a'])];
    const driver = settled(variant, before, { eds: ['a'], rds: ['main', 'side'] });
    const secret = resource(SDS, 'key');
    const next = resource(LDS, 'in', { content: 'side', deps: [{ type: RDS, name: 'side' }, secret] });
    driver.publish([cluster('b'), endpoints('b'), next, table('side', ['b']), secret]);
    driver.ack(CDS);
    expect(driver.last(LDS).versions.get('in')).toBe(next.version);
    // Acknowledged, it warms for its secret: the one before it serves, and needs its cluster.
    driver.ack(RDS);
    driver.ack(LDS);
    driver.ack(RDS);
    expect(driver.last(CDS).removed).toEqual([]);
    ask(driver, SDS, ['key']);
    driver.ack(SDS);
    // In SotW it is the client that lets go of the routes of the listener before.
    if (variant === 'sotw') driver.sotw(RDS, ['side']);
    expect(driver.last(CDS).removed).toEqual(['a']);
  });
  it.each(variants)('R14: %s: count though their message was refused: the name is sent again', (variant) => {
    const before = [cluster('a'), endpoints('a'), cluster('b'), endpoints('b'), listener('main'), table('main', ['a'])];
    const driver = settled(variant, before, { eds: ['a', 'b'], rds: ['main'] });
    driver.publish([cluster('a', 'bad'), endpoints('a'), listener('main'), table('main', ['a'])]);
    expect(driver.last(CDS).removed).toEqual(['b']);
    driver.publish([cluster('a', 'bad'), endpoints('a'), ...before.slice(2, 5), table('main', ['b'])]);
    // The endpoints of a go again with it; those of b once it is known to be there.
    expect(driver.nack(CDS)).toEqual([variant === 'sotw' ? 'CDS a b' : 'CDS b']);
    expect(driver.ack(EDS)).toEqual(['EDS b']);
    expect(driver.ack(CDS)).toEqual(['RDS main']);
  });
  it('R13: delta: a route brought along whose new content is stopped keeps every cluster', () => {
    const driver = drive({
      variant: 'delta',
      resources: [cluster('b', 'bad'), listener('main'), table('main', ['b'])],
    });
    driver.delta(CDS, { versions: new Map([['a', cluster('a').version]]) });
    driver.delta(LDS, { versions: new Map([['in', listener('main').version]]) });
    driver.delta(RDS, { subscribe: ['main'], versions: new Map([['main', table('main', ['a']).version]]) });
    expect(driver.nack(CDS)).toEqual([]);
    for (const timer of [...driver.timers]) driver.fire(timer);
    // Nor is it taken away while a listener that is refused names it.
    driver.publish([resource(LDS, 'in', { content: 'bad' })]);
    driver.nack(LDS);
    for (const timer of [...driver.timers]) driver.fire(timer);
    expect(driver.sent.flatMap(({ removed }) => removed)).toEqual([]);
  });
});

describe('a complete set', () => {
  it.each(['ack', 'nack'] as const)(
    'R15: sotw: of a client that came back is sent once (%s), whatever waits',
    (answer) => {
      const resources = [cluster('a', 'bad'), listener('main'), table('main', ['a'])];
      const driver = drive({ variant: 'sotw', legacyWildcard: false, resources });
      driver.sotw(CDS, ['a'], { versionInfo: 'old' });
      driver.nack(CDS);
      // One of the names exists no more, the other gets new content that a refused cluster stops.
      driver.sotw(LDS, ['in', 'out'], { versionInfo: 'old' });
      driver.ack(LDS);
      driver.publish([cluster('a', 'bad'), listener('main', '2'), table('main', ['a'])]);
      const before = driver.sent.length;
      for (let round = 0; round < 10; round++) driver[answer](LDS);
      expect(driver.sent.length - before).toBeLessThanOrEqual(1);
    },
  );
  it('R23: sotw: takes away the last listener though the one that replaces it must wait', () => {
    const before = [cluster('a'), endpoints('a'), listener('main'), table('main', ['a'])];
    const driver = settled('sotw', before, { eds: ['a'], rds: ['main'] });
    const other = resource(LDS, 'out', { deps: [{ type: RDS, name: 'main' }] });
    driver.publish([cluster('b'), endpoints('b'), other, table('main', ['b'])]);
    // Gone again before its cluster is there: nothing of it may keep the first one's removal.
    driver.publish([cluster('b'), endpoints('b')]);
    expect(driver.last(LDS).removed).toEqual(['in']);
  });
});

describe('endpoints brought along', () => {
  it.each(variants)('R13: %s: and refused in their new content, are met with silence', (variant) => {
    const driver = drive({ variant, resources: [cluster('a'), endpoints('a', 'bad')] });
    if (variant === 'sotw') driver.sotw(CDS, [], { versionInfo: 'old' });
    else driver.delta(CDS, { versions: new Map([['a', cluster('a').version]]) });
    if (variant === 'sotw') driver.sotw(EDS, ['a'], { versionInfo: 'old' });
    else driver.delta(EDS, { subscribe: ['a'], versions: new Map([['a', endpoints('a').version]]) });
    driver.nack(EDS);
    if (variant === 'sotw') driver.ack(CDS);
    expect(driver.publish([cluster('a', '2'), endpoints('a', 'bad')])).toEqual(['CDS a']);
  });
});

describe('endpoints refused', () => {
  it('R29: delta: and asked for again before that: they are answered, as missing', () => {
    const driver = drive({ variant: 'delta', resources: [] });
    driver.delta(EDS, { subscribe: ['b'] });
    driver.ack(EDS);
    expect(driver.publish([endpoints('b', 'bad')])).toEqual(['EDS b']);
    driver.delta(EDS, { subscribe: ['b'] });
    expect(driver.nack(EDS)).toEqual(['EDS -b']);
  });
  it.each(variants)(
    'R14: %s: beside others the client let go of meanwhile: the one left is tried, not blamed',
    (variant) => {
      const driver = drive({ variant, resources: [endpoints('a'), endpoints('b', 'bad')] });
      ask(driver, EDS, ['a', 'b']);
      const { nonce } = driver.last(EDS);
      const error = { code: 13, message: 'no' };
      if (variant === 'delta') driver.delta(EDS, { unsubscribe: ['b'] });
      const lines =
        variant === 'sotw' ? driver.sotw(EDS, ['a'], { nonce, error }) : driver.delta(EDS, { nonce, error });
      expect(lines).toEqual(['EDS a']);
      expect(driver.ack(EDS)).toEqual([]);
    },
  );
  it.each(variants)('R44: %s: and none before them: a route that works does not move to their cluster', (variant) => {
    const before = [cluster('a'), endpoints('a'), listener('main'), table('main', ['a'])];
    const driver = settled(variant, before, { eds: ['a'], rds: ['main'] });
    driver.publish([...before.slice(0, 3), cluster('b'), endpoints('b', 'bad'), table('main', ['b'])]);
    ask(driver, EDS, variant === 'sotw' ? ['a', 'b'] : ['b']);
    driver.nack(EDS);
    driver.ack(CDS);
    for (const timer of [...driver.timers]) driver.fire(timer);
    expect(driver.sent.filter(({ type }) => type === RDS)).toHaveLength(1);
    driver.publish([...before.slice(0, 3), cluster('b'), endpoints('b', 'good'), table('main', ['b'])]);
    driver.ack(EDS);
    expect(driver.last(RDS).versions.get('main')).toBe(table('main', ['b']).version);
  });
});

describe('endpoints refused beside others', () => {
  it('R14: sotw: leave the others what they had, though the view has them no more', () => {
    const before = [cluster('a'), cluster('d'), endpoints('a'), endpoints('d'), listener('main'), table('main', ['a'])];
    const driver = settled('sotw', before, { eds: ['a', 'd'], rds: ['main'] });
    driver.publish([cluster('a', '2'), cluster('d'), endpoints('a'), endpoints('d', 'bad'), ...before.slice(4)]);
    driver.publish([cluster('d'), endpoints('d', 'bad'), listener('main'), table('main', ['d'])]);
    expect(driver.nack(EDS, 'd')).toEqual(['EDS a']);
    expect(driver.last(EDS).versions.get('a')).toBe(endpoints('a').version);
  });
});

describe('an answer that took too long', () => {
  it('R16: sotw: and came as a refusal after all, blames nothing of the set that was sent meanwhile', () => {
    const driver = drive({ variant: 'sotw', resources: [cluster('a', 'bad'), cluster('c')] });
    driver.sotw(CDS, []);
    const { nonce } = driver.last(CDS);
    driver.publish([cluster('a', 'bad'), cluster('b'), cluster('c')]);
    expect(driver.fire(CDS)).toEqual(['CDS a b c']);
    driver.sotw(CDS, [], { nonce, error: { code: 13, message: 'a' } });
    for (let round = 0; round < 8; round++)
      if (driver.last(CDS).versions.get('a') === cluster('a', 'bad').version) driver.nack(CDS, 'a');
      else driver.ack(CDS);
    expect(driver.publish([cluster('a', 'bad'), cluster('b'), cluster('c'), cluster('e')])).toEqual(['CDS b c e']);
  });
  it('R16: sotw: does not let a later set be blamed for what came before it', () => {
    const driver = settled('sotw', [cluster('a')], { eds: ['none'], rds: ['none'] });
    driver.publish([cluster('a', 'bad')]);
    driver.publish([cluster('a', 'bad'), cluster('b')]);
    expect(driver.fire(CDS)).toContain('CDS a b');
    // One refusal for all that came; b is good.
    let lines = driver.nack(CDS, 'no');
    for (let round = 0; round < 6 && lines.some((line) => line.startsWith('CDS')); round++)
      lines =
        driver.last(CDS).versions.get('a') === cluster('a', 'bad').version ? driver.nack(CDS, 'no') : driver.ack(CDS);
    expect(driver.publish([cluster('a', 'bad'), cluster('b'), cluster('c')])).toEqual(['CDS b c']);
  });
});
