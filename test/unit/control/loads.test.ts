import { describe, expect, it } from 'vitest';
import { createLoads } from '../../../src/control/loads.ts';
import type { ClusterLoad, LocalityLoad } from '../../../src/xds/contract.ts';

const locality = (zone: string, counts: Partial<LocalityLoad>): LocalityLoad => ({
  ...{ region: 'eu', zone, subZone: '', issued: 0, succeeded: 0, failed: 0, active: 0 },
  ...counts,
});
const cluster = (name: string, localities: readonly LocalityLoad[], dropped = 0): ClusterLoad => ({
  ...{ cluster: name, localities, dropped, intervalMs: 10_000 },
});
const everything = (): boolean => true;

describe('load reports', () => {
  it('are summed by cluster and by locality: rates over the last report of each proxy, totals over all', () => {
    const loads = createLoads();
    const a = locality('a', { issued: 100, succeeded: 90, failed: 10, active: 2 });
    const b = locality('b', { issued: 50, succeeded: 50, active: 1 });
    loads.take(1, [cluster('cart', [a, b], 20)], everything);
    loads.take(2, [cluster('cart', [a])], everything);
    loads.take(2, [cluster('cart', [a])], everything);
    const [cart] = loads.report();
    expect(cart).toMatchObject({
      ...{ cluster: 'cart', proxies: 2, requestsPerSecond: 25, failedPerSecond: 2, droppedPerSecond: 2, active: 5 },
      total: { requests: 350, succeeded: 320, failed: 30, dropped: 20 },
    });
    expect(
      cart?.localities.map(({ zone, proxies, requestsPerSecond, total }) => [
        zone,
        proxies,
        requestsPerSecond,
        total.requests,
      ]),
    ).toEqual([
      ['a', 2, 20, 300],
      ['b', 1, 5, 50],
    ]);
  });

  it('say no rate of a cluster that the last report left out, nor of a proxy that is gone', () => {
    const loads = createLoads();
    const some = [locality('a', { issued: 10, succeeded: 10, active: 1 })];
    loads.take(1, [cluster('cart', some), cluster('api', some)], everything);
    loads.take(1, [cluster('api', some)], everything);
    loads.take(2, [cluster('api', some)], everything);
    loads.end(2);
    const seen = () =>
      loads
        .report()
        .map(({ cluster: name, requestsPerSecond, active, proxies, total }) => [
          name,
          requestsPerSecond,
          active,
          proxies,
          total.requests,
        ]);
    expect(seen()).toEqual([
      ['api', 1, 1, 1, 30],
      ['cart', 0, 0, 0, 10],
    ]);
    loads.end(1);
    expect(seen()).toEqual([
      ['api', 0, 0, 0, 30],
      ['cart', 0, 0, 0, 10],
    ]);
  });

  it('count only clusters of the view of whoever reports, and forget a cluster that no view has', () => {
    const loads = createLoads();
    const some = [locality('a', { issued: 10 })];
    loads.take(1, [cluster('cart', some), cluster('made-up', some)], (name) => name === 'cart');
    expect(loads.report().map(({ cluster: name }) => name)).toEqual(['cart']);
    loads.keep((name) => name !== 'cart');
    expect(loads.report()).toEqual([]);
    loads.end(1);
  });

  it('are bounded, whatever is reported', () => {
    const loads = createLoads();
    const zones = Array.from({ length: 100 }, (_, zone) => locality(`z${zone}`, { issued: 1 }));
    loads.take(
      1,
      Array.from({ length: 6_000 }, (_, name) => cluster(`c${name}`, zones.slice(0, 1))),
      everything,
    );
    expect(loads.report()).toHaveLength(5_000);
    loads.take(2, [cluster('c1', zones)], everything);
    const [row] = loads.report().filter(({ cluster: name }) => name === 'c1');
    expect(row?.localities).toHaveLength(64);
    expect(row?.total.requests).toBe(101);
  });

  it('name so many localities, over all clusters', () => {
    const loads = createLoads();
    const zones = Array.from({ length: 64 }, (_, zone) => locality(`z${zone}`, { issued: 1 }));
    const report = (first: number) => Array.from({ length: 500 }, (_, name) => cluster(`c${first + name}`, zones));
    const rows = (): number => loads.report().reduce((count, { localities }) => count + localities.length, 0);
    loads.take(1, report(0), everything);
    expect(rows()).toBe(20_000);
    loads.keep(() => false);
    loads.take(1, report(1_000), everything);
    expect(rows()).toBe(20_000);
  });

  it('are of one proxy, however often they name a cluster or a locality', () => {
    const loads = createLoads();
    const some = locality('a', { issued: 10, active: 1 });
    loads.take(1, [cluster('cart', [some, some]), cluster('cart', [some])], everything);
    const [cart] = loads.report();
    expect(cart).toMatchObject({ proxies: 1, requestsPerSecond: 3, active: 3, total: { requests: 30 } });
    expect(cart?.localities).toMatchObject([{ proxies: 1, requestsPerSecond: 3, active: 3 }]);
  });

  it('that claim absurd numbers spoil no rate of the others once they are gone', () => {
    const loads = createLoads();
    loads.take(1, [cluster('cart', [locality('a', { issued: 10, active: 1 })])], everything);
    const most = locality('a', { issued: 2 ** 70, failed: 2 ** 70, active: 2 ** 70 });
    const absurd = { cluster: 'cart', localities: Array.from({ length: 9 }, () => most), dropped: 2 ** 70 };
    loads.take(2, [{ ...absurd, intervalMs: 1e-6 }], everything);
    loads.end(2);
    expect(loads.report()[0]).toMatchObject({ proxies: 1, requestsPerSecond: 1, droppedPerSecond: 0, active: 1 });
  });

  it('of no length say no rate', () => {
    const loads = createLoads();
    loads.take(1, [{ ...cluster('cart', [locality('a', { issued: 5 })]), intervalMs: 0 }], everything);
    expect(loads.report()[0]).toMatchObject({ requestsPerSecond: 0, total: { requests: 5 } });
  });
});
