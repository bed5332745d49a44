// Make before break: the exact order of messages for adding, moving and removing a cluster under a live route, in both
// variants; resends after clusters and listeners; gates that end; rejected branches that keep what they need.
import { describe, expect, it } from 'vitest';
import type { Resource } from '../../../src/resources/resource.ts';
import { resource } from '../../support/static-views.ts';
import { CDS, type Driver, drive, ECDS, EDS, LDS, RDS, SDS } from './driver.ts';

interface Shape {
  /** name -> content. */
  readonly clusters: Readonly<Record<string, string>>;
  /** The clusters the route configuration `main` names. */
  readonly route: readonly string[];
  readonly listener?: string;
  readonly routeContent?: string;
}

function world({ clusters, route, listener = '1', routeContent = '' }: Shape): Resource[] {
  return [
    ...Object.entries(clusters).flatMap(([name, content]) => [
      resource(CDS, name, {
        content,
        deps: [
          { type: EDS, name },
          { type: SDS, name: 'key' },
        ],
      }),
      resource(EDS, name),
    ]),
    resource(LDS, 'in', { content: listener, deps: [{ type: RDS, name: 'main' }] }),
    resource(RDS, 'main', {
      content: `${route.join()} ${routeContent}`,
      deps: route.map((name) => ({ type: CDS, name })),
    }),
    resource(SDS, 'key'),
  ];
}

type Variant = 'sotw' | 'delta';

/** A client that has everything of `shape` and subscribes to the endpoints of `endpoints`. */
function settled(variant: Variant, shape: Shape, endpoints = Object.keys(shape.clusters)): Driver {
  const driver = drive({ variant, resources: world(shape) });
  for (const [type, names] of [
    [CDS, []],
    [EDS, endpoints],
    [SDS, ['key']],
    [LDS, []],
    [RDS, ['main']],
  ] as const) {
    if (variant === 'sotw') driver.sotw(type, names);
    else driver.delta(type, { subscribe: names });
    driver.ack(type);
  }
  return driver;
}

function subscribeEndpoints(driver: Driver, names: readonly string[]): string[] {
  return driver.options.variant === 'sotw' ? driver.sotw(EDS, names) : driver.delta(EDS, { subscribe: names });
}

