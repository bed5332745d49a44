// grpc.health.v1.Health: tells load balancers and probes whether streams are taken.
// It must not know why. Invariant: SERVING until the server stops; a watcher gets the change before its stream ends.
import type { ServerUnaryCall, ServerWritableStream, sendUnaryData, UntypedServiceImplementation } from '@grpc/grpc-js';
import { methodDefinition } from './services.ts';

const service = 'grpc.health.v1.Health';
/** HealthCheckResponse { 1 status }. */
const serving = Buffer.from([0x08, 0x01]);
const notServing = Buffer.from([0x08, 0x02]);

export interface Health {
  readonly definition: Record<string, ReturnType<typeof methodDefinition>>;
  readonly implementation: UntypedServiceImplementation;
  /** Answers NOT_SERVING from now on and ends the watches. */
  stop(): void;
}

/** The service; one status for every service name asked for. */
export function createHealth(): Health {
  let stopped = false;
  const watches = new Set<ServerWritableStream<Buffer, Buffer>>();
  return {
    definition: {
      Check: methodDefinition(`/${service}/Check`, { requestStream: false, responseStream: false }),
      Watch: methodDefinition(`/${service}/Watch`, { requestStream: false, responseStream: true }),
    },
    implementation: {
      Check: (_call: ServerUnaryCall<Buffer, Buffer>, callback: sendUnaryData<Buffer>) =>
        callback(null, stopped ? notServing : serving),
      Watch: (call: ServerWritableStream<Buffer, Buffer>) => {
        call.write(stopped ? notServing : serving);
        if (stopped) {
          call.end();
          return;
        }
        watches.add(call);
        call.on('cancelled', () => watches.delete(call));
      },
    },
    stop() {
      stopped = true;
      for (const call of watches) {
        call.write(notServing);
        call.end();
      }
      watches.clear();
    },
  };
}
