// gRPC over node:http2 alone: messages leave with their prefix in the buffer that all streams share, so nothing is copied.
// Source: gRPC over HTTP2 (grpc/doc/PROTOCOL-HTTP2.md). It must not know discovery. Deadlines are ignored: streams are
// meant to last. Invariant: nothing of one stream or connection ends another; no error is left without a listener.
import {
  constants,
  type IncomingHttpHeaders,
  performServerHandshake,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2';
import type { Clock, Timer } from '../../util/clock.ts';
import type { Logger } from '../../util/log.ts';
import { headersOf } from '../credentials.ts';
import { grpcStatus, type ServedMethod, type Sink, type StatusName, type StreamListener } from '../sink.ts';
import { createMessageReader, FramingError, type ReceiveRoom } from './message-reader.ts';
import type { Connection, Transport, TransportOptions } from './transport.ts';

const { NGHTTP2_NO_ERROR, NGHTTP2_CANCEL } = constants;

/** A stream that we ended, and whose client takes neither what was written nor the status, is reset after so long. */
const lingerMs = 60_000;

/** Unfinished messages of all streams: a client that begins large ones and never ends them must not fill the memory. */
const maxUnfinishedBytes = 256 * 1024 * 1024;

interface Origin {
  readonly connection: Connection;
  /** Headers as they came: a second `authorization` is in no other list. */
  readonly raw: readonly string[];
  /** The other end gave a sign of life. */
  readonly heard: () => void;
}

export interface Http2TransportDeps {
  readonly clock: Clock;
  readonly log: Logger;
}

export function createHttp2Transport(
  { clock, log }: Http2TransportDeps,
  methods: readonly ServedMethod[],
  options: TransportOptions,
): Transport {
  const byPath = new Map(methods.map((method) => [method.path, method]));
  const sessions = new Map<Connection, ServerHttp2Session>();
  const room: ReceiveRoom = { left: maxUnfinishedBytes };

  function accept(connection: Connection): void {
    const session = performServerHandshake(connection.socket, {
      // Node counts what waits for a slow reader, and at 10 MB refuses further streams of the connection. What may wait is
      // bounded above: one message a type and stream.
      maxSessionMemory: Number.MAX_SAFE_INTEGER,
      settings: { maxConcurrentStreams: options.maxStreamsPerConnection, enablePush: false },
    });
    sessions.set(connection, session);
    let alive = true;
    const heard = (): void => {
      alive = true;
    };
    session.on('stream', (stream, headers, _flags, raw) => {
      heard();
      serve(stream, headers, { connection, heard, raw });
    });
    const keepalive = keepAlive(session, connection, () => {
      const quiet = !alive;
      alive = false;
      return quiet;
    });
    // Its streams say the same in their own words.
    session.on('error', (error) =>
      log.debug('connection failed', { peer: connection.peer.name, error: error.message }),
    );
    session.on('close', () => {
      keepalive.cancel();
      sessions.delete(connection);
    });
  }

  /** A ping after every quiet time, with calls and without: a dead peer shows in no other way. */
  function keepAlive(session: ServerHttp2Session, connection: Connection, quiet: () => boolean): Timer {
    let timer: Timer | undefined;
    let ended = false;
    const dead = (): void => {
      log.info('a connection gave no sign of life', { peer: connection.peer.name });
      connection.socket.destroy();
    };
    const next = (): void => {
      if (ended) return;
      timer = clock.after(options.keepaliveMs, () => {
        if (!quiet() || session.destroyed) {
          next();
          return;
        }
        timer = clock.after(options.keepaliveTimeoutMs, dead);
        const sent = session.ping((error) => {
          timer?.cancel();
          if (error === null) next();
        });
        if (!sent) next();
      });
    };
    next();
    return {
      cancel() {
        ended = true;
        timer?.cancel();
      },
    };
  }

  function serve(stream: ServerHttp2Stream, headers: IncomingHttpHeaders, from: Origin): void {
    stream.on('error', () => {});
    const { ':method': verb, ':path': path = '', 'content-type': type = '' } = headers;
    if (verb !== 'POST' || !/^application\/grpc(?:$|[+;])/.test(type)) {
      stream.respond({ ':status': verb === 'POST' ? 415 : 405 }, { endStream: true });
      stream.resume();
      return;
    }
    const method = byPath.get(path);
    if (method === undefined) {
      endWithoutMessage({ clock, stream }, 'unimplemented', `there is no method ${path.slice(0, 200)}`);
      return;
    }
    carry(stream, method, { ...from, clock, maxRequestBytes: options.maxRequestBytes, room });
  }

  return {
    accept,
    retire: (connection) => sessions.get(connection)?.close(),
    drain() {
      for (const session of sessions.values()) session.close();
    },
    destroy() {
      for (const session of sessions.values()) session.destroy();
    },
  };
}

interface Carriage {
  readonly clock: Clock;
  readonly maxRequestBytes: number;
  readonly room: ReceiveRoom;
}

/** Connects one stream with its listener. */
function carry(
  stream: ServerHttp2Stream,
  method: ServedMethod,
  { clock, connection, heard, raw, maxRequestBytes, room }: Origin & Carriage,
): void {
  const reader = createMessageReader(maxRequestBytes, room);
  let trailers: Record<string, string> | undefined;
  let over = false;

  function finish(reason: string): void {
    if (over) return;
    over = true;
    reader.close();
    listener.closed(reason);
  }

  function end(status: StatusName, details: string): void {
    if (over || trailers !== undefined) return;
    trailers = statusHeaders(status, details);
    if (!stream.headersSent) endWithoutMessage({ clock, stream }, status, details);
    else stream.end();
    const reset = clock.after(lingerMs, () => stream.close(NGHTTP2_CANCEL));
    stream.once('close', () => reset.cancel());
    if (stream.destroyed) reset.cancel();
    // What the client still sends is read and dropped, else the stream never closes.
    stream.resume();
    queueMicrotask(() => finish('we ended the stream'));
  }

  const sink: Sink = {
    peer: connection.peer,
    credentials: headersOf(raw),
    write({ framed }, taken) {
      if (!stream.headersSent) {
        if (stream.destroyed || stream.closed) return;
        stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
      }
      stream.write(framed, (error) => {
        if (error === null || error === undefined) taken();
      });
    },
    end,
    cut: () => connection.socket.destroy(),
    pause: () => void stream.pause(),
    resume: () => void stream.resume(),
  };
  stream.on('wantTrailers', () => {
    if (stream.destroyed) return;
    stream.sendTrailers(trailers ?? statusHeaders('internal', 'the stream ended without a status'));
    letGo(clock, stream);
  });
  stream.on('close', () =>
    finish(
      stream.rstCode === NGHTTP2_NO_ERROR || stream.rstCode === NGHTTP2_CANCEL
        ? 'the client went away'
        : `the stream was reset with ${stream.rstCode}`,
    ),
  );
  const listener: StreamListener = method.open(sink);
  const onMessage = (message: Buffer): void => {
    if (!over && trailers === undefined) listener.incoming(message);
  };
  stream.on('data', (chunk: Buffer) => {
    heard();
    if (over || trailers !== undefined) return;
    try {
      reader.take(chunk, onMessage);
    } catch (error) {
      if (!(error instanceof FramingError)) throw error;
      end(error.status, error.message);
    }
  });
  stream.on('end', () => {
    // A reset stream ends too, for whoever still reads it.
    if (over || trailers !== undefined || stream.closed) return;
    if (reader.atBoundary()) listener.halfClosed();
    else end('internal', 'the last message is cut off');
  });
}

/** Trailers only: a status without a message before it. */
function endWithoutMessage(
  { clock, stream }: { readonly clock: Clock; readonly stream: ServerHttp2Stream },
  status: StatusName,
  details: string,
): void {
  if (stream.destroyed || stream.closed) return;
  const headers = { ':status': 200, 'content-type': 'application/grpc', ...statusHeaders(status, details) };
  stream.respond(headers, { endStream: true });
  stream.once('finish', () => letGo(clock, stream));
  stream.resume();
}

/** The client need not end its side any more. Not in the same turn: a reset overtakes trailers that are yet to leave. */
function letGo(clock: Clock, stream: ServerHttp2Stream): void {
  clock.after(0, () => {
    if (!stream.destroyed) stream.close(NGHTTP2_NO_ERROR);
  });
}

function statusHeaders(status: StatusName, details: string): Record<string, string> {
  const code = { 'grpc-status': String(grpcStatus[status]) };
  return details === '' ? code : { ...code, 'grpc-message': percentEncoded(details) };
}

/** grpc-message: printable ASCII but for "%" stays, all other bytes of the UTF-8 text become %XX. */
function percentEncoded(text: string): string {
  if (/^[ -$&-~]*$/.test(text)) return text;
  let encoded = '';
  for (const byte of Buffer.from(text)) {
    const plain = byte >= 0x20 && byte <= 0x7e && byte !== 0x25;
    encoded += plain ? String.fromCharCode(byte) : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
  }
  return encoded;
}
