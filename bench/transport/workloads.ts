// W1..W10: which figure of which case is held against which target. W11 and the ten thousand have files of their own.
import { type CaseName, cases } from './cases.ts';
import type { Lap } from './lap.ts';

type Field = keyof Lap;

interface Common {
  readonly id: string;
  readonly what: string;
  readonly unit: string;
  readonly field: Field;
}

export type Metric =
  /** Ours to the peer's in one case. */
  | (Common & { readonly kind: 'ratio'; readonly of: CaseName; readonly atMost?: number; readonly atLeast?: number })
  /** Ours in one case to the peer's in another: what a second thread buys. */
  | (Common & { readonly kind: 'ratio'; readonly of: CaseName; readonly peerOf: CaseName; readonly atMost: number })
  /** Ours in the second case to ours in the first; the peer's slope is shown beside it where it was run. */
  | (Common & { readonly kind: 'slope'; readonly from: CaseName; readonly to: CaseName; readonly atMost: number })
  /** Ours alone: by how much more the second case grew than the first, for each of `by`. */
  | (Common & {
      readonly kind: 'growth';
      readonly from: CaseName;
      readonly to: CaseName;
      readonly by: number;
      readonly atMost: number;
    });

/** One message with all that a storm leaves open: 16 resources of half a KB. */
const stormMessageKb = 8;

const ratio = (
  id: string,
  [of, field, unit]: readonly [CaseName, Field, string],
  [what, atMost]: readonly [string, number?],
): Metric => ({ kind: 'ratio', id, what, of, field, unit, ...(atMost === undefined ? {} : { atMost }) });

export const metrics: readonly Metric[] = [
  ratio('W1', ['fanOut', 'cpuPerPushUs', 'µs'], ['delta EDS, 1000 proxies x 100: CPU a push', 0.35]),
  ratio('W1', ['fanOut', 'p50Ms', 'ms'], ['p50', 0.6]),
  ratio('W1', ['fanOut', 'p99Ms', 'ms'], ['p99']),
  ratio('W1', ['fanOut', 'firstMs', 'ms'], ['first proxy']),
  ratio('W1', ['fanOut', 'lastMs', 'ms'], ['last proxy', 0.6]),
  ratio('W2', ['many', 'cpuPerPushUs', 'µs'], ['the same, 1000 subscriptions each: CPU a push', 0.1]),
  ratio('W2', ['many', 'lastMs', 'ms'], ['last proxy']),
  ratio('W2', ['many', 'kbPerProxy', 'KB'], ['memory a proxy', 0.5]),
  {
    ...{ kind: 'slope', id: 'W2', what: 'CPU a push, 10 -> 1000 subscriptions', from: 'few', to: 'many' },
    ...{ field: 'cpuPerPushUs', unit: 'µs', atMost: 1.25 },
  },
  ratio('W3', ['share', 'cpuPerChangeMs', 'ms'], ['seen by 100 of 1000: CPU a change', 0.5]),
  ratio('W3', ['share', 'p99Ms', 'ms'], ['p99', 1]),
  ratio('W4', ['clusters', 'cpuPerPushUs', 'µs'], ['SotW CDS, 1000 clusters in 106 KB: CPU a push', 0.35]),
  ratio('W4', ['clusters', 'p50Ms', 'ms'], ['p50']),
  ratio('W4', ['clusters', 'lastMs', 'ms'], ['last proxy', 0.5]),
  {
    ...{ kind: 'ratio', id: 'W5', what: 'storm, 1000 proxies x 100 of 1000, 400 changes/s offered: taken' },
    ...{ of: 'storm', field: 'floodPerSecond', unit: '/s', atLeast: 2 },
  },
  ratio('W5', ['storm', 'changesPerSecond', '/s'], ['never more than 16 under way: changes/s that reach all']),
  ratio('W5', ['storm', 'stormP99Ms', 'ms'], ['of these, p99']),
  ratio('W5', ['storm', 'stormCpuPerPushUs', 'µs'], ['CPU a resource received']),
  ratio('W6', ['fanOut', 'kbPerProxy', 'KB'], ['memory a proxy, 100 subscriptions', 0.7]),
  ratio('W6', ['fanOutTls', 'kbPerProxy', 'KB'], ['the same over TLS', 1.2]),
  ratio('W6', ['idle', 'kbPerProxy', 'KB'], ['memory a proxy, 5000 with one subscription', 0.8]),
  ratio('W6', ['idleTls', 'kbPerProxy', 'KB'], ['the same over TLS', 1]),
  ratio('W7', ['fanOut', 'connectCpuMs', 'ms'], ['1000 proxies connect at once, first state: CPU', 1.2]),
  ratio('W7', ['fanOutTls', 'connectCpuMs', 'ms'], ['the same over TLS', 1.6]),
  ratio('W7', ['fanOut', 'connectWallMs', 'ms'], ['wall time']),
  ratio('W7', ['fanOutTls', 'connectWallMs', 'ms'], ['wall time over TLS']),
  {
    ...{ kind: 'ratio', id: 'W7', what: 'wall time over TLS, 2 workers', of: 'connectTls2', peerOf: 'fanOutTls' },
    ...{ field: 'connectWallMs', unit: 'ms', atMost: 1 },
  },
  {
    ...{ kind: 'slope', id: 'W8', what: 'CPU a push, 1000 -> 4000 proxies', from: 'fanOut', to: 'fourfold' },
    ...{ field: 'cpuPerPushUs', unit: 'µs', atMost: 1.2 },
  },
  {
    ...{ kind: 'slope', id: 'W9', what: 'storm, 100 of 1000 stalled: p99 of the others', from: 'storm', to: 'stalled' },
    ...{ field: 'stormP99Ms', unit: 'ms', atMost: 1.1 },
  },
  {
    ...{ kind: 'growth', id: 'W9', what: 'live memory a stalled proxy costs in it', from: 'storm', to: 'stalled' },
    ...{ field: 'stormGrowthKb', unit: 'KB', by: cases.stalled.storm.stalled, atMost: stormMessageKb },
  },
  ratio('W10', ['ownViews', 'cpuPerChangeMs', 'ms'], ['200 proxies, each its own view: CPU a change', 0.05]),
];

/** The cases that these metrics read, and whether the peer runs them too. */
export function casesOf(chosen: readonly Metric[]): ReadonlyMap<CaseName, { readonly peer: boolean }> {
  const found = new Map<CaseName, { peer: boolean }>();
  const need = (name: CaseName, peer: boolean): void => {
    found.set(name, { peer: peer || (found.get(name)?.peer ?? false) });
  };
  for (const metric of chosen) {
    if (metric.kind !== 'ratio') for (const name of [metric.from, metric.to]) need(name, metric.id === 'W8');
    else if ('peerOf' in metric) {
      need(metric.of, false);
      need(metric.peerOf, true);
    } else need(metric.of, true);
  }
  return found;
}