describe('R43, R44, R45: the order of one change', () => {
  it('delta: a cluster is added, its route follows its ACK', () => {
    const driver = settled('delta', { clusters: { a: '1' }, route: ['a'] });
    expect(driver.publish(world({ clusters: { a: '1', b: '1' }, route: ['b'] }))).toEqual(['CDS b', 'SDS key']);
    // Envoy subscribes while the cluster warms; only then it acknowledges (R17).
    expect(subscribeEndpoints(driver, ['b'])).toEqual(['EDS b']);
    expect(driver.ack(EDS)).toEqual([]);
    expect(driver.ack(CDS)).toEqual(['RDS main']);
    expect(driver.ack(RDS)).toEqual([]);
  });
  it('sotw: a cluster is added, its route follows its ACK', () => {
    const driver = settled('sotw', { clusters: { a: '1' }, route: ['a'] });
    expect(driver.publish(world({ clusters: { a: '1', b: '1' }, route: ['b'] }))).toEqual(['CDS a b', 'SDS key']);
    expect(subscribeEndpoints(driver, ['a', 'b'])).toEqual(['EDS b']);
    expect(driver.ack(EDS)).toEqual([]);
    expect(driver.ack(CDS)).toEqual(['RDS main']);
    expect(driver.ack(RDS)).toEqual([]);
  });
  it('delta: a move to another cluster removes the old one last', () => {
    const driver = settled('delta', { clusters: { a: '1' }, route: ['a'] });
    expect(driver.publish(world({ clusters: { b: '1' }, route: ['b'] }))).toEqual(['CDS b', 'SDS key']);
    expect(subscribeEndpoints(driver, ['b'])).toEqual(['EDS b']);
    driver.ack(EDS);
    expect(driver.ack(CDS)).toEqual(['RDS main']);
    expect(driver.ack(RDS)).toEqual(['CDS -a']);
    // The endpoints of the removed cluster are still subscribed: they go after it.
    expect(driver.ack(CDS)).toEqual(['EDS -a']);
    driver.ack(EDS);
    expect(driver.timers.size).toBe(0);
  });
  it('sotw: a move to another cluster sends the union, then the final set', () => {
    const driver = settled('sotw', { clusters: { a: '1' }, route: ['a'] });
    expect(driver.publish(world({ clusters: { b: '1' }, route: ['b'] }))).toEqual(['CDS a b', 'SDS key']);
    expect(subscribeEndpoints(driver, ['a', 'b'])).toEqual(['EDS b']);
    driver.ack(EDS);
    expect(driver.ack(CDS)).toEqual(['RDS main']);
    expect(driver.ack(RDS)).toEqual(['CDS b -a']);
    driver.ack(CDS);
    expect(driver.timers.size).toBe(0);
  });
  it.each(['sotw', 'delta'] as const)('%s: a removal waits for the route that named the cluster', (variant) => {
    const driver = settled(variant, { clusters: { a: '1', b: '1' }, route: ['a', 'b'] });
    expect(driver.publish(world({ clusters: { b: '1' }, route: ['b'] }))).toEqual(['RDS main']);
    expect(driver.ack(RDS)).toEqual([variant === 'sotw' ? 'CDS b -a' : 'CDS -a']);
  });
  it.each(['sotw', 'delta'] as const)('%s: routes that need nothing new do not wait', (variant) => {
    const driver = settled(variant, { clusters: { a: '1', b: '1' }, route: ['a'] });
    const shape = { clusters: { a: '1', b: '2' }, route: ['a'], routeContent: 'changed' };
    const lines = driver.publish(world(shape));
    expect(lines.at(-1)).toBe('RDS main');
  });
  it.each(['sotw', 'delta'] as const)('%s: endpoints pass while clusters and routes wait (R17)', (variant) => {
    const driver = settled(variant, { clusters: { a: '1' }, route: ['a'] });
    const next = world({ clusters: { a: '1', b: '1' }, route: ['b'] });
    driver.publish(next);
    const changed = next.map((item) => (item.type === EDS ? resource(EDS, item.name, { content: 'more' }) : item));
    expect(driver.publish(changed)).toEqual(['EDS a']);
    expect(driver.timers.has('make')).toBe(true);
  });
  it.each(['sotw', 'delta'] as const)('%s: a newer view while a change runs: what is needed stays', (variant) => {
    const driver = settled(variant, { clusters: { a: '1' }, route: ['a'] });
    driver.publish(world({ clusters: { b: '1' }, route: ['b'] }));
    // Back to a before anything was acknowledged: a was never taken away, b goes.
    driver.publish(world({ clusters: { a: '1' }, route: ['a'] }));
    const removal = driver.ack(CDS);
    expect(removal).toEqual([variant === 'sotw' ? 'CDS a -b' : 'CDS -b']);
    expect(driver.sent.every(({ removed }) => !removed.includes('a'))).toBe(true);
  });
});

describe('R46 to R49: what belongs to a cluster or listener is sent again, unasked', () => {
  it.each(['sotw', 'delta'] as const)('R46, R49: %s: endpoints and secrets of a changed cluster only', (variant) => {
    const driver = settled(variant, { clusters: { a: '1', b: '1' }, route: ['a'] });
    const lines = driver.publish(world({ clusters: { a: '1', b: '2' }, route: ['a'] }));
    expect(lines).toEqual([variant === 'sotw' ? 'CDS a b' : 'CDS b', 'EDS b', 'SDS key']);
  });
  it('R47: endpoints never overtake their cluster, and come again with a second cluster of the same service', () => {
    const shared = (name: string): Resource => resource(CDS, name, { deps: [{ type: EDS, name: 'service' }] });
    const driver = drive({ variant: 'delta', resources: [shared('a'), resource(EDS, 'service')] });
    driver.delta(CDS);
    driver.ack(CDS);
    driver.delta(EDS, { subscribe: ['service'] });
    driver.ack(EDS);
    expect(driver.publish([shared('a'), shared('b'), resource(EDS, 'service')])).toEqual(['CDS b', 'EDS service']);
    driver.ack(EDS);
    // The cluster is on its way again, so its endpoints follow the message that carries it.
    const changed = resource(CDS, 'b', { content: '2', deps: [{ type: EDS, name: 'service' }] });
    expect(driver.publish([shared('a'), changed, resource(EDS, 'service')])).toEqual([]);
    expect(driver.ack(CDS)).toEqual(['CDS b', 'EDS service']);
  });
  it.each(['sotw', 'delta'] as const)('R48: %s: routes of a changed listener', (variant) => {
    const driver = settled(variant, { clusters: { a: '1' }, route: ['a'] });
    expect(driver.publish(world({ clusters: { a: '1' }, route: ['a'], listener: '2' }))).toEqual([
      'LDS in',
      'RDS main',
    ]);
  });
  it('R52: an extension a listener names is not removed while the client holds that listener', () => {
    const extension = resource(ECDS, 'filter');
    const listener = (content: string, deps: Resource['deps']): Resource => resource(LDS, 'in', { content, deps });
    const driver = drive({ variant: 'delta', resources: [extension, listener('1', [extension])] });
    driver.delta(LDS);
    driver.ack(LDS);
    driver.delta(ECDS, { subscribe: ['filter'] });
    driver.ack(ECDS);
    expect(driver.publish([listener('2', [])])).toEqual(['LDS in']);
    expect(driver.ack(LDS)).toEqual(['ECDS -filter']);
  });
});

