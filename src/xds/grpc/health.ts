// grpc.health.v1.Health: tells load balancers and probes whether streams are taken.
// It must not know why. Invariant: what is served is SERVING until the server stops, what is not is NOT_FOUND; a watcher gets
// the change before its stream ends.
import { type Frame, frameOf } from '../frame.ts';
import type { ServedMethod, Sink } from '../sink.ts';
import { eachField, WireError } from '../wire.ts';

const service = 'grpc.health.v1.Health';
/** HealthCheckResponse { 1 status }. */
const serving = frameOf(Buffer.from([0x08, 0x01]));
const notServing = frameOf(Buffer.from([0x08, 0x02]));
/** SERVICE_UNKNOWN, which only watches say. */
const unknown = frameOf(Buffer.from([0x08, 0x03]));

export interface Health {
  readonly methods: readonly ServedMethod[];
  /** Answers NOT_SERVING from now on and ends the watches. */
  stop(): void;
}

/** `names`: full names of the services on the port. The empty name is the server itself. */
export function createHealth(names: () => readonly string[]): Health {
  let stopped = false;
  const watches = new Set<Sink>();
  const say = (sink: Sink, frame: Frame): void => sink.write(frame, () => {});
  const tell = (sink: Sink): void => say(sink, stopped ? notServing : serving);
  const halfClosed = (): void => {};

  /** Hands on whether the service is there, or ends a stream whose request cannot be read. */
  function asked(sink: Sink, bytes: Buffer, answer: (known: boolean) => void): void {
    try {
      const name = decodeService(bytes);
      answer(name === '' || names().includes(name));
    } catch (error) {
      if (!(error instanceof WireError)) throw error;
      sink.end('invalid-argument', `not a health check request: ${error.message}`);
    }
  }

  return {
    methods: [
      {
        path: `/${service}/Check`,
        open: (sink) => ({
          incoming: (bytes) =>
            asked(sink, bytes, (known) => {
              if (known) tell(sink);
              sink.end(known ? 'ok' : 'not-found', known ? '' : 'no such service');
            }),
          halfClosed,
          closed() {},
        }),
      },
      {
        path: `/${service}/Watch`,
        open: (sink) => ({
          incoming: (bytes) =>
            asked(sink, bytes, (known) => {
              if (watches.has(sink)) return;
              if (known) tell(sink);
              else say(sink, unknown);
              if (stopped) sink.end('ok', '');
              else watches.add(sink);
            }),
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

/** HealthCheckRequest { 1 service }. Throws WireError. */
function decodeService(bytes: Buffer): string {
  let name = '';
  eachField(bytes, [0, bytes.length], ({ number, wireType, start, end }) => {
    if (number === 1 && wireType === 2) name = bytes.toString('utf8', start, end);
  });
  return name;
}
