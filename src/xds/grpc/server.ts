// The xDS server: a listener of our own, a transport behind it, and over it the discovery services and gRPC health.
// It must not know views' content. Invariant: a stop drains: no new streams, GOAWAY, then force after the limit.
import type { Resource, ResourceRef } from '../../resources/resource.ts';
import { typeUrls } from '../../resources/type-urls.ts';
import type { Clock } from '../../util/clock.ts';
import type { Logger } from '../../util/log.ts';
import { limitLog } from '../../util/log-budget.ts';
import type { Metrics } from '../../util/metrics.ts';
import type { Random } from '../../util/random.ts';
import { type AdmissionOptions, createAdmission } from '../admission.ts';
import { createCallers } from '../callers.ts';
import type { ClientConfig, Doors, ViewProvider, XdsEvent } from '../contract.ts';
import { maxDescribed } from '../description.ts';
import { createDoor } from '../door.ts';
import { fenced } from '../fence.ts';
import { createGate } from '../gate.ts';
import { accessOf } from '../method-access.ts';
import { methodPath, type StreamMethod, streamMethods } from '../methods.ts';
import { createNameLists } from '../name-lists.ts';
import { limitOpening, limitOpeningRate, limitPerNode, type OpeningRate } from '../provider-limits.ts';
import { createPump } from '../pump.ts';
import { type AskerOf, createReaders } from '../readers.ts';
import { createMessages } from '../responses.ts';
import { createLazyRest } from '../rest/lazy-rest.ts';
import { createSecretRule, type SecretRule } from '../secrets.ts';
import { matchesAny, type NodeMatcher } from '../services/node-matcher.ts';
import { createServices, serviceNames } from '../services/services.ts';
import { createSession, type Session } from '../session.ts';
import type { ServedMethod, Sink } from '../sink.ts';
import { createStalls } from '../stalls.ts';
import { defaultLimits, type StreamLimits } from '../stream-state.ts';
import { createWatchers } from '../watchers.ts';
import { type ConnectionAge, createConnectionAge } from './connection-age.ts';
import { createHealth } from './health.ts';
import { createHttp2Transport } from './http2.ts';
import { type Bound, createListener, type TlsOptions } from './listener.ts';
import {
  defaultAdmission,
  defaultMaxConnections,
  defaultMaxStreamsPerNode,
  defaultOpeningRate,
} from './server-limits.ts';
import type { Connection, Transport, TransportOptions } from './transport.ts';

export interface XdsServerDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly provider: ViewProvider;
  readonly onEvent: (event: XdsEvent) => void;
  /** control_plane.identifier of every response. */
  readonly identifier: string;
  /** The google.protobuf.FileDescriptorSet that reflection answers from; without it there is no reflection. */
  readonly descriptors?: () => Promise<Uint8Array>;
  /** Clients of other threads too, for client status; those of this server if absent. */
  readonly everyClient?: (matchers: readonly NodeMatcher[]) => Promise<readonly ClientConfig[]>;
  /** Served beside discovery and health, on every connection. */
  readonly methods?: readonly ServedMethod[];
  /** A resource's message as proto3 JSON text, for REST; without it connections that speak HTTP/1.1 are closed. */
  readonly json?: (resource: Resource) => Promise<string>;
  /** What else is served over HTTP/1.1. */
  readonly doors?: Doors;
  /** Whose a token of the HTTP API is, for people's tools where callers are asked; absent: nobody's. */
  readonly askerOf?: AskerOf | undefined;
}

/** What speaks gRPC: see docs/decisions. */
export type XdsTransport = 'grpc-js' | 'http2';

export interface XdsServerOptions {
  readonly transport?: XdsTransport;
  readonly address: string;
  /** 0 takes a free port. */
  readonly port: number;
  /** Other threads of this process listen on the port too. */
  readonly reusePort?: boolean;
  /** Numbers of streams; every thread has its own. Default: from 1, all. */
  readonly streams?: { readonly first: number; readonly step: number };
  /** Plaintext beyond loopback. */
  readonly insecure?: boolean;
  readonly tls?: TlsOptions;
  readonly limits?: Partial<StreamLimits>;
  readonly maxConnections?: number;
  readonly maxStreamsPerConnection?: number;
  /** Streams of one node; 0: any number. */
  readonly maxStreamsPerNode?: number;
  /** How often one identity may open streams. */
  readonly openingRate?: OpeningRate;
  readonly admission?: Partial<AdmissionOptions>;
  /** Mean age at which a connection is ended; 0: never. */
  readonly maxConnectionAgeMs?: number;
  readonly maxRequestBytes?: number;
  /** Time a stop waits for streams to end before it cuts them. */
  readonly drainMs?: number;
  readonly blockedMs?: number;
  /** Longest time from the opening of a stream to its first request. */
  readonly openMs?: number;
  /** Quiet time before a ping, and longest wait for its answer. */
  readonly keepaliveMs?: number;
  readonly keepaliveTimeoutMs?: number;
  /** How often clients are to report their load. */
  readonly loadIntervalMs?: number;
  /** Longest time for a TLS handshake, and from there to the first bytes. */
  readonly handshakeMs?: number;
}

