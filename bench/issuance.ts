// Ten thousand leaves asked for at once: how long the main thread is held up meanwhile, and how many are signed a second.
// The authority as the product has it, with its threads, over a root in memory. Run: npm run bench -- issuance
import { loadavg } from 'node:os';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { createAuthority, signingThreads } from '../src/ca/authority.ts';
import { silentLogger } from '../src/util/log.ts';
import { createSystemClock } from '../src/util/system-clock.ts';
import { createRootsInMemory } from '../test/support/roots-in-memory.ts';
import { ms, percentile, type Row, report } from './table.ts';

const trustDomain = 'bench.example';
const leaves = 10_000;
const rounds = 5;
const limitMs = 120_000;
const targetMs = 20;
const urgencies = ['routine', 'expiring', 'rotation', 'none-yet'] as const;

interface Round {
  readonly seconds: number;
  /** Of the main thread's event loop, in milliseconds. */
  readonly delay: { readonly p50: number; readonly p99: number; readonly most: number };
  /** Of this process, all threads. */
  readonly cpuSeconds: number;
}

const overdue = setTimeout(() => {
  console.error(`the benchmark took more than ${limitMs / 1000} s`);
  process.exit(1);
}, limitMs);
const clock = createSystemClock();

/** What the event loop does while `work` goes on. */
async function watched(work: () => Promise<unknown>): Promise<Round> {
  // Every millisecond; a delay contains the millisecond it was to take.
  const histogram = monitorEventLoopDelay({ resolution: 1 });
  histogram.enable();
  const before = process.cpuUsage();
  const since = performance.now();
  await work();
  const seconds = (performance.now() - since) / 1000;
  const { user, system } = process.cpuUsage(before);
  histogram.disable();
  const [p50, p99] = [50, 99].map((p) => histogram.percentile(p) / 1e6);
  return {
    seconds,
    delay: { p50: p50 ?? 0, p99: p99 ?? 0, most: histogram.max / 1e6 },
    cpuSeconds: (user + system) / 1e6,
  };
}

async function measure(): Promise<Round[]> {
  const authority = createAuthority(
    { clock, random: () => 0.5, log: silentLogger, provider: createRootsInMemory(clock, { trustDomain }) },
    { trustDomain },
  );
  await authority.open();
  const running = new AbortController();
  const ended = authority.run(running.signal);
  const issue = (index: number) =>
    authority.issue({
      spiffeId: `spiffe://${trustDomain}/svc/service-${index}`,
      seed: `proxy-${index}`,
      urgency: urgencies[index % urgencies.length] ?? 'routine',
    });
  // The thread is there, and both sides are compiled.
  await Promise.all(Array.from({ length: 500 }, (_, index) => issue(index)));
  const all: Round[] = [];
  for (let round = 0; round < rounds; round++) {
    const serials = new Set<string>();
    all.push(
      await watched(() =>
        Promise.all(Array.from({ length: leaves }, async (_, index) => serials.add((await issue(index)).serial))),
      ),
    );
    if (serials.size !== leaves) throw new Error(`${serials.size} serials of ${leaves} leaves`);
  }
  running.abort();
  await ended;
  return all;
}

const rows: Row[] = [];
const idle = await watched(() => clock.sleep(2_000));
rows.push({
  what: 'event loop, nothing to do, p99',
  target: '',
  measured: `${ms(idle.delay.p99)}, most ${ms(idle.delay.most)}`,
  data: idle,
});
const before = loadavg()[0]?.toFixed(1);
const all = await measure();
clearTimeout(overdue);
const worst = Math.max(...all.map(({ delay }) => delay.p99));
const rates = all.map(({ seconds }) => Math.round(leaves / seconds));
const perCpuSecond = all.map(({ cpuSeconds }) => Math.round(leaves / cpuSeconds));
rows.push(
  {
    what: `event loop meanwhile, worst p99 of ${rounds} rounds`,
    target: `< ${targetMs} ms`,
    measured: ms(worst),
    met: worst < targetMs,
    data: all.map(({ delay }) => delay),
  },
  {
    what: 'event loop, the turn that asks for all of them',
    target: '',
    measured: `${ms(
      percentile(
        all.map(({ delay }) => delay.most),
        50,
      ),
    )}, most ${ms(Math.max(...all.map(({ delay }) => delay.most)))}`,
  },
  {
    what: 'leaves a second of the clock',
    target: '',
    measured: `${percentile(rates, 50)} (${Math.min(...rates)} to ${Math.max(...rates)})`,
    data: all.map(({ seconds }) => seconds),
  },
  {
    what: 'leaves a CPU second, both threads together',
    target: '',
    measured: `${percentile(perCpuSecond, 50)} (${Math.min(...perCpuSecond)} to ${Math.max(...perCpuSecond)})`,
    data: all.map(({ cpuSeconds }) => cpuSeconds),
  },
);
report(
  'issuance',
  `${leaves} leaves asked for in one turn, key and certificate each; ${signingThreads()} signing thread, load of the machine ` +
    `${before} before and ${loadavg()[0]?.toFixed(1)} after, of other work`,
  rows,
);
