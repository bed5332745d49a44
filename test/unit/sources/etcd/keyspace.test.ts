import { afterEach, describe, expect, it } from 'vitest';
import { type KeyspaceState, runKeyspace } from '../../../../src/sources/etcd/keyspace.ts';
import { silentLogger } from '../../../../src/util/log.ts';
import type { Metrics } from '../../../../src/util/metrics.ts';
import { noMetrics } from '../../../../src/util/metrics.ts';
import { createFakeClock } from '../../../support/fake-clock.ts';
import { FakeEtcd } from './fake-etcd.ts';

let end: (() => Promise<void>) | undefined;
afterEach(async () => {
  await end?.();
  end = undefined;
});

interface Told extends Omit<KeyspaceState, 'entries'> {
  readonly values: Readonly<Record<string, string>>;
}

async function start(store: FakeEtcd) {
  const clock = createFakeClock();
  const abort = new AbortController();
  const told: Told[] = [];
  let missed = 0;
  const metrics: Metrics = {
    ...noMetrics,
    counter: (name) => ({
      add: (_labels, by = 1) => {
        if (name === 'etcd_missed_events_total') missed += by;
      },
    }),
  };
  const done = runKeyspace(
    { clock, random: () => 0.5, log: silentLogger, metrics },
    { name: 'etcd', access: { endpoints: [] }, prefix: '/s/', open: store.open },
    {
      signal: abort.signal,
      tell({ entries, ...state }) {
        const values = Object.fromEntries([...entries].map(([key, { value }]) => [key, value]));
        told.push({ ...state, values });
      },
    },
  );
  end = async () => {
    abort.abort();
    await done;
    expect(store.clients).toBe(0);
  };
  await clock.settle();
  return { clock, told, last: () => told.at(-1), missed: () => missed };
}

