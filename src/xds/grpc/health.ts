// grpc.health.v1.Health: tells load balancers and probes whether streams are taken.
// It must not know why. Invariant: SERVING until the server stops; a watcher gets the change before its stream ends.
import { frameOf } from '../frame.ts';
import type { ServedMethod, Sink } from '../sink.ts';

const service = 'grpc.health.v1.Health';
/** HealthCheckResponse { 1 status }. */
const serving = frameOf(Buffer.from([0x08, 0x01]));
const notServing = frameOf(Buffer.from([0x08, 0x02]));

export interface Health {
  readonly methods: readonly ServedMethod[];
  /** Answers NOT_SERVING from now on and ends the watches. */
  stop(): void;
}

/** The service; one status for every service name asked for. */
export function createHealth(): Health {
  let stopped = false;
  const watches = new Set<Sink>();
  const tell = (sink: Sink): void => sink.write(stopped ? notServing : serving, () => {});
  const halfClosed = (): void => {};
  return {
    methods: [
      {
        path: `/${service}/Check`,
        open: (sink) => ({
          incoming() {
            tell(sink);
            sink.end('ok', '');
          },
          halfClosed,
          closed() {},
        }),
      },
      {
        path: `/${service}/Watch`,
        open: (sink) => ({
          incoming() {
            if (watches.has(sink)) return;
            tell(sink);
            if (stopped) sink.end('ok', '');
            else watches.add(sink);
          },
          halfClosed,
          closed: () => watches.delete(sink),
        }),
      },
    ],
    stop() {
      stopped = true;
      for (const sink of watches) {
        tell(sink);
        sink.end('ok', '');
      }
      watches.clear();
    },
  };
}
