// From laps to the table: medians and ranges of each case, each metric held against its target, printed and kept.
// Invariant: a figure is shown only if every lap behind it passed its gate.
import { keep } from '../table.ts';
import type { CaseName } from './cases.ts';
import type { Lap } from './lap.ts';
import type { Metric } from './workloads.ts';

export interface CaseLaps {
  readonly ours: Lap[];
  readonly peer: Lap[];
  /** Why it has no figures. */
  failed?: string;
}

export interface Line {
  readonly id: string;
  readonly what: string;
  readonly ours: string;
  readonly peer: string;
  readonly ratio: string;
  readonly target: string;
  /** Undefined where there is no target, or nothing to hold against it. */
  readonly met?: boolean;
  /** The numbers in the words, where no lap holds them. */
  readonly data?: Readonly<Record<string, number>>;
}

interface Spread {
  readonly median: number;
  readonly text: string;
}

/** The median of a figure over laps; undefined if none has it. */
export function medianOf(laps: readonly Lap[], field: keyof Lap): number | undefined {
  return spread(laps, field, '')?.median;
}

function spread(laps: readonly Lap[], field: keyof Lap, unit: string): Spread | undefined {
  const values = laps
    .map((lap) => lap[field])
    .filter((value) => value !== undefined)
    .sort((a, b) => a - b);
  const [least, most] = [values[0], values.at(-1)];
  if (least === undefined || most === undefined) return undefined;
  const middle = values.length >> 1;
  const median =
    values.length % 2 === 1 ? (values[middle] ?? 0) : ((values[middle - 1] ?? 0) + (values[middle] ?? 0)) / 2;
  return { median, text: `${short(median)} ${unit} (${short(least)}-${short(most)})` };
}

export function short(value: number): string {
  const size = Math.abs(value);
  return size >= 100 ? String(Math.round(value)) : size >= 10 ? value.toFixed(1) : value.toFixed(2);
}

export function lineOf(metric: Metric, all: ReadonlyMap<CaseName, CaseLaps>): Line {
  const { id, what, field, unit } = metric;
  const names = metric.kind === 'ratio' ? [metric.of] : [metric.from, metric.to];
  if ('peerOf' in metric) names.push(metric.peerOf);
  const failed = names.map((name) => all.get(name)?.failed).find((reason) => reason !== undefined);
  const atLeast = metric.kind === 'ratio' && 'atLeast' in metric ? metric.atLeast : undefined;
  const target = atLeast === undefined ? (metric.atMost === undefined ? '' : `<= ${metric.atMost}`) : `>= ${atLeast}`;
  const line = { id, what, ours: '', peer: '', ratio: '', target };
  if (failed !== undefined) return { ...line, ours: `FAILED: ${failed.split('\n')[0]}`, met: false };
  const of = (name: CaseName, who: 'ours' | 'peer'): Spread | undefined =>
    spread(all.get(name)?.[who] ?? [], field, unit);
  const judged = (ratio: number): { met?: boolean } =>
    atLeast !== undefined
      ? { met: ratio >= atLeast }
      : metric.atMost === undefined
        ? {}
        : { met: ratio <= metric.atMost };
  if (metric.kind === 'growth') {
    const [from, to] = [of(metric.from, 'ours'), of(metric.to, 'ours')];
    if (from === undefined || to === undefined) return line;
    const each = (to.median - from.median) / metric.by;
    return { ...line, target: `${target} ${unit}`, ours: `${short(each)} ${unit}`, ...judged(each) };
  }
  const [a, b] =
    metric.kind === 'slope'
      ? [of(metric.to, 'ours'), of(metric.from, 'ours')]
      : [of(metric.of, 'ours'), of('peerOf' in metric ? metric.peerOf : metric.of, 'peer')];
  if (metric.kind === 'slope') {
    const [peerTo, peerFrom] = [of(metric.to, 'peer'), of(metric.from, 'peer')];
    const peer = peerTo && peerFrom ? `x${short(peerTo.median / peerFrom.median)}` : '';
    const slope = a && b ? a.median / b.median : Number.NaN;
    return { ...line, ours: `${b?.text} -> ${a?.text}`, peer, ratio: short(slope), ...judged(slope) };
  }
  if (a === undefined || b === undefined) return { ...line, ours: a?.text ?? '', peer: b?.text ?? 'no peer' };
  return { ...line, ours: a.text, peer: b.text, ratio: short(a.median / b.median), ...judged(a.median / b.median) };
}

const columns = ['id', 'what', 'ours', 'peer', 'ratio', 'target'] as const;

export function printTable(lines: readonly Line[]): void {
  const titles: Line = { id: '', what: 'what', ours: 'ours', peer: 'peer', ratio: 'ratio', target: 'target' };
  const widths = columns.map((column) => Math.max(...[titles, ...lines].map((line) => line[column].length)));
  for (const line of [titles, ...lines]) {
    const cells = columns.map((column, index) => line[column].padEnd(widths[index] ?? 0));
    console.log(`${cells.join('  ')}  ${line.met === undefined ? '' : line.met ? 'ok' : 'MISSED'}`.trimEnd());
  }
}

/** The table and every lap behind it, under bench/results/transport.json. */
export function keepResults(
  how: Readonly<Record<string, unknown>>,
  lines: readonly Line[],
  laps: ReadonlyMap<CaseName, CaseLaps>,
): void {
  keep('transport', { how, lines, laps: Object.fromEntries(laps) });
}
