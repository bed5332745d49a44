// What one event costs from a source to the streams' door, in a world of 1,000 services x 10 instances and 20 views: World,
// translation, encoding, publication and telling 20 clients. No socket. Run: npm run bench -- pipeline
import { createSystemClock } from '../src/util/system-clock.ts';
import { planeInstance, serviceName, startTestPlane } from '../test/support/plane.ts';
import { ms, percentile, type Row, report } from './table.ts';

const services = 1000;
const events = 1000;
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const sleep = (milliseconds: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, milliseconds));

const before = process.memoryUsage();
const started = performance.now();
const plane = startTestPlane({ services, instances: 10, clock: createSystemClock() });
await turn();
const clients = [
  plane.connect('edge-1', 'edge'),
  ...Array.from({ length: 19 }, (_, index) => plane.connect(`${serviceName(index)}-0`, serviceName(index))),
];
await turn();
const first = performance.now() - started;

/**
 * Wall milliseconds of each change until the last client was told, and CPU milliseconds a change over the whole series, one
 * after another: the clock of a single change would cost a tenth of what it measures.
 */
async function measure(
  count: number,
  change: (index: number) => void | Promise<void>,
): Promise<{ wall: number[]; cpuMs: number; encoded: number }> {
  const wall: number[] = [];
  const encoded = (): number => [...plane.translator.counters.encoded.values()].reduce((sum, value) => sum + value, 0);
  const encodedBefore = encoded();
  const cpuBefore = process.cpuUsage();
  for (let i = 0; i < count; i++) {
    for (const { told } of clients) told.length = 0;
    const start = performance.now();
    await change(i);
    await turn();
    // Structure may wait for its window; asking again and again meanwhile would count as its cost.
    while (clients.some(({ told }) => told.length === 0)) await sleep(1);
    wall.push(performance.now() - start);
  }
  const { user, system } = process.cpuUsage(cpuBefore);
  return { wall, cpuMs: (user + system) / 1000 / count, encoded: (encoded() - encodedBefore) / count };
}

let turns = 0;
/** Never the same state twice in a row: what changes nothing tells nobody. */
const endpoint = (): void => {
  const at = turns++;
  plane.registry.register(
    serviceName(at % services),
    planeInstance(at % services, 0, 2 + (Math.floor(at / services) % 90)),
  );
};
await measure(200, endpoint);
const endpoints = await measure(events, endpoint);
const routes = await measure(200, (i) =>
  plane.objects.put({
    path: 'one.yaml',
    text: `apiVersion: chancery/v1\nkind: Route\nmetadata: {name: one}\nspec:\n  hosts: [one.example]\n  rules: [{respond: {status: ${200 + i}}}]\n`,
  }),
);
globalThis.gc?.();
const after = process.memoryUsage();
const mebibytes = (of: 'rss' | 'heapUsed'): number => Math.round((after[of] - before[of]) / 2 ** 20);
const [memory, live] = [mebibytes('rss'), mebibytes('heapUsed')];
await plane.stop();

const row = (what: string, target: string, of: typeof endpoints, limit?: number): Row => ({
  what,
  target,
  measured: `${of.cpuMs.toFixed(2)} ms CPU; wall p50 ${ms(percentile(of.wall, 50))}, p99 ${ms(percentile(of.wall, 99))}; ${of.encoded} encoded`,
  ...(limit === undefined ? {} : { met: of.cpuMs < limit }),
  data: { cpuMs: of.cpuMs, encoded: of.encoded, wall: of.wall.length },
});
report('pipeline', '1,000 services x 10 instances, 20 views, from the source to the last of 20 clients told', [
  row('one endpoint event', '< 1 ms CPU, 1 encoded', endpoints, 1),
  row('one route change', 'only what names it', routes),
  { what: 'first World and 20 views', target: '', measured: `${Math.round(first)} ms` },
  {
    what: 'memory for it (rise of RSS)',
    target: '',
    measured: `${memory} MB, ${globalThis.gc === undefined ? 'used' : 'live'} heap ${live} MB`,
  },
]);
