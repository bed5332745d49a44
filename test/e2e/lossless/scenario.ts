// One scenario under load: what it is, how it is run and judged, and what a failure looks like in print.
import type { Failure, Kind, LoadReport } from './load-plan.ts';
import { kinds } from './load-plan.ts';
import { pause, type Stage, type StageProxy } from './stage.ts';

export interface Scenario {
  /** As the report calls it. */
  readonly name: string;
  /**
   * Instances die without a drain: what is not idempotent (POSTs, and gRPC calls, which are POSTs) may be lost with them.
   * It is counted and published, and only GETs are held to zero.
   */
  readonly drainless?: boolean;
  /**
   * Something changes while the control plane is away. A SotW client cannot be told of it without a gap: the first answer
   * deletes what is gone, and nothing tells a new process what that was (docs/decisions/0011). There it is only counted.
   */
  readonly sotwGap?: boolean;
  /** Also in SotW. */
  readonly everyVariant?: boolean;
  /** `brief`: fewer rounds of the same. */
  run(stage: Stage, brief: boolean): Promise<void>;
}

export interface ScenarioResult {
  readonly scenario: string;
  readonly drainless: boolean;
  /** Counted only. */
  readonly gap: boolean;
  /** Version. */
  readonly envoy: string;
  readonly variant: string;
  readonly registry: string;
  readonly seconds: number;
  /** Sent, by kind. */
  readonly requests: Readonly<Record<Kind, number>>;
  readonly failed: Readonly<Record<Kind, number>>;
  /** Timed out while the load itself stood still. */
  readonly starved: number;
  /** Written to another connection, as theirs had just been closed to new ones. */
  readonly heldBack: number;
  /** Failures that must not be. */
  readonly lost: number;
  readonly p99Ms: number;
  /** Longest that a change of the scenario took to be in force everywhere, and to be acknowledged where that was waited for. */
  readonly slowestChangeMs: number;
  /** For people; empty when nothing failed. */
  readonly explanation: string;
}

const statNames =
  '(update_rejected|update_attempt|update_success|cluster_added|cluster_modified|cluster_removed|warming_clusters|listener_added|listener_modified|listener_in_place_updated|listener_removed|total_listeners_draining|connected_state|upstream_cx_connect_fail|upstream_cx_destroy_with_active_rq|upstream_rq_retry|upstream_rq_5xx|init_fetch_timeout|no_cluster|no_route)';

async function statsOf({ envoy }: StageProxy): Promise<ReadonlyMap<string, number>> {
  const text = await envoy.adminGet(`/stats?usedonly&filter=${encodeURIComponent(statNames)}`);
  return new Map([...text.matchAll(/^(\S+): (\d+)$/gm)].map(([, name = '', value]) => [name, Number(value)]));
}

let chapters = 0;

/** Runs it between two quiet moments under load; never rejects for lost requests, which are in the result. */
export async function runScenario(stage: Stage, scenario: Scenario, brief = false): Promise<ScenarioResult> {
  const before = await Promise.all(stage.proxies.map(statsOf));
  const label = `${scenario.name} ${++chapters}`;
  const from = stage.timeline.length;
  stage.load.label(label);
  stage.slowestWait();
  await pause(500);
  let broken: unknown;
  try {
    await scenario.run(stage, brief);
  } catch (error) {
    broken = error;
  }
  const slowestChangeMs = Math.round(stage.slowestWait());
  await pause(1000);
  stage.load.label(`after ${label}`);
  const report = await stage.load.report(label);
  const after = await Promise.all(stage.proxies.map(statsOf));
  const all = report.tallies.flatMap(({ failures }) => failures).toSorted((a, b) => a.atMs - b.atMs);
  const gap = scenario.sotwGap === true && stage.options.variant === 'sotw';
  const lost = all.filter(({ kind }) => !gap && !(scenario.drainless === true && (kind === 'post' || kind === 'grpc')));
  // The flags are in the access log a moment later.
  if (all.length > 0) await pause(500);
  const { variant, rig } = stage.options;
  const explanation =
    all.length === 0 && broken === undefined
      ? ''
      : explain({ stage, report, failures: all, before, after, timeline: stage.timeline.slice(from) });
  if (broken !== undefined) throw new Error(`${scenario.name}: ${String(broken)}\n${explanation}`, { cause: broken });
  return {
    ...{ scenario: scenario.name, envoy: stage.version, variant, registry: rig.name },
    drainless: scenario.drainless === true,
    gap,
    seconds: Math.round((report.toMs - report.fromMs) / 100) / 10,
    requests: byKind(report, ({ sent }) => sent),
    failed: byKind(report, ({ failures }) => failures.length),
    starved: report.tallies.reduce((sum, { starved }) => sum + starved.length, 0),
    heldBack: report.tallies.reduce((sum, { heldBack }) => sum + heldBack, 0),
    lost: lost.length,
    slowestChangeMs,
    p99Ms: Math.round(Math.max(...report.tallies.map(({ p99Ms }) => p99Ms))),
    explanation,
  };
}

