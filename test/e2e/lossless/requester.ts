// One way to send a request and learn how it ended: HTTP/1.1 and HTTP/2 by prior knowledge, kept and fresh connections.
// It must not know schedules or counts. Invariant: nothing is sent twice; a client library's own retries would hide a loss.
// An HTTP/2 request that never left, as a GOAWAY was read before it was written, is not sent yet: it goes out elsewhere.
import { Agent, request as httpRequest } from 'node:http';
import { type ClientHttp2Session, type ClientHttp2Stream, connect, constants } from 'node:http2';
import type { Target } from './load-plan.ts';

export interface Outcome {
  /** Undefined: it ended well. */
  readonly reason: string | undefined;
  readonly text: string;
  readonly backend: string;
  /** Times it never left the client, as the connection had just been closed to new requests, before it went out elsewhere. */
  readonly heldBack?: number;
}

export interface Sending {
  readonly connection: 'fresh' | 'kept';
  /** Cuts the request off; no outcome is told after it. */
  abandon(): void;
}

export interface Requester {
  send(path: string, fresh: boolean, done: (outcome: Outcome) => void): Sending;
  close(): void;
}

/**
 * As any client's pool, an idle connection is given up, here well within the proxies' drain time: one that idles through all
 * of it is closed by the proxy, possibly just when a request goes out on it, which no server can mend.
 */
const idleMs = 1000;

const maxText = 160;
const failed = (reason: string, text = ''): Outcome => ({ reason, text: text.slice(0, maxText), backend: '' });
const errorReason = (error: NodeJS.ErrnoException): Outcome => failed(error.code ?? error.name, error.message);

export function createRequester(target: Target): Requester {
  return target.kind === 'h1' || target.kind === 'post' ? createHttp1(target) : createHttp2(target);
}

function createHttp1({ kind, port, host }: Target): Requester {
  const agent = new Agent({ keepAlive: true, maxSockets: 64, timeout: idleMs });
  return {
    send(path, fresh, done) {
      let told = false;
      const tell = (outcome: Outcome): void => {
        if (told) return;
        told = true;
        done(outcome);
      };
      const outgoing = httpRequest(
        {
          ...{ host: '127.0.0.1', port, path, method: kind === 'post' ? 'POST' : 'GET', headers: { host } },
          agent: fresh ? false : agent,
        },
        (incoming) => {
          let body = '';
          incoming.setEncoding('utf8');
          incoming.on('data', (piece: string) => {
            if (body.length < maxText) body += piece;
          });
          incoming.once('error', (error) => tell(errorReason(error)));
          incoming.once('aborted', () => tell(failed('cut off within the answer')));
          incoming.once('end', () => {
            if (incoming.statusCode !== 200) tell(failed(`status ${incoming.statusCode}`, body));
            else tell({ reason: undefined, text: '', backend: String(incoming.headers['x-backend'] ?? '') });
          });
        },
      );
      outgoing.once('error', (error) => tell(errorReason(error)));
      outgoing.end(kind === 'post' ? 'x'.repeat(64) : undefined);
      return {
        connection: fresh ? 'fresh' : 'kept',
        abandon() {
          told = true;
          outgoing.destroy();
        },
      };
    },
    close: () => agent.destroy(),
  };
}

const sessionsKept = 2;
const maxHeldBack = 3;
/** Frame type of HEADERS (RFC 9113, 6.2). */
const headersFrame = 1;

function createHttp2({ kind, port, host }: Target): Requester {
  const sessions: ClientHttp2Session[] = [];
  let turn = 0;

  function open(): ClientHttp2Session {
    const session = connect(`http://127.0.0.1:${port}`);
    // A request that was sent on it tells what it meant.
    session.on('error', () => {});
    return session;
  }
  function kept(): ClientHttp2Session {
    const slot = turn++ % sessionsKept;
    const known = sessions[slot];
    if (known !== undefined && !known.closed && !known.destroyed) return known;
    const session = open();
    sessions[slot] = session;
    return session;
  }

  return {
    send(path, fresh, done) {
      let told = false;
      let session: ClientHttp2Session;
      let stream: ClientHttp2Stream;
      const attempt = (heldBack: number): void => {
        session = fresh || heldBack > 0 ? open() : kept();
        const own = session;
        const alone = fresh || heldBack > 0;
        stream = kind === 'grpc' ? grpcCall(own, path, host) : get(own, path, host);
        let unsent = false;
        stream.once('frameError', (frame: number) => {
          unsent = frame === headersFrame;
        });
        observe(stream, kind === 'grpc', (outcome) => {
          if (alone) own.close();
          if (told) return;
          if (unsent && heldBack < maxHeldBack) return attempt(heldBack + 1);
          told = true;
          done({ ...outcome, heldBack });
        });
      };
      attempt(0);
      return {
        connection: fresh ? 'fresh' : 'kept',
        abandon() {
          told = true;
          stream.close(constants.NGHTTP2_CANCEL);
          if (fresh) session.destroy();
        },
      };
    },
    close() {
      for (const session of sessions) session.destroy();
    },
  };
}

function get(session: ClientHttp2Session, path: string, host: string): ClientHttp2Stream {
  return session.request({ ':method': 'GET', ':path': path, ':authority': host });
}

/** A unary call with a message of eight bytes. */
function grpcCall(session: ClientHttp2Session, path: string, host: string): ClientHttp2Stream {
  const stream = session.request({
    ...{ ':method': 'POST', ':path': path, ':authority': host },
    ...{ 'content-type': 'application/grpc', te: 'trailers' },
  });
  stream.end(Buffer.from([0, 0, 0, 0, 8, 10, 6, 108, 111, 115, 115, 49]));
  return stream;
}

function observe(stream: ClientHttp2Stream, grpc: boolean, tell: (outcome: Outcome) => void): void {
  let status = 0;
  let grpcStatus: string | undefined;
  let backend = '';
  let message = '';
  let body = '';
  const takeTrailers = (headers: Readonly<Record<string, unknown>>): void => {
    if (headers['grpc-status'] !== undefined) grpcStatus = String(headers['grpc-status']);
    if (headers['grpc-message'] !== undefined) message = String(headers['grpc-message']);
  };
  stream.on('response', (headers) => {
    status = Number(headers[':status'] ?? 0);
    backend = String(headers['x-backend'] ?? '');
    takeTrailers(headers);
  });
  stream.on('trailers', takeTrailers);
  stream.setEncoding('utf8');
  stream.on('data', (piece: string) => {
    if (body.length < maxText) body += piece;
  });
  let fault: Outcome | undefined;
  stream.once('error', (error) => {
    fault = errorReason(error);
  });
  stream.once('close', () => {
    if (fault !== undefined) tell(fault);
    else if (status === 0) tell(failed(`stream closed with ${stream.rstCode}`));
    else if (status !== 200) tell(failed(`status ${status}`, grpc ? message : body));
    else if (stream.rstCode !== constants.NGHTTP2_NO_ERROR) tell(failed(`stream reset with ${stream.rstCode}`));
    else if (grpc && grpcStatus !== '0') tell(failed(`grpc-status ${grpcStatus ?? 'missing'}`, message));
    else tell({ reason: undefined, text: '', backend });
  });
}
