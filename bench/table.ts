// What every benchmark shares: percentiles, a plain table, and a JSON file with how the numbers were taken.
import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus, release, totalmem } from 'node:os';
import { fileURLToPath } from 'node:url';

export interface Row {
  readonly what: string;
  readonly target: string;
  readonly measured: string;
  /** Whether the target was met; undefined where there is none. */
  readonly met?: boolean;
  /** Raw numbers behind `measured`. */
  readonly data?: unknown;
}

/** The p-th percentile (nearest rank) of unsorted numbers. */
export function percentile(values: readonly number[], p: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil((p / 100) * sorted.length) - 1))] ?? Number.NaN;
}

export const ms = (value: number): string => `${value < 10 ? value.toFixed(1) : Math.round(value)} ms`;

/** Prints the table and keeps it under bench/results/NAME.json. */
export function report(name: string, how: string, rows: readonly Row[]): void {
  const widths = [0, 1, 2].map((column) => Math.max(...rows.map((row) => cells(row)[column]?.length ?? 0), 8));
  const line = (parts: readonly string[]): string =>
    parts.map((part, index) => part.padEnd(widths[index] ?? 0)).join('  ');
  console.log(`\n${name}: ${how}`);
  console.log(line(['what', 'target', 'measured']));
  for (const row of rows) console.log(line(cells(row)));
  keep(name, { how, rows });
}

/** Writes results under bench/results/NAME.json, with the machine they were taken on. */
export function keep(name: string, results: Readonly<Record<string, unknown>>): void {
  const [cpu] = cpus();
  const machine = {
    cpu: cpu?.model ?? '',
    cores: cpus().length,
    memoryGib: Math.round(totalmem() / 2 ** 30),
    kernel: release(),
    node: process.version,
  };
  const folder = fileURLToPath(new URL('./results/', import.meta.url));
  mkdirSync(folder, { recursive: true });
  writeFileSync(`${folder}${name}.json`, `${JSON.stringify({ name, machine, ...results }, null, 2)}\n`);
}

function cells(row: Row): string[] {
  return [row.what, row.target, `${row.measured}${row.met === undefined ? '' : row.met ? '  ok' : '  MISSED'}`];
}
