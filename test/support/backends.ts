// HTTP services for tests: each answers with its own name, can drain, crash (connections cut) and come back on its port.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { whenPortIsFree } from './free-port.ts';

export interface Backend extends AsyncDisposable {
  readonly name: string;
  readonly port: number;
  /** Requests answered. */
  requests(): number;
  /** Answers every following request with this status; undefined: 200 again. */
  answer(status: number | undefined): void;
  /** Cuts every connection and stops listening, as a killed process does. */
  crash(): Promise<void>;
  /** Listens again on the same port. */
  revive(): Promise<void>;
  /** Stops listening, lets running requests end. */
  stop(): Promise<void>;
}

/** What a backend answers, as JSON. */
export interface Answer {
  readonly name: string;
  readonly method: string;
  readonly path: string;
  readonly host: string;
  readonly headers: Readonly<Record<string, string>>;
}

export async function startBackend(name: string, port = 0): Promise<Backend> {
  const sockets = new Set<Socket>();
  let status = 200;
  let count = 0;
  let server = create();

  function create(): Server {
    const created = createServer((request: IncomingMessage, response: ServerResponse) => {
      count++;
      request.resume();
      const body = JSON.stringify({
        name,
        method: request.method,
        path: request.url,
        host: request.headers.host,
        headers: request.headers,
      });
      response.writeHead(status, { 'content-type': 'application/json', 'x-backend': name }).end(body);
    });
    created.keepAliveTimeout = 60_000;
    created.on('connection', (socket) => {
      sockets.add(socket);
      socket.once('close', () => sockets.delete(socket));
    });
    return created;
  }
  const listen = (at: number): Promise<number> =>
    whenPortIsFree(
      () =>
        new Promise((resolve, reject) => {
          server.once('error', reject);
          server.listen(at, '127.0.0.1', () => resolve((server.address() as AddressInfo).port));
        }),
    );
  const close = (): Promise<void> =>
    new Promise((resolve) => (server.listening ? server.close(() => resolve()) : resolve()));

  const bound = await listen(port);
  const backend: Backend = {
    name,
    port: bound,
    requests: () => count,
    answer(next) {
      status = next ?? 200;
    },
    async crash() {
      const closed = close();
      for (const socket of sockets) socket.resetAndDestroy();
      await closed;
    },
    async revive() {
      server = create();
      await listen(bound);
    },
    async stop() {
      const closed = close();
      server.closeIdleConnections();
      await closed;
    },
    [Symbol.asyncDispose]: () => backend.crash(),
  };
  return backend;
}
