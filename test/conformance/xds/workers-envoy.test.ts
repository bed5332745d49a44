// A real Envoy under load on a server with worker threads: changes, the death of the thread that serves it, and a change
// while it is away cost no request.
import type { Worker } from 'node:worker_threads';
import { expect, it } from 'vitest';
import { startBackend } from '../../support/backends.ts';
import { ask, startLoad } from '../../support/load.ts';
import { describeWith, eventually, freePort, startEnvoy } from '../../support/real-parts.ts';
import { createStaticViews } from '../../support/static-views.ts';
import { bootstrap, type Channel, world } from './envoy-world.ts';
import { runServer } from './running-server.ts';

describeWith(['envoy'], 'a real Envoy on worker threads', () => {
  it('loses no request when its worker dies, whatever changes meanwhile', { timeout: 40_000 }, async () => {
    const threads: Worker[] = [];
    const add = (worker: Worker): void => void threads.push(worker);
    process.on('worker', add);
    await using a = await startBackend('a');
    await using b = await startBackend('b');
    const channel: Channel = { variant: 'delta', aggregated: true };
    const base = { channel, listenPort: await freePort() };
    const views = createStaticViews(world({ ...base, clusters: { c0: [a.port] }, route: 'c0' }));
    await using server = await runServer(views, { workers: 2 });
    await using envoy = await startEnvoy(bootstrap(channel, server.port));
    const answersFrom = (name: string): Promise<boolean> =>
      eventually(async () => (await ask({ port: base.listenPort })).headers['x-backend'] === name, {
        deadlineMs: 15_000,
      });
    await answersFrom('a');
    const load = startLoad({ port: base.listenPort, perSecond: 300, maxSeconds: 35 });

    // A move to another cluster, while everything works.
    views.publish(world({ ...base, clusters: { c1: [b.port] }, route: 'c1' }));
    await answersFrom('b');

    // Again and again its worker dies, and the next move is published while it is away.
    for (let round = 2; round <= 5; round++) {
      const opened = server.events.flatMap((event) => (event.kind === 'open' ? [event.client.streamId] : []));
      const stream = opened.at(-1) ?? 0;
      await threads.findLast(({ threadName }) => threadName === `xds-${stream % 2}`)?.terminate();
      await eventually(() => server.events.some((event) => event.kind === 'close' && event.streamId === stream));
      const [here, name] = round % 2 === 0 ? [a, 'a'] : [b, 'b'];
      views.publish(world({ ...base, clusters: { [`c${round}`]: [here.port] }, route: `c${round}` }));
      await answersFrom(name);
      await eventually(async () => !(await envoy.adminGet('/clusters')).includes(`c${round - 1}::`), {
        deadlineMs: 10_000,
      });
    }

    // And an endpoint joins, through the new stream.
    views.publish(world({ ...base, clusters: { c5: [b.port, a.port] }, route: 'c5' }));
    await answersFrom('a');
    const result = await load.stop();
    process.off('worker', add);
    expect(result.failures).toEqual({});
    expect(result.sent).toBeGreaterThan(100);
    expect(server.events.filter(({ kind }) => kind === 'nack')).toEqual([]);
    expect(await envoy.stat('listener_manager.total_listeners_draining')).toBe(0);
  });
});
