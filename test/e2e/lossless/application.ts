// An HTTP/2 application for the load: answers GETs, and unary gRPC calls with one message and `grpc-status: 0`.
// The HTTP/1.1 one is test/support/backends.ts. It can be cut off, as a killed process is, or end in order.
import { createServer, type Http2Server, type ServerHttp2Session } from 'node:http2';
import type { AddressInfo } from 'node:net';
import type { Backend } from '../../support/backends.ts';

export type Application = Pick<Backend, 'name' | 'port' | 'crash' | 'stop'>;

/** Listens on a free port of loopback. */
export async function startHttp2Application(name: string): Promise<Application> {
  const sessions = new Set<ServerHttp2Session>();
  const server: Http2Server = createServer();
  server.on('session', (session) => {
    sessions.add(session);
    session.on('error', () => {});
    session.once('close', () => sessions.delete(session));
  });
  server.on('stream', (stream, headers) => {
    stream.on('error', () => {});
    stream.resume();
    const grpc = String(headers['content-type'] ?? '').startsWith('application/grpc');
    if (!grpc) {
      stream.respond({ ':status': 200, 'x-backend': name });
      stream.end(name);
      return;
    }
    stream.once('end', () => {
      if (stream.destroyed) return;
      stream.respond(
        { ':status': 200, 'content-type': 'application/grpc', 'x-backend': name },
        { waitForTrailers: true },
      );
      stream.once('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
      stream.end(Buffer.from([0, 0, 0, 0, 2, 10, 0]));
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  const { port } = server.address() as AddressInfo;
  const close = (): Promise<void> =>
    new Promise((resolve) => (server.listening ? server.close(() => resolve()) : resolve()));
  return {
    name,
    port,
    async crash() {
      const closed = close();
      for (const session of sessions) session.destroy();
      await closed;
    },
    async stop() {
      const closed = close();
      // GOAWAY; what runs ends.
      for (const session of sessions) session.close();
      await closed;
    },
  };
}
