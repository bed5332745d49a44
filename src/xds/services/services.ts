// The gRPC services beside discovery: client status (CSDS), load reports (LRS) and reflection.
// It must not know what they do. Invariant: the code of a service is loaded when somebody first calls it.
import type { Clock, Timer } from '../../util/clock.ts';
import type { Logger } from '../../util/log.ts';
import type { ClientConfig, ViewProvider, XdsEvent } from '../contract.ts';
import type { Door } from '../door.ts';
import type { ServedMethod, Sink, StreamListener } from '../sink.ts';
import { lazyMethod } from './lazy-method.ts';
import type { NodeMatcher } from './node-matcher.ts';

export interface ServicesDeps {
  readonly clock: Clock;
  readonly log: Logger;
  readonly provider: ViewProvider;
  readonly onEvent: (event: XdsEvent) => void;
  readonly nextStreamId: () => number;
  /** Decides who may ask for what. */
  readonly door: Pick<Door, 'guarded'>;
  /** The clients that one of the matchers matches, or all. */
  readonly clients: (matchers: readonly NodeMatcher[]) => Promise<readonly ClientConfig[]>;
  /** Full names of all services on the port, these included. */
  readonly names: () => readonly string[];
  /** How often clients are to report their load. */
  readonly loadIntervalMs: number;
  /** The descriptors of all messages; without them there is no reflection. */
  readonly descriptors: (() => Promise<Uint8Array>) | undefined;
}

type Open = (sink: Sink) => StreamListener;

interface Bounds {
  /** Streams of one method. */
  readonly max: number;
  /** Of one request. */
  readonly maxBytes: number;
  /** Longest time between two requests. */
  readonly silentMs: number | undefined;
}

/** One stream a proxy is the most that is meant; how often it reports is the service's to say. */
const reporting: Bounds = { max: 50_000, maxBytes: Number.POSITIVE_INFINITY, silentMs: undefined };
/** People's tools: answers to small questions are large, and lie here for as long as nobody takes them. */
const asking: Bounds = { max: 32, maxBytes: 256 * 1024, silentMs: 300_000 };
const firstMessageMs = 30_000;

const loadPath = '/envoy.service.load_stats.v3.LoadReportingService/StreamLoadStats';
const status = 'envoy.service.status.v3.ClientStatusDiscoveryService';

export interface Services {
  readonly methods: readonly ServedMethod[];
  /** Ends every stream with UNAVAILABLE, now and from now on. */
  stop(): void;
}

export function createServices(deps: ServicesDeps): Services {
  const { log, descriptors } = deps;
  const clientStatus = async (unary: boolean): Promise<Open> =>
    (await import('./client-status.ts')).createClientStatus(deps, unary);
  let reflection: Open | undefined;
  let loadReporting: Open | undefined;
  const reportLoad = async (): Promise<Open> => {
    const { createLoadReporting } = await import('./load-reporting.ts');
    loadReporting ??= createLoadReporting({ ...deps, intervalMs: deps.loadIntervalMs });
    return loadReporting;
  };
  const reflect = async (read: () => Promise<Uint8Array>): Promise<Open> => {
    const { createReflection } = await import('./reflection.ts');
    reflection ??= createReflection({ log, services: deps.names(), descriptors: read });
    return reflection;
  };
  const methods = [
    lazyMethod({ path: `/${status}/StreamClientStatus`, log, load: () => clientStatus(false) }),
    lazyMethod({ path: `/${status}/FetchClientStatus`, log, load: () => clientStatus(true) }),
    lazyMethod({ path: loadPath, log, load: reportLoad }),
    ...(descriptors === undefined
      ? []
      : ['v1', 'v1alpha'].map((version) =>
          lazyMethod({
            path: `/grpc.reflection.${version}.ServerReflection/ServerReflectionInfo`,
            log,
            load: () => reflect(descriptors),
          }),
        )),
  ];
  const open = new Set<Sink>();
  let stopped = false;
  const end = (sink: Sink): void => sink.end('unavailable', 'the server is stopping');

  /** At most so many streams at a time, none of which is silent for ever. */
  function bounded({ path, open: begin }: ServedMethod, { max, maxBytes, silentMs }: Bounds): ServedMethod {
    let count = 0;
    return {
      path,
      open(sink) {
        const listener = begin(sink);
        open.add(sink);
        count++;
        const endAfter = (ms: number): Timer =>
          deps.clock.after(ms, () => sink.end('deadline-exceeded', `no request came within ${ms} ms`));
        let silent: Timer | undefined = endAfter(firstMessageMs);
        if (stopped) end(sink);
        else if (count > max) sink.end('resource-exhausted', 'too many streams of this kind are open');
        return {
          incoming(bytes) {
            silent?.cancel();
            silent = silentMs === undefined ? undefined : endAfter(silentMs);
            if (bytes.length > maxBytes) sink.end('resource-exhausted', `a request has at most ${maxBytes} bytes`);
            else listener.incoming(bytes);
          },
          halfClosed: () => listener.halfClosed(),
          closed(reason) {
            silent?.cancel();
            count--;
            open.delete(sink);
            listener.closed(reason);
          },
        };
      },
    };
  }

  return {
    methods: methods.map((method) => bounded(deps.door.guarded(method), method.path === loadPath ? reporting : asking)),
    stop() {
      stopped = true;
      for (const sink of [...open]) end(sink);
    },
  };
}

/** The full names of the services whose methods these are, sorted. */
export function serviceNames(methods: readonly ServedMethod[]): readonly string[] {
  return [...new Set(methods.map(({ path }) => path.split('/')[1] ?? ''))].sort();
}
