// What 10,000, 100,000 and 1,000,000 proxies take, computed from the last full run of the transport benchmark: the table of
// docs/scale.md, as Markdown. It measures nothing. Run: npm run bench -- scale, after npm run bench -- transport
import { existsSync, readFileSync } from 'node:fs';
import { type CaseLaps, type Line, medianOf, short } from './transport/results.ts';

interface Results {
  readonly how: { readonly date: string; readonly runs: number };
  readonly lines: readonly Line[];
  readonly laps: Readonly<Record<string, CaseLaps>>;
}

/** The assumptions; a reader with other ones puts them in here. */
const changesPerSecond = 10;
const share = 0.1;
const coreShare = 0.5;
const memoryGb = 8;
const maxConnections = 20_000;
const backSeconds = 30;

function compute({ laps, lines, how }: Results): void {
  const of = (name: string, field: Parameters<typeof medianOf>[1]): number => {
    const found = medianOf(laps[name]?.ours ?? [], field);
    if (found === undefined) throw new Error(`the last run of the transport benchmark has no ${field} of ${name}`);
    return found;
  };
  const tenThousand = lines.find(({ id, data }) => id === '10k' && data?.['kbPerProxy'] !== undefined)?.data;
  const baseMb = of('fanOut', 'baseKb') / 1024;
  const bytes = of('fanOut', 'pushBytes');
  const transports = {
    plain: {
      kb: tenThousand?.['kbPerProxy'] ?? of('fanOut', 'kbPerProxy'),
      pushUs: of('fourfold', 'cpuPerPushUs'),
      connectMs: of('fanOut', 'connectCpuMs') / 1000,
    },
    TLS: {
      kb: of('fanOutTls', 'kbPerProxy'),
      pushUs: of('fanOutTls', 'cpuPerPushUs'),
      connectMs: of('fanOutTls', 'connectCpuMs') / 1000,
    },
  };
  // What a change costs whoever watches it: a change seen by 100, less its 100 pushes.
  const changeMs = Math.max(0, of('share', 'cpuPerChangeMs') - (100 * of('fanOut', 'cpuPerPushUs')) / 1000);

  console.log(`From the run of ${how.date.slice(0, 10)} (${how.runs} runs, medians):\n`);
  console.log('| input | plain | TLS |\n|---|---|---|');
  const row = (what: string, unit: string, field: 'kb' | 'pushUs' | 'connectMs'): void =>
    console.log(`| ${what} | ${short(transports.plain[field])} ${unit} | ${short(transports.TLS[field])} ${unit} |`);
  row('m, memory a proxy', 'KB', 'kb');
  row('c, CPU a push', 'µs', 'pushUs');
  row('a, CPU to connect a proxy and send its first state', 'ms', 'connectMs');
  console.log(`| B, memory of a process with nobody connected | ${short(baseMb)} MB | the same |`);
  console.log(`| k, CPU of a change, whoever watches | ${short(changeMs)} ms | the same |`);
  console.log(`| b, bytes of a push | ${short(bytes)} B | the same |\n`);

  console.log(
    '| proxies | transport | replicas | set by | cores busy, all | memory, all | pushes/s | egress | lost replica served again |',
  );
  console.log('|---|---|---|---|---|---|---|---|---|');
  for (const proxies of [10_000, 100_000, 1_000_000])
    for (const [name, { kb, pushUs, connectMs }] of Object.entries(transports)) {
      const bounds: readonly [string, number][] = [
        ['CPU', ((coreShare - (changesPerSecond * changeMs) / 1e3) * 1e6) / (changesPerSecond * share * pushUs)],
        ['memory', ((memoryGb * 1024 - baseMb) * 1024) / kb],
        ['connections', maxConnections],
        ['coming back', ((backSeconds * 1000) / connectMs) * coreShare],
      ];
      const [why, each] = bounds.reduce((least, bound) => (bound[1] < least[1] ? bound : least));
      const replicas = Math.max(2, Math.ceil(proxies / each) + 1);
      const pushes = changesPerSecond * share * proxies;
      const cores = (pushes * pushUs) / 1e6 + (replicas * changesPerSecond * changeMs) / 1e3;
      const gb = (proxies * kb) / 1024 ** 2 + (replicas * baseMb) / 1024;
      const back = ((proxies / replicas) * connectMs) / 1000 / Math.max(1, replicas - 1) / (1 - coreShare);
      const cells = [
        ...[proxies.toLocaleString('en'), name, String(replicas), why, short(cores), `${short(gb)} GB`],
        ...[Math.round(pushes).toLocaleString('en'), `${short((pushes * bytes * 8) / 1e6)} Mbit/s`, `${short(back)} s`],
      ];
      console.log(`| ${cells.join(' | ')} |`);
    }
}

const file = new URL('./results/transport.json', import.meta.url);
if (existsSync(file)) compute(JSON.parse(readFileSync(file, 'utf8')) as Results);
else console.log('no results yet: npm run bench -- transport');
