// The cases of the transport benchmark: what lies in the store, who connects, and what happens then. Several workloads
// read the laps of one case. Source of the shapes: the workloads of go-control-plane's users, published with their figures.
import type { Case } from './lap.ts';

const fanOut: Case = {
  services: 1000,
  type: 'endpoints',
  variant: 'delta',
  proxies: 1000,
  each: 100,
  choice: 'same',
  tls: false,
  workers: 0,
  ownViews: false,
  warmUpPushes: 20_000,
  changes: 15,
};
/** Each change is seen by a tenth, so that what limits is changes as much as pushes. */
const storm = {
  ...fanOut,
  choice: 'spread',
  changes: 0,
  storm: { floodPerSecond: 400, open: 16, durationMs: 5000, stalled: 0 },
} as const satisfies Case;
const idle: Case = { ...fanOut, proxies: 5000, each: 1, changes: 0 };

export const cases = {
  fanOut,
  fanOutTls: { ...fanOut, tls: true },
  few: { ...fanOut, each: 10 },
  many: { ...fanOut, each: 1000 },
  share: { ...fanOut, choice: 'spread' },
  clusters: { ...fanOut, type: 'cluster', variant: 'sotw', each: 0 },
  storm,
  stalled: { ...storm, storm: { ...storm.storm, stalled: 100 } },
  idle,
  idleTls: { ...idle, tls: true },
  connectTls2: { ...fanOut, tls: true, workers: 2, changes: 0 },
  fourfold: { ...fanOut, proxies: 4000 },
  // The peer takes seconds for each change.
  ownViews: { ...fanOut, proxies: 200, ownViews: true, warmUpPushes: 1000, changes: 6 },
} as const satisfies Readonly<Record<string, Case>>;

export type CaseName = keyof typeof cases;

/** The same case, small enough to see in seconds that it still runs. Its figures mean nothing. */
export function small(of: Case): Case {
  const shrink = (count: number, by: number): number => Math.ceil(count / by);
  return {
    ...of,
    proxies: shrink(of.proxies, 50),
    services: shrink(of.services, 10),
    each: shrink(of.each, 10),
    warmUpPushes: 0,
    changes: Math.min(of.changes, 2),
    ...(of.storm === undefined
      ? {}
      : { storm: { ...of.storm, open: 2, durationMs: 500, stalled: Math.min(of.storm.stalled, 10) } }),
  };
}
