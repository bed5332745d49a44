// gRPC by @grpc/grpc-js: connections are injected, messages pass as raw bytes in both directions.
// It must not know discovery. Invariant: every method is registered as a stream both ways, as on the wire all are.
import { Server, ServerCredentials, type ServerDuplexStream } from '@grpc/grpc-js';
import { namedHeaders } from '../credentials.ts';
import { grpcStatus, type Peer, type ServedMethod, type Sink } from '../sink.ts';
import type { Connection, Transport, TransportOptions } from './transport.ts';

type Call = ServerDuplexStream<Buffer, Buffer>;

const asIs = (bytes: Buffer): Buffer => bytes;

export function createGrpcJsTransport(methods: readonly ServedMethod[], options: TransportOptions): Transport {
  /** Open connections by the name grpc-js gives the other end. */
  const connections = new Map<string, Connection>();
  const server = new Server({
    'grpc.max_receive_message_length': options.maxRequestBytes,
    'grpc.max_send_message_length': -1,
    'grpc.max_concurrent_streams': options.maxStreamsPerConnection,
    'grpc.keepalive_time_ms': options.keepaliveMs,
    'grpc.keepalive_timeout_ms': options.keepaliveTimeoutMs,
    // It has no GOAWAY for one connection, but sends one at an age of its own, within a tenth of this: before `retire`.
    ...(options.maxConnectionAgeMs === 0 ? {} : { 'grpc.max_connection_age_ms': options.maxConnectionAgeMs * 0.8 }),
  });
  const definition = (path: string) => ({
    ...{ path, requestStream: true, responseStream: true },
    ...{ requestSerialize: asIs, requestDeserialize: asIs, responseSerialize: asIs, responseDeserialize: asIs },
  });
  server.addService(
    Object.fromEntries(methods.map(({ path }) => [path, definition(path)])),
    Object.fromEntries(
      methods.map((method) => [method.path, (call: Call) => serve(call, method, connections.get(call.getPeer()))]),
    ),
  );
  const injector = server.createConnectionInjector(ServerCredentials.createInsecure());

  return {
    accept(connection) {
      const { peer, socket } = connection;
      connections.set(peer.name, connection);
      socket.once('close', () => {
        if (connections.get(peer.name) === connection) connections.delete(peer.name);
      });
      injector.injectConnection(socket);
    },
    retire() {},
    drain: (withinMs) => injector.drain(withinMs),
    destroy() {
      injector.destroy();
      server.forceShutdown();
    },
  };
}

function serve(call: Call, method: ServedMethod, connection: Connection | undefined): void {
  let over = false;
  const finish = (reason: string): void => {
    if (over) return;
    over = true;
    listener.closed(reason);
  };
  const unknown: Peer = { name: call.getPeer(), address: '', tls: false, certificate: () => undefined };
  const sink: Sink = {
    peer: connection?.peer ?? unknown,
    // Of `authorization`, Node hands the library the first.
    credentials: namedHeaders((name) => call.metadata.get(name).map(String)),
    // Its callback comes when HTTP/2 has taken the bytes; `write` itself says no only after sixteen messages.
    write: ({ bytes }, taken) => void call.write(bytes, () => taken()),
    end(status, details) {
      if (over) return;
      if (status === 'ok') call.end();
      else call.emit('error', { code: grpcStatus[status], details });
      queueMicrotask(() => finish('we ended the stream'));
    },
    cut: () => connection?.socket.destroy(),
    pause: () => void call.pause(),
    resume: () => void call.resume(),
  };
  const listener = method.open(sink);
  call.on('data', (bytes: Buffer) => {
    if (!over) listener.incoming(bytes);
  });
  call.on('end', () => {
    if (!over) listener.halfClosed();
  });
  call.on('cancelled', () => finish('the client went away'));
  call.on('error', (error: Error) => finish(error.message ?? 'an error'));
  call.on('close', () => finish('the connection closed'));
}
