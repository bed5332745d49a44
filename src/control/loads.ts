// The load that proxies report, summed by cluster and by the locality of the instances that took it.
// It must not know who may report. Invariants: rates are of each proxy's last report and go with its stream; totals go with
// the cluster; the number of rows is bounded whatever is reported.
import type { ClusterLoad, LocalityLoad } from '../xds/contract.ts';
import type { ClusterLoadStatus, LoadStatus } from './contract.ts';

export interface Loads {
  /** `known` tells the clusters that may be counted: those of the reporting proxy's own view. */
  take(streamId: number, clusters: readonly ClusterLoad[], known: (cluster: string) => boolean): void;
  /** The proxy reports no more. */
  end(streamId: number): void;
  /** Forgets clusters that no proxy has any longer. */
  keep(known: (cluster: string) => boolean): void;
  /** By cluster, names sorted. */
  report(): readonly ClusterLoadStatus[];
}

const maxClusters = 5_000;
/** Further localities of a cluster are counted with the cluster only. */
const maxLocalities = 64;
/** Localities of all clusters together: proxies choose their names. */
const maxLocalityRows = 20_000;
/**
 * More than any proxy counts. Sums of the rates stay exact enough that what one proxy claims is gone with it, and a sum
 * is a number that metrics take.
 */
const maxCount = 2 ** 40;
const minIntervalMs = 100;
const maxRate = (maxCount * 1000) / minIntervalMs;

interface Row {
  readonly total: { requests: number; succeeded: number; failed: number; dropped: number };
  /** Sums over the last report of each proxy, per second but for `active`. */
  readonly now: { requests: number; failed: number; dropped: number; active: number; proxies: number };
}

interface ClusterRow extends Row {
  readonly localities: Map<string, Row & Pick<LocalityLoad, 'region' | 'zone' | 'subZone'>>;
}

interface Share {
  readonly row: Row;
  readonly requests: number;
  readonly failed: number;
  readonly dropped: number;
  readonly active: number;
}

type Counts = Pick<LocalityLoad, 'issued' | 'succeeded' | 'failed' | 'active'> & { readonly dropped: number };

const createRow = (): Row => ({
  total: { requests: 0, succeeded: 0, failed: 0, dropped: 0 },
  now: { requests: 0, failed: 0, dropped: 0, active: 0, proxies: 0 },
});

export function createLoads(): Loads {
  const clusters = new Map<string, ClusterRow>();
  /** What each stream's last report adds to the rows. */
  const shares = new Map<number, readonly Share[]>();
  let localityRows = 0;

  function end(streamId: number): void {
    for (const share of shares.get(streamId) ?? []) apply(share, -1);
    shares.delete(streamId);
  }

  function rowOf(cluster: string): ClusterRow | undefined {
    const known = clusters.get(cluster);
    if (known !== undefined || clusters.size >= maxClusters) return known;
    const row = { ...createRow(), localities: new Map() };
    clusters.set(cluster, row);
    return row;
  }

  function localityRow({ localities }: ClusterRow, { region, zone, subZone }: LocalityLoad): Row | undefined {
    const key = `${region}\n${zone}\n${subZone}`;
    const known = localities.get(key);
    if (known !== undefined || localities.size >= maxLocalities || localityRows >= maxLocalityRows) return known;
    const row = { ...createRow(), region, zone, subZone };
    localities.set(key, row);
    localityRows++;
    return row;
  }

  return {
    take(streamId, reported, known) {
      end(streamId);
      // A report may say several things of one row (an Envoy does by priority), and comes from one proxy all the same.
      const added = new Map<Row, Share>();
      const add = (row: Row, counts: Counts, intervalMs: number): void => {
        added.set(row, together(added.get(row), count(row, counts, intervalMs)));
      };
      for (const load of reported) {
        const row = known(load.cluster) ? rowOf(load.cluster) : undefined;
        if (row === undefined) continue;
        add(row, { ...sum(load.localities), dropped: load.dropped }, load.intervalMs);
        for (const locality of load.localities) {
          const part = localityRow(row, locality);
          if (part !== undefined) add(part, { ...locality, dropped: 0 }, load.intervalMs);
        }
      }
      const all = [...added.values()];
      for (const share of all) apply(share, 1);
      shares.set(streamId, all);
    },
    end,
    keep(known) {
      for (const [cluster, { localities }] of clusters) {
        if (known(cluster)) continue;
        clusters.delete(cluster);
        localityRows -= localities.size;
      }
    },
    report: () =>
      [...clusters]
        .sort(([a], [b]) => (a < b ? -1 : 1))
        .map(([cluster, row]) => ({
          cluster,
          ...shown(row),
          localities: [...row.localities.values()].map(({ region, zone, subZone, ...part }) => ({
            ...{ region, zone, subZone },
            ...shown(part),
          })),
        })),
  };
}

function sum(localities: readonly LocalityLoad[]): Omit<Counts, 'dropped'> {
  const all = { issued: 0, succeeded: 0, failed: 0, active: 0 };
  for (const { issued, succeeded, failed, active } of localities) {
    all.issued += issued;
    all.succeeded += succeeded;
    all.failed += failed;
    all.active += active;
  }
  return all;
}

function together(one: Share | undefined, other: Share): Share {
  if (one === undefined) return other;
  return {
    row: one.row,
    requests: Math.min(maxRate, one.requests + other.requests),
    failed: Math.min(maxRate, one.failed + other.failed),
    dropped: Math.min(maxRate, one.dropped + other.dropped),
    active: Math.min(maxRate, one.active + other.active),
  };
}

/** Adds to the totals; returns what it adds to the rates while it is the proxy's last word. */
function count(row: Row, counts: Counts, intervalMs: number): Share {
  const issued = Math.min(counts.issued, maxCount);
  const succeeded = Math.min(counts.succeeded, maxCount);
  const failed = Math.min(counts.failed, maxCount);
  const active = Math.min(counts.active, maxCount);
  const dropped = Math.min(counts.dropped, maxCount);
  row.total.requests += issued;
  row.total.succeeded += succeeded;
  row.total.failed += failed;
  row.total.dropped += dropped;
  const perSecond = intervalMs > 0 ? 1000 / Math.max(intervalMs, minIntervalMs) : 0;
  return { row, requests: issued * perSecond, failed: failed * perSecond, dropped: dropped * perSecond, active };
}

function apply({ row: { now }, requests, failed, dropped, active }: Share, sign: 1 | -1): void {
  now.proxies += sign;
  // Sums of fractions leave dust behind, and an idle cluster has none.
  const idle = now.proxies === 0;
  now.requests = idle ? 0 : now.requests + sign * requests;
  now.failed = idle ? 0 : now.failed + sign * failed;
  now.dropped = idle ? 0 : now.dropped + sign * dropped;
  now.active = idle ? 0 : now.active + sign * active;
}

function shown({ now, total }: Row): LoadStatus {
  return {
    proxies: now.proxies,
    requestsPerSecond: rounded(now.requests),
    failedPerSecond: rounded(now.failed),
    droppedPerSecond: rounded(now.dropped),
    active: now.active,
    total: { ...total },
  };
}

/** To three decimals, never below zero. */
function rounded(value: number): number {
  return Math.max(0, Math.round(value * 1000) / 1000);
}
