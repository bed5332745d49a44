// Ten thousand simulated proxies x 100 subscriptions on one process of ours: what they take, how soon a change reaches the
// last, and how long it takes until all are served again after the process was killed and started anew.

import { cases, small } from './cases.ts';
import { startClient } from './client-process.ts';
import { type Case, gate, runLap } from './lap.ts';
import { type Line, short } from './results.ts';
import type { RunKit } from './runs.ts';
import { startOurs } from './server-process.ts';

/** `newStreamsPerSecond`: the product's own limit; undefined leaves its default. */
export async function tenThousand(
  kit: RunKit,
  options: { readonly proxies: number; readonly newStreamsPerSecond?: number },
): Promise<readonly Line[]> {
  const { proxies, newStreamsPerSecond } = options;
  const of: Case = proxies < 1000 ? small({ ...cases.fanOut, proxies: 50 * proxies }) : { ...cases.fanOut, proxies };
  const xds = newStreamsPerSecond === undefined ? {} : { newStreamsPerSecond };
  const start = (port: number) => startOurs({ services: of.services, instances: 10, objects: false, port, xds });
  using client = startClient();
  let server = await start(0);
  try {
    const lap = await runLap(of, { server, client, keepOpen: true });
    const port = server.xdsPort;
    await server.kill();
    const killed = performance.now();
    server = await start(port);
    const readyMs = performance.now() - killed;
    const cpuBefore = server.cpuMs();
    const { wallMs } = await client.ask('reconnect', { port, deadlineMs: 120_000 });
    await server.settled();
    const cpu = server.cpuMs() - cpuBefore;
    await gate(of, server, client);
    await client.ask('close', null);
    const limit = newStreamsPerSecond === undefined ? 'default limit of new streams' : 'no limit of new streams';
    const line = (what: string, ours: string, data: Readonly<Record<string, number>>): Line => ({
      ...{ id: '10k', what, ours, peer: '', ratio: '', target: '', data },
    });
    kit.say(`10k: ${limit} done`);
    const again = line(
      `killed, started again, all ${proxies} served (${limit})`,
      `${short(wallMs / 1000)} s after it listens, ${short(readyMs / 1000)} s until then; ${short(cpu / 1000)} s CPU`,
      { proxies, wallMs, readyMs, cpuMs: cpu },
    );
    if (newStreamsPerSecond !== undefined) return [again];
    const times = [lap.p50Ms, lap.p99Ms, lap.lastMs].map((ms) => `${short(ms ?? 0)} ms`);
    const memory = `${short(lap.kbPerProxy)} KB, base ${short(lap.baseKb / 1024)} MB`;
    return [
      line(`${proxies} proxies x 100: memory a proxy`, memory, { ...lap }),
      line('a change: p50, p99, last; CPU a push', `${times.join(', ')}; ${short(lap.cpuPerPushUs ?? 0)} µs`, {}),
      again,
    ];
  } finally {
    await server.stop();
  }
}
