// The listening socket in front of the transport: plaintext or TLS, HTTP/2 or HTTP/1.1, and the connections that came.
// It must not know gRPC. Invariant: plaintext leaves loopback only where that was said; no error of one connection ends
// the process or another connection; nothing is resumed from an earlier TLS session.
import { constants } from 'node:crypto';
import { createServer, type Server as NetServer, type Socket } from 'node:net';
import { createServer as createTlsServer, TLSSocket, type Server as TlsServer } from 'node:tls';
import type { Clock } from '../../util/clock.ts';
import { AppError, errorText } from '../../util/errors.ts';
import { isLoopback } from '../../util/host-port.ts';
import type { Logger } from '../../util/log.ts';
import type { Metrics } from '../../util/metrics.ts';
import { byFirstBytes } from './first-bytes.ts';
import { peerOf } from './peer.ts';
import { createTlsFiles, type TlsFiles, type TlsMaterial } from './tls-files.ts';
import type { Connection } from './transport.ts';

/** What OpenSSL says of HTTP/2's preface and of a request of HTTP/1.1 where a handshake should be. */
const spokePlaintext: ReadonlySet<string> = new Set(['wrong version number', 'http request']);
const plaintextHint =
  'it spoke plaintext: its bootstrap has no credential. Make one with chancery token create and bootstrap --join; only serve --insecure takes plaintext';

export interface ListenerDeps {
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Metrics;
  /** Takes over an HTTP/2 connection, decrypted where there is TLS. */
  readonly onConnection: (connection: Connection) => void;
  /** Takes over a connection that speaks HTTP/1.1; without it such ones are closed. */
  readonly http1: ((socket: Socket) => void) | undefined;
}

export interface TlsOptions extends TlsFiles {
  /**
   * With an authority of client certificates: whether one is required, or those without one are let in too, to show
   * something else. Default `required`. A certificate that is not of the authority counts as none.
   */
  readonly clientCertificates?: 'required' | 'optional';
  /** Default 1.3. */
  readonly minVersion?: '1.2' | '1.3';
  /** Time between two looks at the files. */
  readonly reloadMs?: number;
}

export interface ListenerOptions {
  readonly address: string;
  readonly port: number;
  /** Other threads of this process listen on the port too; the kernel deals out connections evenly. */
  readonly reusePort?: boolean;
  readonly insecure?: boolean;
  readonly tls?: TlsOptions;
  readonly maxConnections: number;
  /** Longest time for the handshake, and then for the first bytes. */
  readonly handshakeMs: number;
}

export interface Bound {
  readonly address: string;
  readonly port: number;
}

export interface Listener {
  /** Rejects with CH1501, CH1502 or CH1503. */
  listen(): Promise<Bound>;
  /** Takes no more connections. Resolves once all there were have closed. */
  close(): Promise<void>;
  /** Cuts every connection, those in their handshake included. */
  destroy(): void;
}