export interface XdsServer {
  /** Resolves once it listens; rejects with what `run` rejects with if it never does. */
  readonly listening: Promise<Bound>;
  /**
   * What each open stream describes of itself; with matchers, those of the nodes that one of them matches. Streams are left
   * out once those told have more than `maxDescribed` resources.
   */
  clients(matchers?: readonly NodeMatcher[]): Promise<readonly ClientConfig[]>;
  /** Serves until aborted, then drains. Rejects with CH1501, CH1502 or CH1503. */
  run(signal: AbortSignal): Promise<void>;
}

const defaultTransport: XdsTransport = 'http2';
/** Views that may be being opened at the same time, where they come from another thread. */
const maxOpening = 64;

/** An inert server; `run` listens. */
export function createXdsServer(deps: XdsServerDeps, options: XdsServerOptions): XdsServer {
  const { clock } = deps;
  // Clients that come back in a loop cause these lines.
  const log = limitLog(deps.log.child('xds'), clock, { burst: 100, perSecond: 10 });
  const bound = Promise.withResolvers<Bound>();
  bound.promise.catch(() => {});
  const sessions = new Set<Session>();
  const watchers = createWatchers<readonly ResourceRef[]>();
  const blockedMs = options.blockedMs ?? 60_000;
  const stalls = createStalls(clock, blockedMs);
  const openStreams = deps.metrics.gauge('xds_streams', 'Streams open now');
  const endedStreams = deps.metrics.counter('xds_streams_ended_total', 'Streams that ended, by cause', ['reason']);
  const admission = createAdmission(
    {
      ...{ clock, log },
      waiting: deps.metrics.gauge('xds_streams_waiting', 'Streams that wait to be let in'),
      onRefused: () => endedStreams.add({ reason: 'over-limit' }),
    },
    { ...defaultAdmission, ...options.admission },
  );
  const openMs = options.openMs ?? 30_000;
  const callers = createCallers({ clock, log, provider: deps.provider });
  const waiting = {
    ...{ clock, log, patienceMs: openMs },
    onTurnedAway: (reason: string) => endedStreams.add({ reason }),
  };
  const gate = callers && createGate({ ...waiting, callers });
  const readers = deps.askerOf && createReaders({ ...waiting, askerOf: deps.askerOf });
  const door = createDoor(gate, readers);
  const secrets = callers && secretRule();
  const maxPerNode = options.maxStreamsPerNode ?? defaultMaxStreamsPerNode;
  const limited = limitPerNode(limitOpening(deps.provider, maxOpening), maxPerNode);
  const provider = limitOpeningRate(clock, limited, options.openingRate ?? defaultOpeningRate);
  let stopping = false;
  const { first, step } = options.streams ?? { first: 1, step: 1 };
  let nextStream = first - step;
  const nextStreamId = (): number => {
    nextStream += step;
    return nextStream;
  };
  /** Full names of the services on the port. */
  let names: readonly string[] = [];

  const services = createServices({
    ...{ clock, log, provider, onEvent: deps.onEvent, descriptors: deps.descriptors },
    ...{ clients: deps.everyClient ?? clients, door, nextStreamId },
    names: () => names,
    loadIntervalMs: options.loadIntervalMs ?? 10_000,
  });

  const rest =
    deps.json === undefined
      ? undefined
      : createLazyRest({
          ...{ clock, log, provider, callers, secrets, onEvent: deps.onEvent, nextStreamId },
          ...{ identifier: deps.identifier, json: deps.json, doors: deps.doors },
        });

  function secretRule(): SecretRule {
    const denied = deps.metrics.counter('xds_sds_denied_total', 'Streams that asked for secrets where none are served');
    return createSecretRule({ log, onDenied: () => denied.add({}) });
  }

  async function clients(matchers: readonly NodeMatcher[] = []): Promise<readonly ClientConfig[]> {
    const found = [...(rest?.clients((client) => matchesAny(matchers, client)) ?? [])];
    let described = found.reduce((sum, { resources }) => sum + resources.length, 0);
    let paused = 0;
    for (const session of sessions) {
      const client = session.client();
      const config = client !== undefined && matchesAny(matchers, client) ? session.describe() : undefined;
      if (config === undefined) continue;
      found.push(config);
      described += config.resources.length;
      if (described > maxDescribed) break;
      // Whoever asks about a fleet must not keep it waiting.
      if (described - paused < 5_000) continue;
      paused = described;
      await clock.sleep(0);
    }
    return found;
  }

  function discoveryMethods(age: ConnectionAge): ServedMethod[] {
    const epoch = Math.floor(deps.random() * 2 ** 40).toString(36);
    const sessionDeps = {
      ...{ clock, log, provider, secrets, onEvent: deps.onEvent, watchers },
      messages: createMessages(deps.identifier, epoch),
      nameLists: createNameLists(),
      pump: createPump(clock),
      limits: { ...defaultLimits, ...options.limits },
      ...{ stalls, blockedMs, openMs },
    };
    const begin = (sink: Sink, method: StreamMethod): Session => {
      const session = createSession(sessionDeps, sink, {
        id: nextStreamId(),
        method,
        onEnd(reason) {
          sessions.delete(session);
          leave();
          if (reason === 'expired' || reason === 'revoked') age.over(sink.peer);
          openStreams.set({}, sessions.size);
          endedStreams.add({ reason });
        },
      });
      const leave = age.join(sink.peer, session, sink.principal);
      sessions.add(session);
      openStreams.set({}, sessions.size);
      if (stopping) session.stop('the server is stopping', 'stopping');
      return session;
    };
    return streamMethods.map((method) => {
      const path = methodPath(method);
      return {
        path,
        open: (sink) => admission.admit(sink, () => door.admit(sink, path, (known) => begin(known, method))),
      };
    });
  }

  async function createTransport(
    served: readonly ServedMethod[],
    transportOptions: TransportOptions,
  ): Promise<Transport> {
    // A method without a class of access is never served, not even once.
    for (const { path } of served) accessOf(path);
    const onFault = (): void => endedStreams.add({ reason: 'internal' });
    const methods = served.map((method) => fenced({ log, onFault }, method));
    if ((options.transport ?? defaultTransport) === 'http2')
      return createHttp2Transport({ clock, log }, methods, transportOptions);
    // The library is large: who does not use it does not load it.
    const { createGrpcJsTransport } = await import('./grpc-js.ts');
    return createGrpcJsTransport(methods, transportOptions);
  }

  async function run(signal: AbortSignal): Promise<void> {
    const age = createConnectionAge(
      { clock, random: deps.random, transport: () => transport },
      options.maxConnectionAgeMs ?? 0,
    );
    const methods = [...discoveryMethods(age), ...services.methods, ...(deps.methods ?? []).map(door.guarded)];
    const health = createHealth(() => names);
    methods.push(...health.methods.map(door.guarded));
    names = serviceNames(methods);
    const transport = await createTransport(methods, {
      maxRequestBytes: options.maxRequestBytes ?? 16 * 1024 * 1024,
      maxStreamsPerConnection: options.maxStreamsPerConnection ?? 100,
      keepaliveMs: options.keepaliveMs ?? 15_000,
      keepaliveTimeoutMs: options.keepaliveTimeoutMs ?? 10_000,
      maxConnectionAgeMs: options.maxConnectionAgeMs ?? 0,
    });
    const onConnection = (connection: Connection): void => {
      transport.accept(connection);
      age.watch(connection);
    };
    const listener = createListener(
      { clock, log, metrics: deps.metrics, onConnection, http1: rest?.serve },
      {
        ...options,
        maxConnections: options.maxConnections ?? defaultMaxConnections,
        handshakeMs: options.handshakeMs ?? 10_000,
      },
    );
    bound.resolve(await listener.listen());
    const ignoreEndpoints = deps.provider.onEndpoints((names) =>
      watchers.changed(
        names,
        names.map((name) => ({ type: typeUrls.endpoints, name })),
      ),
    );
    const ignoreRevoked = callers?.listen();
    if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));

    stopping = true;
    health.stop();
    gate?.stop();
    readers?.stop();
    services.stop();
    rest?.stop();
    const closed = listener.close();
    for (const session of [...sessions]) session.stop('the server is stopping', 'stopping');
    const drainMs = options.drainMs ?? 2_000;
    transport.drain(drainMs);
    await Promise.race([closed, clock.sleep(drainMs)]);
    transport.destroy();
    listener.destroy();
    ignoreEndpoints();
    ignoreRevoked?.();
    stalls.stop();
    await closed;
  }

  return {
    listening: bound.promise,
    clients,
    run: (signal) =>
      run(signal).catch((error: unknown) => {
        bound.reject(error);
        throw error;
      }),
  };
}
