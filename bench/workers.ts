// What worker threads buy and cost: the fan-out and the connect storm of the transport benchmark, ours alone, on the main
// thread and on two and more workers in turn. usage: npm run bench -- workers [--quick] [--runs N] [--workers 0,2,4]
// Prints medians and ranges. Loopback only, bounded, stops what it started. Exit code 1: a gate failed.
import { createTempDir } from '../test/support/temp-dir.ts';
import { cases, small } from './transport/cases.ts';
import type { Case, Lap } from './transport/lap.ts';
import type { CaseLaps } from './transport/results.ts';
import { addLaps, type RunKit } from './transport/runs.ts';
import { makeCertificate } from './transport/tls-files.ts';

const args = process.argv.slice(2);
const optionOf = (flag: string): string | undefined => (args.includes(flag) ? args[args.indexOf(flag) + 1] : undefined);
const quick = args.includes('--quick');
const runs = Number(optionOf('--runs') ?? (quick ? 1 : 3));
const counts = (optionOf('--workers') ?? '0,2').split(',').map(Number);

using folder = createTempDir('workers');
const kit: RunKit = {
  peer: { missing: 'not asked' },
  folder: folder.path,
  certificate: makeCertificate(folder.path),
  say: () => {},
};
const shown: readonly (keyof Lap)[] = [
  ...(['connectWallMs', 'connectCpuMs', 'cpuPerPushUs', 'firstMs', 'p50Ms', 'lastMs', 'baseKb', 'kbPerProxy'] as const),
];

function summary(values: readonly number[]): string {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted[Math.floor(sorted.length / 2)] ?? 0;
  return `${middle.toFixed(1)} (${(sorted[0] ?? 0).toFixed(1)} to ${(sorted.at(-1) ?? 0).toFixed(1)})`;
}

for (const [name, base] of Object.entries({ plaintext: cases.fanOut, TLS: cases.fanOutTls } satisfies Record<
  string,
  Case
>)) {
  const laps = new Map<number, Lap[]>(counts.map((count) => [count, []]));
  for (let run = 0; run < runs; run++)
    for (const workers of counts) {
      const of: Case = { ...(quick ? small(base) : base), workers };
      const into: CaseLaps = { ours: [], peer: [] };
      await addLaps(`${name} ${workers}`, of, { kit, withPeer: false, into });
      const { ours, failed } = into;
      if (failed !== undefined) {
        console.log(`${name}, ${workers} workers: ${failed}`);
        process.exitCode = 1;
      }
      laps.get(workers)?.push(...ours);
    }
  console.log(`${name}, ${base.proxies} proxies x ${base.each}, delta EDS, ${runs} runs, medians (ranges)`);
  for (const [workers, of] of laps) {
    const cells = shown.map((field) => `${field} ${summary(of.map((lap) => lap[field] ?? Number.NaN))}`);
    console.log(`  ${workers} workers: ${cells.join('  ')}`);
  }
}