export function createListener(deps: ListenerDeps, options: ListenerOptions): Listener {
  const { clock, log, metrics } = deps;
  const sockets = new Set<Socket>();
  const count = metrics.gauge('xds_connections', 'Connections open now');
  const refused = metrics.counter('xds_connections_refused_total', 'Connections not taken, by cause', ['reason']);
  const stopping = new AbortController();
  const plain = options.tls === undefined;
  const loopback = isLoopback(options.address);
  let server: NetServer | undefined;

  function ready(socket: Socket): void {
    // The transport takes over; until then and beside it a reset must not become an uncaught error.
    socket.on('error', (error) => log.debug('connection failed', { peer: socket.remoteAddress, error: error.message }));
    const peer = peerOf(socket);
    const handOver = (take: () => void): void => {
      try {
        take();
      } catch (error) {
        log.error('a connection could not be served', { peer: peer.name, error: errorText(error) });
        socket.destroy();
      }
    };
    const http2 = (): void => handOver(() => deps.onConnection({ peer, socket }));
    const http1 = (): void => {
      if (deps.http1 !== undefined) {
        handOver(() => deps.http1?.(socket));
        return;
      }
      refused.add({ reason: 'not-http2' });
      log.info('a connection does not speak HTTP/2', { peer: peer.name });
      socket.destroy();
    };
    if (socket instanceof TLSSocket && socket.alpnProtocol === 'h2') http2();
    else byFirstBytes(clock, socket, { waitMs: options.handshakeMs, http2, http1 });
  }

  function create(material: TlsMaterial | undefined): NetServer {
    const common = { noDelay: true, keepAlive: true };
    const made =
      material === undefined
        ? createServer(common)
        : createTlsServer({ ...common, ...contextOptions(options.tls, material), ...connectionOptions(options) });
    made.on(material === undefined ? 'connection' : 'secureConnection', ready);
    made.on('connection', (socket: Socket) => {
      sockets.add(socket);
      count.set({}, sockets.size);
      socket.once('close', () => {
        sockets.delete(socket);
        count.set({}, sockets.size);
      });
      if (plain && !loopback) log.warn('a proxy connected in plaintext', { peer: socket.remoteAddress });
    });
    made.on('tlsClientError', (error: Error & { readonly reason?: string }, socket: TLSSocket) => {
      refused.add({ reason: 'tls' });
      // OpenSSL's reason alone: its message is that, an address in memory and a line of its own source.
      const reason = error.reason ?? error.message;
      const hint = spokePlaintext.has(reason) ? { hint: plaintextHint } : {};
      log.info('a TLS handshake failed', { peer: socket.remoteAddress, reason, ...hint });
      socket.destroy();
    });
    made.on('drop', () => {
      refused.add({ reason: 'too-many' });
      log.warn('a connection was refused: too many are open', { limit: options.maxConnections });
    });
    made.maxConnections = options.maxConnections;
    return made;
  }

  return {
    async listen() {
      if (plain && !loopback && options.insecure !== true)
        throw new AppError('CH1501', `xDS would listen in plaintext on ${options.address}`);
      const files = options.tls && createTlsFiles(deps, options.tls, options.tls.reloadMs ?? 2_000);
      server = create(await files?.read());
      const bound = await listen(server, options);
      // A connection that cannot be accepted is not the end of the others.
      server.on('error', (error) => log.error('a connection could not be accepted', { error: error.message }));
      const secure = server as TlsServer;
      void files?.watch((material) => secure.setSecureContext(contextOptions(options.tls, material)), stopping.signal);
      return bound;
    },
    close() {
      stopping.abort();
      return new Promise<void>((resolve) => (server === undefined ? resolve() : server.close(() => resolve())));
    },
    destroy() {
      for (const socket of sockets) socket.destroy();
    },
  };
}

/** TLS 1.3 unless the configuration allows 1.2; no tickets, so that every connection proves itself anew. */
function contextOptions(tls: TlsOptions | undefined, material: TlsMaterial) {
  const minVersion = tls?.minVersion === '1.2' ? 'TLSv1.2' : 'TLSv1.3';
  return { ...material, minVersion, secureOptions: constants.SSL_OP_NO_TICKET } as const;
}

function connectionOptions({ tls, handshakeMs }: ListenerOptions) {
  const asked = tls?.clientCa !== undefined;
  return {
    ALPNProtocols: ['h2', 'http/1.1'],
    handshakeTimeout: handshakeMs,
    requestCert: asked,
    rejectUnauthorized: asked && tls?.clientCertificates !== 'optional',
  };
}

/**
 * Connections that may wait to be accepted, the most that Linux allows as it comes. After a restart every proxy connects at
 * once; with Node's 511 five thousand of them were seen to be reset by the kernel.
 */
const backlog = 4096;

function listen(server: NetServer, { address, port, reusePort = false }: ListenerOptions): Promise<Bound> {
  return new Promise((resolve, reject) => {
    server.once('error', (cause) =>
      reject(new AppError('CH1502', `xDS cannot listen on ${address}:${port}`, { cause })),
    );
    server.listen({ host: address, port, reusePort, backlog }, () => {
      const at = server.address();
      const bound = typeof at === 'object' && at !== null ? at : { address, port };
      resolve({ address: bound.address, port: bound.port });
    });
  });
}