function byKind(report: LoadReport, count: (tally: LoadReport['tallies'][number]) => number): Record<Kind, number> {
  const sums: Record<Kind, number> = { h1: 0, h2: 0, grpc: 0, post: 0 };
  for (const kind of kinds)
    for (const tally of report.tallies) if (tally.target.kind === kind) sums[kind] += count(tally);
  return sums;
}

interface Evidence {
  readonly stage: Stage;
  readonly report: LoadReport;
  readonly failures: readonly Failure[];
  readonly before: readonly ReadonlyMap<string, number>[];
  readonly after: readonly ReadonlyMap<string, number>[];
  readonly timeline: Stage['timeline'];
}

const shown = 40;

/** What was applied when, what failed in between and why Envoy says so, and what its counters did meanwhile. */
function explain({ stage, report, failures, before, after, timeline }: Evidence): string {
  const at = (ms: number): string => `${((ms - report.fromMs) / 1000).toFixed(3).padStart(8)}s`;
  const events = [
    ...timeline.map(({ atMs, what }) => ({ atMs, line: `${at(atMs)}  * ${what}` })),
    ...failures
      .slice(0, shown)
      .map((failure) => ({ atMs: failure.atMs, line: `${at(failure.atMs)}    ${one(stage, failure)}` })),
  ].toSorted((a, b) => a.atMs - b.atMs);
  const moved = stage.proxies.flatMap(({ name }, index) =>
    [...(after[index] ?? [])]
      .map(([stat, value]) => ({ stat, was: before[index]?.get(stat) ?? 0, is: value }))
      .filter(({ was, is }) => was !== is)
      .map(({ stat, was, is }) => `  ${name} ${stat}: ${was} -> ${is}`),
  );
  const tallies = report.tallies.map(
    ({ target, sent, failures: own, p99Ms, maxMs }) =>
      `  ${target.kind} ${target.host} through ${target.via}: ${own.length} of ${sent} failed, p99 ${p99Ms.toFixed(0)} ms, longest ${maxMs.toFixed(0)} ms`,
  );
  return [
    `${report.label} (Envoy ${stage.version}, ${stage.options.variant}, registry ${stage.options.rig.name}); the load stood still for ${report.stalledMs.toFixed(0)} ms at most`,
    ...tallies,
    ...events.map(({ line }) => line),
    ...(failures.length > shown ? [`  and ${failures.length - shown} failures more`] : []),
    'counters that moved:',
    ...moved,
  ].join('\n');
}

function one({ proxies }: Stage, failure: Failure): string {
  const said = proxies.flatMap(({ name, log }) =>
    log
      .of(failure.path)
      .map(
        ({ code, flags, details, cluster, host, attempts }) =>
          `[${name}: ${code} ${flags} ${details} cluster ${cluster} host ${host} attempts ${attempts}]`,
      ),
  );
  const { kind, via, host, path, reason, text, connection, afterMs, stalledMs } = failure;
  return `${kind} ${host}${path} through ${via}, ${connection} connection: ${reason} after ${afterMs.toFixed(0)} ms ${text} ${said.join(' ')}${stalledMs > 50 ? ` (load stood still for ${stalledMs.toFixed(0)} ms)` : ''}`;
}
