// The xDS server: a listener of our own in front of grpc-js, the discovery services and gRPC health.
// It must not know views' content. Invariant: plaintext leaves loopback only where `insecure` was said; a stop drains:
// no new streams, GOAWAY, then force after the limit.
import { type AddressInfo, createServer, isIP, type Server as NetServer, type Socket } from 'node:net';
import { Server, ServerCredentials, type UntypedServiceImplementation } from '@grpc/grpc-js';
import type { Clock } from '../../util/clock.ts';
import { AppError } from '../../util/errors.ts';
import type { Logger } from '../../util/log.ts';
import { limitLog } from '../../util/log-budget.ts';
import type { Metrics } from '../../util/metrics.ts';
import type { Random } from '../../util/random.ts';
import type { ViewProvider, XdsEvent } from '../contract.ts';
import { createMessages } from '../responses.ts';
import { defaultLimits, type StreamLimits } from '../stream-state.ts';
import { createWatchers } from '../watchers.ts';
import { createHealth } from './health.ts';
import { createPump } from './pump.ts';
import { serviceDefinitions, streamMethods } from './services.ts';
import { type Call, createSession, type Session } from './session.ts';

export interface XdsServerDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly provider: ViewProvider;
  readonly onEvent: (event: XdsEvent) => void;
  /** control_plane.identifier of every response. */
  readonly identifier: string;
}

export interface XdsServerOptions {
  readonly address: string;
  /** 0 takes a free port. */
  readonly port: number;
  /** Plaintext beyond loopback. */
  readonly insecure?: boolean;
  readonly limits?: Partial<StreamLimits>;
  readonly maxConnections?: number;
  readonly maxStreamsPerConnection?: number;
  readonly maxRequestBytes?: number;
  /** Time a stop waits for streams to end before it cuts them. */
  readonly drainMs?: number;
  readonly blockedMs?: number;
  /** Longest time from the opening of a stream to its first request. */
  readonly openMs?: number;
  readonly keepaliveMs?: number;
}

export interface XdsServer {
  /** Resolves once it listens; rejects with what `run` rejects with if it never does. */
  readonly listening: Promise<{ readonly address: string; readonly port: number }>;
  /** Serves until aborted, then drains. Rejects with CH1501 or CH1502. */
  run(signal: AbortSignal): Promise<void>;
}

/** An inert server; `run` listens. */
export function createXdsServer(deps: XdsServerDeps, options: XdsServerOptions): XdsServer {
  // Clients that come back in a loop cause these lines.
  const log = limitLog(deps.log.child('xds'), deps.clock, { burst: 100, perSecond: 10 });
  const bound = Promise.withResolvers<{ address: string; port: number }>();
  bound.promise.catch(() => {});
  const sessions = new Set<Session>();
  const watchers = createWatchers();
  /** Open connections by `address:port` of the other end. */
  const sockets = new Map<string, Socket>();
  const openStreams = deps.metrics.gauge('xds_streams', 'Streams open now');
  let stopping = false;
  let nextStream = 1;

  function serve(grpc: Server): void {
    const epoch = Math.floor(deps.random() * 2 ** 40).toString(36);
    const sessionDeps = {
      ...{ clock: deps.clock, log, provider: deps.provider, onEvent: deps.onEvent },
      messages: createMessages(deps.identifier, epoch),
      pump: createPump(deps.clock),
      watchers,
      limits: { ...defaultLimits, ...options.limits },
      blockedMs: options.blockedMs ?? 60_000,
      openMs: options.openMs ?? 30_000,
    };
    for (const [service, definition] of serviceDefinitions()) {
      const implementation: UntypedServiceImplementation = {};
      for (const method of streamMethods) {
        if (method.service !== service) continue;
        implementation[method.method] = (call: Call) => {
          const session = createSession(sessionDeps, call, {
            id: nextStream++,
            method,
            cut: () => sockets.get(call.getPeer())?.destroy(),
            onEnd: () => {
              sessions.delete(session);
              openStreams.set({}, sessions.size);
            },
          });
          sessions.add(session);
          openStreams.set({}, sessions.size);
          if (stopping) session.stop('the server is stopping');
        };
      }
      grpc.addService(definition, implementation);
    }
  }

  async function run(signal: AbortSignal): Promise<void> {
    const loopback = isLoopback(options.address);
    if (!loopback && options.insecure !== true) {
      throw new AppError('CH1501', `xDS would listen in plaintext on ${options.address}`);
    }
    const grpc = new Server({
      'grpc.max_receive_message_length': options.maxRequestBytes ?? 16 * 1024 * 1024,
      'grpc.max_send_message_length': -1,
      'grpc.max_concurrent_streams': options.maxStreamsPerConnection ?? 100,
      'grpc.keepalive_time_ms': options.keepaliveMs ?? 15_000,
      'grpc.keepalive_timeout_ms': 10_000,
      'grpc.keepalive_permit_without_calls': 1,
    });
    serve(grpc);
    const ignoreEndpoints = deps.provider.onEndpoints(watchers.changed);
    const health = createHealth();
    grpc.addService(health.definition, health.implementation);
    const injector = grpc.createConnectionInjector(ServerCredentials.createInsecure());
    const listener = createServer({ noDelay: true, keepAlive: true }, (socket) => {
      const peer = `${socket.remoteAddress}:${socket.remotePort}`;
      sockets.set(peer, socket);
      socket.once('close', () => {
        if (sockets.get(peer) === socket) sockets.delete(peer);
      });
      // grpc-js takes over; until then and beside it a reset must not become an uncaught error.
      socket.on('error', (error) =>
        log.debug('connection failed', { peer: socket.remoteAddress, error: error.message }),
      );
      if (!loopback) log.warn('a proxy connected in plaintext', { peer: socket.remoteAddress });
      injector.injectConnection(socket);
    });
    // A connection that cannot be accepted is not the end of the others.
    listener.on('error', (error) => log.error('a connection could not be accepted', { error: error.message }));
    listener.maxConnections = options.maxConnections ?? 20_000;
    bound.resolve(await listen(listener, options));
    if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));

    stopping = true;
    health.stop();
    const closed = new Promise<void>((resolve) => listener.close(() => resolve()));
    for (const session of [...sessions]) session.stop('the server is stopping');
    const drainMs = options.drainMs ?? 2_000;
    // GOAWAY on every connection; each closes once its streams have ended.
    injector.drain(drainMs);
    await Promise.race([allClosed([...sockets.values()]), deps.clock.sleep(drainMs)]);
    injector.destroy();
    grpc.forceShutdown();
    for (const socket of sockets.values()) socket.destroy();
    ignoreEndpoints();
    await closed;
  }

  return {
    listening: bound.promise,
    run: (signal) =>
      run(signal).catch((error: unknown) => {
        bound.reject(error);
        throw error;
      }),
  };
}

async function allClosed(sockets: readonly Socket[]): Promise<void> {
  await Promise.all(sockets.map((socket) => new Promise((resolve) => socket.once('close', resolve))));
}

function isLoopback(address: string): boolean {
  return address === 'localhost' || address === '::1' || (isIP(address) === 4 && address.startsWith('127.'));
}

function listen(listener: NetServer, { address, port }: XdsServerOptions): Promise<{ address: string; port: number }> {
  return new Promise((resolve, reject) => {
    listener.once('error', (cause) =>
      reject(new AppError('CH1502', `xDS cannot listen on ${address}:${port}`, { cause })),
    );
    listener.listen({ host: address, port }, () => {
      const at = listener.address() as AddressInfo;
      resolve({ address: at.address, port: at.port });
    });
  });
}
