// How long a change in Consul or in a file takes to be felt through the edge Envoy.
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Backend, startBackend } from '../../test/support/backends.ts';
import { ask, startLoad } from '../../test/support/load.ts';
import { ms, percentile, type Row } from '../table.ts';
import type { Fleet } from './fleet.ts';

const pause = (milliseconds: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, milliseconds));

/** Asks until `good`; returns milliseconds since `start`. */
async function until(start: number, good: () => Promise<boolean>): Promise<number> {
  while (!(await good())) {
    if (performance.now() - start > 20_000) throw new Error('not within 20 s');
    await pause(1);
  }
  return performance.now() - start;
}

const status = async (fleet: Fleet, host: string): Promise<number> =>
  (await ask({ port: fleet.port, host, timeoutMs: 2000 }).catch(() => ({ status: 0 }))).status;

/** Consul's own part: until it had answered the write, which it does once its log is on disk. */
function ofConsul(answered: readonly number[]): string {
  return ` (Consul's own write ${ms(percentile(answered, 50))} / ${ms(percentile(answered, 99))})`;
}

/** Until the edge follows the server again: after restarts it may sit out its back-off, which is none of these times. */
export async function reconnected(fleet: Fleet, backend: Backend): Promise<void> {
  await fleet.register('first', 'first-1', backend.port);
  await until(performance.now(), async () => (await status(fleet, 'first')) === 200);
}

export async function newService(fleet: Fleet, backend: Backend, rounds: number): Promise<Row> {
  const times: number[] = [];
  const answered: number[] = [];
  for (let i = 0; i < rounds; i++) {
    const name = `new-${i}`;
    const start = performance.now();
    await fleet.register(name, `${name}-1`, backend.port);
    answered.push(performance.now() - start);
    times.push(await until(start, async () => (await status(fleet, `${name}.service.local`)) === 200));
    await pause(100);
  }
  for (let i = 0; i < rounds; i++) await fleet.deregister(`new-${i}-1`);
  const [p50, p99] = [percentile(times, 50), percentile(times, 99)];
  return {
    what: `new service in Consul -> routed, p50 / p99 (n=${rounds})`,
    target: '<= 20 / 60 ms',
    measured: `${ms(p50)} / ${ms(p99)}${ofConsul(answered)}`,
    met: p50 <= 20 && p99 <= 60,
    data: { times, consulAnswered: answered },
  };
}

export async function addedInstance(fleet: Fleet, rounds: number): Promise<readonly Row[]> {
  await using base = await startBackend('base');
  await fleet.register('grow', 'grow-base', base.port);
  await until(performance.now(), async () => (await status(fleet, 'grow')) === 200);
  const added: number[] = [];
  const removed: number[] = [];
  const addAnswered: number[] = [];
  const removeAnswered: number[] = [];
  for (let i = 0; i < rounds; i++) {
    await using extra = await startBackend(`extra-${i}`);
    const load = startLoad({ port: fleet.port, host: 'grow', perSecond: 500, maxSeconds: 20 });
    await pause(200);
    const start = performance.now();
    await fleet.register('grow', `grow-${i}`, extra.port);
    addAnswered.push(performance.now() - start);
    added.push(await until(start, async () => extra.requests() > 0));
    await pause(200);
    const gone = performance.now();
    await fleet.deregister(`grow-${i}`);
    removeAnswered.push(performance.now() - gone);
    let last = gone;
    let seen = extra.requests();
    while (performance.now() - last < 300) {
      await pause(1);
      if (extra.requests() === seen) continue;
      seen = extra.requests();
      last = performance.now();
    }
    removed.push(last - gone);
    await load.stop();
  }
  await fleet.deregister('grow-base');
  const [a50, a99] = [percentile(added, 50), percentile(added, 99)];
  const r99 = percentile(removed, 99);
  return [
    {
      what: `added instance -> first request, p50 / p99 (n=${rounds})`,
      target: '<= 15 / 50 ms',
      measured: `${ms(a50)} / ${ms(a99)}${ofConsul(addAnswered)}`,
      met: a50 <= 15 && a99 <= 50,
      data: { times: added, consulAnswered: addAnswered },
    },
    {
      what: `deregistered -> last request, p50 / p99 (n=${rounds})`,
      target: 'p99 <= 20 ms',
      measured: `${ms(percentile(removed, 50))} / ${ms(r99)}${ofConsul(removeAnswered)}`,
      met: r99 <= 20,
      data: { times: removed, consulAnswered: removeAnswered },
    },
  ];
}

/** `count` Route files written at once; the time until the last of them answers. */
export async function manyObjects(fleet: Fleet, backend: Backend, count: number): Promise<Row> {
  await fleet.register('many', 'many-1', backend.port);
  await until(performance.now(), async () => (await status(fleet, 'many')) === 200);
  const start = performance.now();
  for (let i = 0; i < count; i++) {
    writeFileSync(
      join(fleet.objects, `many-${i}.yaml`),
      `apiVersion: chancery/v1\nkind: Route\nmetadata: {name: many-${i}}\nspec:\n  hosts: [many-${i}.example]\n  rules:\n  - to: [{service: many}]\n`,
    );
  }
  const written = performance.now() - start;
  for (let i = 0; i < count; i++) await until(start, async () => (await status(fleet, `many-${i}.example`)) === 200);
  const took = performance.now() - start;
  for (let i = 0; i < count; i++) rmSync(join(fleet.objects, `many-${i}.yaml`));
  await fleet.deregister('many-1');
  return {
    what: `${count} objects written at once -> all effective`,
    target: '< 1 s',
    measured: `${ms(took)} (written in ${ms(written)})`,
    met: took < 1000,
    data: { took, written },
  };
}