describe('gates end', () => {
  it.each(['sotw', 'delta'] as const)('R17: %s: an ACK withheld for ever holds routes only for a time', (variant) => {
    const driver = settled(variant, { clusters: { a: '1' }, route: ['a'] });
    driver.publish(world({ clusters: { a: '1', b: '1' }, route: ['b'] }));
    expect(driver.fire('make')).toEqual(['RDS main']);
    driver.ack(RDS);
    expect(driver.timers.has('make')).toBe(false);
  });
  it.each(['sotw', 'delta'] as const)('R16: %s: removals wait for routes only for a time', (variant) => {
    const driver = settled(variant, { clusters: { a: '1', b: '1' }, route: ['a', 'b'] });
    driver.publish(world({ clusters: { b: '1' }, route: ['b'] }));
    expect(driver.fire('break')).toEqual([variant === 'sotw' ? 'CDS b -a' : 'CDS -a']);
  });
  it.each(['sotw', 'delta'] as const)('%s: a rejected route keeps the cluster it needs, without limit', (variant) => {
    const driver = settled(variant, { clusters: { a: '1' }, route: ['a'] });
    driver.publish(world({ clusters: { b: '1' }, route: ['b'] }));
    driver.ack(CDS);
    expect(driver.nack(RDS)).toEqual([]);
    expect(driver.timers.has('break') ? driver.fire('break') : []).toEqual([]);
    expect(driver.timers.size).toBe(0);
    // A good route at last: then the old cluster goes.
    expect(driver.publish(world({ clusters: { b: '1' }, route: ['b'], routeContent: 'mended' }))).toEqual(['RDS main']);
    expect(driver.ack(RDS)).toEqual([variant === 'sotw' ? 'CDS b -a' : 'CDS -a']);
  });
  it.each(['sotw', 'delta'] as const)('%s: a rejected cluster stops its route, and nothing else', (variant) => {
    const driver = settled(variant, { clusters: { a: '1' }, route: ['a'] });
    const bad = world({ clusters: { a: '1', b: 'bad' }, route: ['b'] });
    driver.publish(bad);
    expect(driver.nack(CDS)).toEqual([]);
    expect(driver.timers.has('make')).toBe(false);
    const more = bad.map((item) => (item.type === EDS ? resource(EDS, item.name, { content: 'more' }) : item));
    expect(driver.publish([...more, resource(CDS, 'c')])).toEqual([variant === 'sotw' ? 'CDS a c' : 'CDS c', 'EDS a']);
    driver.ack(CDS);
    driver.ack(EDS);
    expect(driver.publish(world({ clusters: { a: '1', b: 'good' }, route: ['b'] })).at(0)).toMatch(/^CDS/);
    expect(driver.ack(CDS)).toContain('RDS main');
  });
});