describe('a mirror of keys', () => {
  it('reads all, then follows events from the next revision on', async () => {
    const store = new FakeEtcd();
    store.change({ '/s/a': '1', '/s/b': '1' });
    const { told, last } = await start(store);
    expect(told).toHaveLength(1);
    expect(last()).toMatchObject({ complete: true, revision: '2', values: { a: '1', b: '1' } });
    store.change({ '/s/a': '2', '/s/b': undefined });
    expect(last()).toMatchObject({ revision: '3', values: { a: '2' }, changed: new Set(['a', 'b']) });
  });

  it('says it is unreachable, and comes back suspect until a second list agrees', async () => {
    const store = new FakeEtcd();
    store.change({ '/s/a': '1' });
    const { clock, last } = await start(store);
    store.down = true;
    store.cut();
    await clock.advanceAsync(10_000);
    expect(last()).toMatchObject({ complete: true, degraded: { kind: 'unreachable' }, values: { a: '1' } });
    store.change({ '/s/a': undefined, '/s/c': '1' });
    store.down = false;
    await clock.advanceAsync(2000);
    expect(last()).toMatchObject({ degraded: { kind: 'suspect' }, values: { c: '1' } });
    await clock.advanceAsync(2000);
    expect(last()?.degraded).toBeUndefined();
    expect(last()?.values).toEqual({ c: '1' });
  });

  it('reads all anew when its revision was compacted, without calling the store ill', async () => {
    const store = new FakeEtcd();
    store.change({ '/s/a': '1' });
    const { clock, told, last } = await start(store);
    const before = told.length;
    store.deaf = true;
    store.change({ '/s/a': undefined, '/s/b': '2' });
    store.deaf = false;
    store.compactedAt = store.revision;
    for (const stream of [...store.streams]) store.created(stream);
    await clock.advanceAsync(100);
    expect(last()).toMatchObject({ complete: true, values: { b: '2' } });
    expect(told.slice(before).every(({ degraded }) => degraded === undefined)).toBe(true);
    store.change({ '/s/c': '3' });
    expect(last()?.values).toEqual({ b: '2', c: '3' });
  });

  it('follows a store that came back with a lower revision', async () => {
    const store = new FakeEtcd();
    for (let i = 0; i < 20; i++) store.change({ '/s/a': String(i) });
    const { clock, last } = await start(store);
    store.revision = 1;
    store.values.clear();
    store.history.length = 0;
    store.change({ '/s/z': 'new' });
    store.cut();
    await clock.advanceAsync(1000);
    expect(last()?.values).toEqual({ z: 'new' });
    store.change({ '/s/y': 'newer' });
    expect(last()?.values).toEqual({ y: 'newer', z: 'new' });
  });

  it('finds what a deaf watch missed, counts it and watches anew', async () => {
    const store = new FakeEtcd();
    store.change({ '/s/a': '1', '/s/b': '1' });
    const { clock, last, missed } = await start(store);
    store.deaf = true;
    store.change({ '/s/a': '2', '/s/b': undefined, '/s/c': '1' });
    store.deaf = false;
    expect(last()?.values).toEqual({ a: '1', b: '1' });
    await clock.advanceAsync(70_000);
    expect(last()?.values).toEqual({ a: '2', c: '1' });
    expect(missed()).toBe(3);
    store.change({ '/s/d': '1' });
    expect(last()?.values).toEqual({ a: '2', c: '1', d: '1' });
  });

  it('counts nothing as missed while events flow', async () => {
    const store = new FakeEtcd();
    const { clock, missed } = await start(store);
    for (let i = 0; i < 200; i++) {
      store.change({ '/s/a': String(i), [`/s/${i % 7}`]: i % 2 === 0 ? 'x' : undefined });
      await clock.advanceAsync(1000);
    }
    expect(missed()).toBe(0);
    expect(store.lists).toBeGreaterThan(2);
  });

  it('doubts many leases that end at once', async () => {
    const store = new FakeEtcd();
    store.change({ '/s/a': '1', '/s/b': '1', '/s/c': '1', '/s/d': '1' }, '77');
    const { clock, last } = await start(store);
    store.change({ '/s/a': undefined });
    expect(last()?.degraded).toBeUndefined();
    store.change({ '/s/b': undefined });
    store.change({ '/s/c': undefined });
    expect(last()).toMatchObject({ degraded: { kind: 'suspect' }, values: { d: '1' } });
    await clock.advanceAsync(2000);
    expect(last()?.degraded).toBeUndefined();
  });

  it('does not doubt one after the other, nor keys without a lease', async () => {
    const store = new FakeEtcd();
    store.change({ '/s/a': '1', '/s/b': '1', '/s/c': '1' }, '77');
    store.change({ '/s/x': '1', '/s/y': '1', '/s/z': '1' });
    const { clock, told } = await start(store);
    store.change({ '/s/x': undefined, '/s/y': undefined, '/s/z': undefined });
    for (const key of ['/s/a', '/s/b', '/s/c']) {
      store.change({ [key]: undefined });
      await clock.advanceAsync(5000);
    }
    expect(told.every(({ degraded }) => degraded === undefined)).toBe(true);
  });

  it('takes a revision sent in pieces as one', async () => {
    const store = new FakeEtcd();
    const { told, last } = await start(store);
    const before = told.length;
    store.deaf = true;
    store.change({ '/s/a': '1', '/s/b': '1', '/s/c': '1' });
    const events = store.history.at(-1)?.events ?? [];
    for (const stream of store.streams) store.send(stream, events, 3);
    expect(told).toHaveLength(before + 1);
    expect(last()?.values).toEqual({ a: '1', b: '1', c: '1' });
  });

  it('does not apply an event twice, nor one older than what it has', async () => {
    const store = new FakeEtcd();
    store.change({ '/s/a': 'old' });
    store.change({ '/s/a': 'new' });
    const { told, last } = await start(store);
    const before = told.length;
    for (const stream of store.streams) for (const { events } of store.history) store.send(stream, events);
    expect(told).toHaveLength(before);
    expect(last()?.values).toEqual({ a: 'new' });
  });

  it('notices a cluster that stops answering while the watch is silent', async () => {
    const store = new FakeEtcd();
    const { clock, last } = await start(store);
    store.down = true;
    await clock.advanceAsync(12_000);
    expect(last()?.degraded?.kind).toBe('unreachable');
  });
});
