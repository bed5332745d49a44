// The xDS server on several threads: starts a worker per core asked for, all on one port, and starts again those that die.
// It must not know protocol or views. Invariant: the process outlives any worker; what the workers do together stays
// within the limits that hold for one process.
// All of them listen on the port for themselves (SO_REUSEPORT) and the kernel deals out connections by their addresses'
// hash, evenly. One descriptor for all would not survive: a worker that ends closes it under the others.

import { availableParallelism } from 'node:os';
import { type Backoff, createBackoff } from '../../util/backoff.ts';
import type { ClientConfig } from '../contract.ts';
import type { XdsServer, XdsServerDeps, XdsServerOptions } from '../grpc/server.ts';
import { defaultMaxStreamsPerNode } from '../grpc/server-limits.ts';
import { limitPerNode } from '../provider-limits.ts';
import type { NodeMatcher } from '../services/node-matcher.ts';
import { createByteSegments } from './byte-segments.ts';
import { share } from './limit-share.ts';
import { createMetricsHub } from './metrics-relay.ts';
import { claimPort } from './port-claim.ts';
import { startWorkerThread, type WorkerThread } from './worker-thread.ts';

export type XdsPoolDeps = Omit<XdsServerDeps, 'methods' | 'everyClient'>;

export interface XdsPoolOptions extends XdsServerOptions {
  /** At least 2; more than the machine has cores are not started. */
  readonly workers: number;
}

interface Slot {
  readonly index: number;
  thread: WorkerThread | undefined;
  /** Number of the next stream; congruent to the slot's index, so that no two workers share one. */
  nextStream: number;
  readonly backoff: Backoff;
}

/** A worker that lived so long starts again at once; otherwise the wait grows. */
const steadyMs = 60_000;
/** Beyond its own drain time. */
const stopGraceMs = 3_000;

/** An inert server with the face of `createXdsServer`; `run` starts the threads. */
export function createXdsPool(deps: XdsPoolDeps, options: XdsPoolOptions): XdsServer {
  const { clock, random } = deps;
  const provider = limitPerNode(deps.provider, options.maxStreamsPerNode ?? defaultMaxStreamsPerNode);
  const log = deps.log.child('xds');
  const { workers: asked, ...serverOptions } = options;
  const workers = Math.max(2, Math.min(asked, availableParallelism()));
  const bound = Promise.withResolvers<{ address: string; port: number }>();
  bound.promise.catch(() => {});
  const bytes = createByteSegments();
  const hub = createMetricsHub(deps.metrics);
  const running = deps.metrics.gauge('xds_workers', 'Worker threads that serve xDS');
  const deaths = deps.metrics.counter('xds_worker_deaths_total', 'Worker threads that ended unasked');
  const slots: readonly Slot[] = Array.from({ length: workers }, (_, index) => ({
    index,
    thread: undefined,
    nextStream: index + workers,
    backoff: createBackoff(random, 200, 30_000),
  }));
  const alive = (): WorkerThread[] => slots.flatMap(({ thread }) => thread ?? []);

  async function everyClient(matchers: readonly NodeMatcher[] = []): Promise<readonly ClientConfig[]> {
    return (await Promise.all(alive().map((thread) => thread.clients(matchers)))).flat();
  }

  function start(slot: Slot, port: number): WorkerThread {
    const thread = startWorkerThread(
      {
        ...{ log: deps.log, provider, onEvent: deps.onEvent, bytes, everyClient, descriptors: deps.descriptors },
        json: deps.json,
        doors: deps.doors,
        askerOf: deps.askerOf,
        onMetrics: (report) => hub.take(slot.index, report),
      },
      {
        identifier: deps.identifier,
        options: {
          ...share(serverOptions, workers),
          port,
          reusePort: true,
          streams: { first: slot.nextStream, step: workers },
        },
        seed: Math.floor(random() * 2 ** 32),
        reflection: deps.descriptors !== undefined,
        rest: deps.json !== undefined,
        asks: deps.provider.authenticate !== undefined,
      },
      `xds-${slot.index}`,
    );
    slot.thread = thread;
    running.set({}, alive().length);
    return thread;
  }

  /** What is left of a thread that ended is cleared away. */
  function clear(slot: Slot, thread: WorkerThread): void {
    if (slot.thread === thread) slot.thread = undefined;
    while (slot.nextStream <= thread.lastStream()) slot.nextStream += workers;
    hub.drop(slot.index);
    running.set({}, alive().length);
  }

  /** Keeps a worker in the slot until aborted. */
  async function keep(slot: Slot, port: number, signal: AbortSignal): Promise<void> {
    for (let current = slot.thread ?? start(slot, port); ; current = start(slot, port)) {
      const sinceMs = clock.now();
      const why = await current.ended;
      clear(slot, current);
      if (signal.aborted) return;
      deaths.add({});
      if (clock.now() - sinceMs > steadyMs) slot.backoff.reset();
      const waitMs = slot.backoff.next();
      log.error('a worker thread ended; its proxies reconnect to the others', {
        worker: slot.index,
        reason: why ?? 'it was stopped',
        againInMs: Math.round(waitMs),
      });
      await clock.sleep(waitMs, signal);
      if (signal.aborted) return;
    }
  }

  async function run(signal: AbortSignal): Promise<void> {
    if (workers < asked) log.warn('fewer worker threads than asked for: there are no more cores', { asked, workers });
    const claim = await claimPort(options.address, options.port);
    const ignoreEndpoints = provider.onEndpoints((names) => {
      for (const thread of alive()) thread.endpoints(names);
    });
    const ignoreRevoked = provider.onRevoked?.((ids) => {
      for (const thread of alive()) thread.revoked(ids);
    });
    try {
      const [first, ...others] = slots;
      if (first === undefined) throw new Error('a pool has at least one worker');
      let { port } = claim;
      // A free port is known once the first has it.
      const leading = start(first, port);
      if (port === 0) ({ port } = await leading.listening);
      const threads = [leading, ...others.map((slot) => start(slot, port))];
      await Promise.all(threads.map(({ listening }) => listening));
      const at = { address: claim.address, port };
      bound.resolve(at);
      const kept = slots.map((slot) => keep(slot, port, signal));
      if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
      await stopAll();
      await Promise.all(kept);
    } finally {
      const left = alive();
      for (const thread of left) thread.kill();
      await Promise.all(left.map(({ ended }) => ended));
      ignoreEndpoints();
      ignoreRevoked?.();
    }
  }

  async function stopAll(): Promise<void> {
    const threads = alive();
    for (const thread of threads) thread.stop();
    const done = new AbortController();
    const limitMs = (options.drainMs ?? 2_000) + stopGraceMs;
    const timedOut = clock.sleep(limitMs, done.signal).then(() => {
      if (done.signal.aborted) return;
      log.warn('worker threads did not stop in time and are ended', { afterMs: limitMs });
      for (const thread of threads) thread.kill();
    });
    await Promise.all(threads.map(({ ended }) => ended));
    done.abort();
    await timedOut;
  }

  return {
    listening: bound.promise,
    clients: everyClient,
    run: (signal) =>
      run(signal).catch((error: unknown) => {
        bound.reject(error);
        throw error;
      }),
  };
}