describe('a change while the former is half acknowledged', () => {
  it.each(['sotw', 'delta'] as const)('R44: %s: a cluster on its way out does not count as there', (variant) => {
    const driver = settled(variant, { clusters: { a: '1', b: '1' }, route: ['b'] });
    driver.publish(world({ clusters: { b: '1' }, route: ['b'] }));
    // The removal of a is sent and not yet acknowledged as a route to it comes back.
    expect(driver.last(CDS).removed).toEqual(['a']);
    expect(driver.publish(world({ clusters: { a: '1', b: '1' }, route: ['a'] }))).toEqual([]);
    expect(driver.ack(CDS)).toEqual([variant === 'sotw' ? 'CDS a b' : 'CDS a', 'EDS a', 'SDS key']);
    driver.ack(EDS);
    driver.ack(SDS);
    expect(driver.ack(CDS)).toEqual(['RDS main']);
  });
  it.each(['sotw', 'delta'] as const)('R46: %s: what a kept cluster needs is sent as it was', (variant) => {
    const driver = settled(variant, { clusters: { a: '1' }, route: ['a'] });
    const more = world({ clusters: { a: '1' }, route: ['a'] }).map((item) =>
      item.type === EDS ? resource(EDS, item.name, { content: 'more' }) : item,
    );
    expect(driver.publish(more)).toEqual(['EDS a']);
    // The cluster changes while its endpoints are on their way, then goes before they could follow it.
    expect(driver.publish(world({ clusters: { a: '2' }, route: ['a'] }))).toEqual(['CDS a', 'SDS key']);
    driver.publish(world({ clusters: { b: '1' }, route: ['b'] }));
    // Its new version warms with the endpoints it had, under traffic: neither without them nor with none.
    expect(driver.ack(EDS)).toEqual(['EDS a']);
    const { resources, removed } = driver.last(EDS);
    expect(removed).toEqual([]);
    expect(Buffer.from(resources.get('a')?.bytes ?? []).toString()).toBe('a:more');
    driver.ack(EDS);
    driver.ack(SDS);
    expect(driver.ack(CDS).at(0)).toBe(variant === 'sotw' ? 'CDS a b' : 'CDS b');
    subscribeEndpoints(driver, ['a', 'b']);
    driver.ack(EDS);
    expect(driver.ack(CDS)).toEqual(['RDS main']);
    expect(driver.ack(RDS)).toEqual([variant === 'sotw' ? 'CDS b -a' : 'CDS -a']);
    if (variant === 'delta') expect(driver.ack(CDS)).toEqual(['EDS -a']);
  });
  it.each(['sotw', 'delta'] as const)(
    'R45: %s: a limit that runs out lets nothing go that began to wait later',
    (variant) => {
      const driver = settled(variant, { clusters: { a: '1', b: '1', c: '1' }, route: ['a', 'b', 'c'] });
      driver.publish(world({ clusters: { b: '1', c: '1' }, route: ['b', 'c'] }));
      // The route's ACK is late; meanwhile the next change makes b wait behind the limit that runs for a.
      driver.publish(world({ clusters: { c: '1' }, route: ['c'] }));
      expect(driver.fire('break')).toEqual([variant === 'sotw' ? 'CDS b c -a' : 'CDS -a']);
      driver.ack(CDS);
      expect(driver.timers.has('break')).toBe(true);
      expect(driver.fire('break')).toEqual([variant === 'sotw' ? 'CDS c -b' : 'CDS -b']);
    },
  );
  it.each(['sotw', 'delta'] as const)(
    'R45: %s: a removal that was overdue waits anew after the name came back',
    (variant) => {
      const driver = settled(variant, { clusters: { a: '1', b: '1' }, route: ['a', 'b'] });
      driver.publish(world({ clusters: { b: '1' }, route: ['b'] }));
      driver.event({ kind: 'blocked' });
      expect(driver.fire('break')).toEqual([]);
      driver.publish(world({ clusters: { a: '1', b: '1' }, route: ['a', 'b'] }));
      expect(driver.event({ kind: 'writable' })).toEqual([]);
      expect(driver.ack(RDS)).toEqual(['RDS main']);
      driver.ack(RDS);
      expect(driver.publish(world({ clusters: { b: '1' }, route: ['b'] }))).toEqual(['RDS main']);
      expect(driver.sent.every(({ removed }) => !removed.includes('a'))).toBe(true);
    },
  );
  it.each(['sotw', 'delta'] as const)(
    'R17: %s: a limit that runs out lets no route to a cluster asked for later',
    (variant) => {
      const shape = (clusters: Record<string, string>, one: string, two: string): Resource[] => [
        ...world({ clusters, route: [one] }),
        resource(RDS, 'other', { content: two, deps: [{ type: CDS, name: two }] }),
      ];
      const driver = drive({ variant, resources: shape({ a: '1' }, 'a', 'a') });
      for (const [type, names] of [
        [CDS, []],
        [LDS, []],
        [RDS, ['main', 'other']],
      ] as const) {
        if (variant === 'sotw') driver.sotw(type, names);
        else driver.delta(type, { subscribe: names });
        driver.ack(type);
      }
      driver.publish(shape({ a: '1', b: '1' }, 'b', 'a'));
      driver.publish(shape({ a: '1', b: '1', c: '1' }, 'b', 'c'));
      expect(driver.fire('make')).toEqual(['RDS main']);
      driver.ack(RDS);
      expect(driver.timers.has('make')).toBe(true);
      expect(driver.fire('make')).toEqual(['RDS other']);
    },
  );
  it.each(['sotw', 'delta'] as const)(
    'R13: %s: what was refused is not tried again because a better one only waited',
    (variant) => {
      const driver = settled(variant, { clusters: { a: '1' }, route: ['a'] });
      const bad = world({ clusters: { a: '1' }, route: ['a'], routeContent: 'bad' });
      expect(driver.publish(bad)).toEqual(['RDS main']);
      driver.nack(RDS);
      // A good one needs a cluster that is not there yet; before it comes, the bad one is back.
      expect(driver.publish(world({ clusters: { a: '1', b: '1' }, route: ['b'] }))).not.toContain('RDS main');
      driver.publish(bad);
      driver.ack(CDS);
      for (const timer of driver.timers) driver.fire(timer);
      expect(
        driver.sent.filter(({ versions }) => versions.get('main') === bad.find(({ type }) => type === RDS)?.version),
      ).toHaveLength(1);
    },
  );
});

