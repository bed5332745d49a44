// Runs an xDS server on loopback for a test, with every event kept.
// Invariant: disposing it stops it and waits.

import { silentLogger } from '../../../src/util/log.ts';
import { noMetrics } from '../../../src/util/metrics.ts';
import { createSeededRandom } from '../../../src/util/random.ts';
import { createSystemClock } from '../../../src/util/system-clock.ts';
import type { ViewProvider, XdsEvent } from '../../../src/xds/contract.ts';
import { createXdsServer, type XdsServerDeps, type XdsServerOptions } from '../../../src/xds/grpc/server.ts';
import { createXdsPool } from '../../../src/xds/workers/pool.ts';
import { whenPortIsFree } from '../../support/free-port.ts';

export interface RunningServer extends AsyncDisposable {
  readonly port: number;
  readonly events: readonly XdsEvent[];
  stop(): Promise<void>;
}

/** `seed` differs between replicas, as their randomness does. `workers`: on so many threads, from 2. */
export async function runServer(
  provider: ViewProvider,
  { workers = 0, ...options }: Partial<XdsServerOptions> & { readonly workers?: number | undefined } = {},
  deps: Partial<XdsServerDeps> & { readonly seed?: number } = {},
): Promise<RunningServer> {
  const events: XdsEvent[] = [];
  const all: XdsServerDeps = {
    clock: createSystemClock(),
    random: createSeededRandom(deps.seed ?? 1),
    log: silentLogger,
    metrics: noMetrics,
    provider,
    onEvent: (event) => events.push(event),
    identifier: 'test-replica',
    ...deps,
  };
  const where = { address: '127.0.0.1', port: 0, drainMs: 500, ...options };
  const abort = new AbortController();
  const start = async () => {
    const server = workers > 1 ? createXdsPool(all, { ...where, workers }) : createXdsServer(all, where);
    const done = server.run(abort.signal);
    const { port } = await Promise.race([server.listening, done.then(() => Promise.reject(new Error('it ended')))]);
    return { port, done };
  };
  const { port, done } = where.port === 0 ? await start() : await whenPortIsFree(start);
  const stop = async (): Promise<void> => {
    abort.abort();
    await done;
  };
  return { port, events, stop, [Symbol.asyncDispose]: stop };
}
