// The listening socket in front of the transport, and the connections that came on it.
// It must not know gRPC. Invariant: plaintext leaves loopback only where that was said; no error of one connection ends
// the process or another connection.
import { createServer, isIP, type ListenOptions, type Server as NetServer, type Socket } from 'node:net';
import { AppError } from '../../util/errors.ts';
import type { Logger } from '../../util/log.ts';
import type { Connection } from './transport.ts';

export interface ListenerDeps {
  readonly log: Logger;
  /** Takes over a connection, decrypted where there is TLS. */
  readonly onConnection: (connection: Connection) => void;
}

export interface ListenerOptions {
  readonly address: string;
  readonly port: number;
  /** A descriptor that listens already, shared with other threads. */
  readonly fd?: number;
  readonly insecure?: boolean;
  readonly maxConnections: number;
}

export interface Bound {
  readonly address: string;
  readonly port: number;
  /** What other threads may listen on too; undefined where the platform has no descriptors. */
  readonly fd: number | undefined;
}

export interface Listener {
  /** Rejects with CH1501 or CH1502. */
  listen(): Promise<Bound>;
  /** Takes no more connections. Resolves once all there were have closed. */
  close(): Promise<void>;
  connections(): Iterable<Connection>;
}

export function createListener({ log, onConnection }: ListenerDeps, options: ListenerOptions): Listener {
  const open = new Map<Socket, Connection>();
  const loopback = isLoopback(options.address);
  const server = createServer({ noDelay: true, keepAlive: true }, (socket) => {
    // The transport takes over; until then and beside it a reset must not become an uncaught error.
    socket.on('error', (error) => log.debug('connection failed', { peer: socket.remoteAddress, error: error.message }));
    const { remoteAddress: address = '', remotePort } = socket;
    if (!loopback) log.warn('a proxy connected in plaintext', { peer: address });
    const connection: Connection = {
      peer: { name: `${address}:${remotePort}`, address, certificate: () => undefined },
      socket,
    };
    open.set(socket, connection);
    socket.once('close', () => open.delete(socket));
    onConnection(connection);
  });
  // A connection that cannot be accepted is not the end of the others.
  server.on('error', (error) => log.error('a connection could not be accepted', { error: error.message }));
  server.maxConnections = options.maxConnections;

  return {
    async listen() {
      if (!loopback && options.insecure !== true) {
        throw new AppError('CH1501', `xDS would listen in plaintext on ${options.address}`);
      }
      return await listen(server, options);
    },
    close: () => new Promise<void>((resolve) => server.close(() => resolve())),
    connections: () => open.values(),
  };
}

function isLoopback(address: string): boolean {
  return address === 'localhost' || address === '::1' || (isIP(address) === 4 && address.startsWith('127.'));
}

function listen(server: NetServer, { address, port, fd }: ListenerOptions): Promise<Bound> {
  const where: ListenOptions & { fd?: number } = fd === undefined ? { host: address, port } : { fd };
  return new Promise((resolve, reject) => {
    server.once('error', (cause) =>
      reject(new AppError('CH1502', `xDS cannot listen on ${address}:${port}`, { cause })),
    );
    server.listen(where, () => {
      const at = server.address();
      const bound = typeof at === 'object' && at !== null ? at : { address, port };
      resolve({ address: bound.address, port: bound.port, fd: descriptorOf(server) });
    });
  });
}

/** Node keeps the descriptor in a field without documentation; nothing else tells it. */
function descriptorOf(server: NetServer): number | undefined {
  const { _handle: handle } = server as NetServer & { readonly _handle?: { readonly fd?: number } };
  return handle?.fd !== undefined && handle.fd >= 0 ? handle.fd : undefined;
}