describe('streams', () => {
  it('R2: each type of an aggregated stream is its own: an ACK of one says nothing of another', () => {
    const driver = drive({ variant: 'delta', resources: world({ clusters: { a: '1' }, route: ['a'] }) });
    driver.delta(CDS);
    driver.delta(SDS, { subscribe: ['key'] });
    driver.ack(SDS);
    expect(driver.notices.filter(({ kind }) => kind === 'ack')).toMatchObject([{ type: SDS }]);
    expect(driver.publish(world({ clusters: { a: '2' }, route: ['a'] }))).toEqual([]);
    expect(driver.ack(CDS).at(0)).toBe('CDS a');
  });
  it('R2, F9: no type_url ends the stream, an unknown one is ignored', () => {
    const driver = drive({ variant: 'delta' });
    driver.event({ kind: 'request', request: requestFor('type.googleapis.com/some.Other') });
    expect(driver.effects).toEqual([{ kind: 'ignored', typeUrl: 'type.googleapis.com/some.Other' }]);
    driver.event({ kind: 'request', request: requestFor('') });
    expect(driver.effects.at(-1)).toMatchObject({ kind: 'end', code: 'invalid-argument' });
  });
  it('R43: on a separate stream removals of clusters wait a fixed time, everything else goes at once', () => {
    const [a, b] = [resource(CDS, 'a'), resource(CDS, 'b')];
    const driver = drive({ variant: 'delta', aggregated: false, resources: [a] });
    driver.delta(CDS);
    driver.ack(CDS);
    expect(driver.publish([b])).toEqual(['CDS b']);
    driver.ack(CDS);
    expect(driver.fire('break')).toEqual(['CDS -a']);
    const routes = drive({ variant: 'delta', aggregated: false, resources: world({ clusters: {}, route: ['a'] }) });
    routes.delta(RDS, { subscribe: ['main'] });
    routes.ack(RDS);
    expect(routes.publish(world({ clusters: { b: '1' }, route: ['b'] }))).toEqual(['RDS main']);
  });
  it('R40: on reconnect changed routes wait for the clusters to be asked for, but not for ever', () => {
    const versions = new Map([['main', 'older']]);
    const driver = drive({ variant: 'delta', resources: world({ clusters: { a: '1' }, route: ['a'] }) });
    expect(driver.delta(RDS, { subscribe: ['main'], versions })).toEqual([]);
    expect(driver.fire('make')).toEqual(['RDS main']);
  });
  it('F11: a blocked transport keeps marks, not messages', () => {
    const driver = settled('delta', { clusters: { a: '1' }, route: ['a'] });
    driver.event({ kind: 'blocked' });
    for (let change = 2; change < 50; change++)
      expect(driver.publish(world({ clusters: { a: String(change) }, route: ['a'] }))).toEqual([]);
    expect(driver.event({ kind: 'writable' })).toEqual(['CDS a', 'EDS a', 'SDS key']);
    expect(driver.last(CDS).versions.get('a')).toBe(resource(CDS, 'a', { content: '49' }).version);
  });
});

function requestFor(typeUrl: string) {
  const base = { variant: 'delta', typeUrl, nonce: '', error: undefined, node: undefined } as const;
  return { ...base, subscribe: [], unsubscribe: [], versions: new Map<string, string>() };
}
