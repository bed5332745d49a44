// Discovery by REST (R58): POST /v3/discovery:* in proto3 JSON, for clients that no gRPC stream reaches. A poll that knows
// the current version is held until that changes, or until the client would give up.
// It must not know message schemas: bytes become JSON elsewhere. Invariants: a client gets what it would get by stream, or
// is refused as there; what it sends and how long it takes are bounded.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { type TypeUrl, typeUrls } from '../../resources/type-urls.ts';
import type { Clock, Timer } from '../../util/clock.ts';
import { errorText } from '../../util/errors.ts';
import type { Callers } from '../callers.ts';
import type { ClientConfig, ClientInfo, Doors } from '../contract.ts';
import { credentialsOf, namedHeaders } from '../credentials.ts';
import { peerOf } from '../grpc/peer.ts';
import { callerOf, type PollCaller } from './poll-caller.ts';
import type { PollAnswer, PollClient } from './poll-client.ts';
import { createPollClients, type PollClientsDeps } from './poll-clients.ts';
import { Refused } from './refused.ts';
import { type RestRequest, RestRequestError, readRequest } from './rest-request.ts';
import { createResponseText, type ResponseSource } from './rest-response.ts';

export type RestDeps = PollClientsDeps &
  ResponseSource & {
    /** Undefined where nobody is asked who it is. */
    readonly callers?: Callers | undefined;
    readonly doors?: Doors | undefined;
  };

export interface Rest {
  /** Serves HTTP/1.1 on the connection until it ends. */
  serve(socket: Socket): void;
  /** What each of the wanted clients asks for and has. */
  clients(wanted: (client: ClientInfo) => boolean): readonly ClientConfig[];
  /** Answers what waits with 503, and closes every connection. */
  stop(): void;
}

/** As the protos' google.api.http annotations have it. */
const paths: Readonly<Record<string, TypeUrl>> = {
  '/v3/discovery:clusters': typeUrls.cluster,
  '/v3/discovery:endpoints': typeUrls.endpoints,
  '/v3/discovery:listeners': typeUrls.listener,
  '/v3/discovery:routes': typeUrls.routes,
  '/v3/discovery:scoped-routes': typeUrls.scopedRoutes,
  '/v3/discovery:secrets': typeUrls.secret,
  '/v3/discovery:runtime': typeUrls.runtime,
  '/v3/discovery:extension_configs': typeUrls.extension,
};

const maxBodyBytes = 1024 * 1024;
/** Of a request that is no poll. */
const maxDoorBytes = 16 * 1024;
/** For a whole request to arrive. */
const requestMs = 10_000;
/** Between two requests on one connection. */
const idleMs = 75_000;
/** Bytes of answers, on all connections, that are yet to be taken; whoever comes then is to come again. */
const maxUnsentBytes = 256 * 1024 * 1024;
/** A client that does not take its answer within so long is cut off. */
const takeMs = 60_000;
/** Requests on one connection that wait for their answers. */
const maxPipelined = 32;
/** Longest and usual time a poll is held: Envoy gives up after 1 s unless told otherwise. */
const maxHoldMs = 30_000;
const holdMs = 800;

export function createRest(deps: RestDeps): Rest {
  const { clock, log } = deps;
  const clients = createPollClients(deps);
  const bodyText = createResponseText(deps);
  const connections = new Map<Socket, Connection>();
  const waiting = new Set<() => void>();
  let unsent = 0;
  let stopped = false;
  // Neither side may keep a connection that says nothing: times are taken below, by our own clock.
  const server = createServer({ requestTimeout: 0, headersTimeout: 0, keepAliveTimeout: 0 }, (request, response) => {
    const { socket } = request;
    const connection = connections.get(socket);
    if (connection === undefined || ++connection.asked > maxPipelined) {
      socket.destroy();
      return;
    }
    connection.timer?.cancel();
    response.once('close', () => {
      connection.asked--;
      if (stopped) socket.end();
      if (connection.asked === 0) cutAfter(socket, idleMs);
    });
    answer(request, response).catch((error: unknown) => fail(response, error));
  });
  server.on('clientError', (_error, socket) => socket.destroy());

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const [path = ''] = (request.url ?? '').split('?');
    const type = Object.hasOwn(paths, path) ? paths[path] : undefined;
    // A page in a browser says where it comes from, and can make any name lead here; no other client has an origin.
    if (request.headers.origin !== undefined) throw new Refused(403, 'a poll does not come from a browser');
    if (type === undefined) {
      await atDoor(path, request, response);
      return;
    }
    if (request.method !== 'POST') throw new Refused(405, 'a poll is a POST');
    let wake = (): void => {};
    const caller = await callerOf(deps.callers, request, () => wake());
    try {
      const onOver = (fn: () => void): void => {
        wake = fn;
      };
      await respond({ type, caller, request, response, onOver });
    } finally {
      caller?.leave();
    }
  }

  /** Whoever comes is nobody yet: what is asked for decides who may. */
  async function atDoor(path: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = '' } = request;
    const nothing = new Refused(404, `there is no ${path.slice(0, 200)}`);
    if (deps.doors === undefined || (method !== 'GET' && method !== 'POST')) throw nothing;
    const body = await bodyOf(request, clock, maxDoorBytes);
    const credentials = credentialsOf(
      peerOf(request.socket),
      namedHeaders((name) => request.headersDistinct[name] ?? []),
    );
    const reply = await deps.doors({ method, path, body, credentials });
    if (reply === undefined) throw nothing;
    if (response.destroyed) return;
    response.writeHead(reply.status, { 'content-type': reply.contentType, 'cache-control': 'no-store' });
    response.end(reply.body);
  }

  async function respond({ type, caller, request, response, onOver }: Asked): Promise<void> {
    const poll = readRequest(await bodyOf(request, clock));
    if (poll.typeUrl !== '' && poll.typeUrl !== type) throw new Refused(400, 'type_url is not the type of the path');
    caller?.check();
    const client = await clients.of(poll, request.socket, caller?.principal);
    const found = client.poll(type, poll) ?? (await change({ client, type, poll, request, response, onOver }));
    caller?.check();
    if (found === 'too-many') throw new Refused(429, 'it asks for too much at once');
    if (response.destroyed || response.writableEnded) return;
    if (found === undefined) {
      response.writeHead(stopped ? 503 : 304).end();
      return;
    }
    if (unsent > maxUnsentBytes) throw new Refused(503, 'too many answers are yet to be taken; try again later');
    const body = await bodyText(type, found);
    caller?.check();
    const connection = connections.get(request.socket);
    if (connection === undefined || response.destroyed) return;
    const bytes = Buffer.byteLength(body);
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': bytes });
    awaitTaken(connection, request.socket, { response, bytes });
    response.end(body);
    client.sent(type, poll, { ...found, bytes });
  }

  /** Until the answer has left, it counts, and the client has to read. */
  function awaitTaken(connection: Connection, socket: Socket, { response, bytes }: Unsent): void {
    unsent += bytes;
    connection.unsent += bytes;
    const watch = (): void => {
      connection.stalled?.cancel();
      connection.stalled = connection.unsent === 0 ? undefined : clock.after(takeMs, () => socket.destroy());
    };
    watch();
    response.once('close', () => {
      // A connection that was closed has given all of it back.
      const left = Math.min(bytes, connection.unsent);
      connection.unsent -= left;
      unsent -= left;
      watch();
    });
  }

  /** What is due within the time the client waits; undefined: nothing. */
  function change({
    client,
    type,
    poll,
    request,
    response,
    onOver,
  }: Held): Promise<PollAnswer | 'too-many' | undefined> {
    return new Promise((resolve) => {
      const done = (found: PollAnswer | 'too-many' | undefined): void => {
        timer.cancel();
        ignore();
        waiting.delete(stop);
        response.removeListener('close', stop);
        resolve(found);
      };
      const stop = (): void => done(undefined);
      const timer = clock.after(heldMs(request), stop);
      const ignore = client.wait(type, poll, () => {
        const found = client.poll(type, { ...poll, error: undefined });
        if (found !== undefined) done(found);
      });
      waiting.add(stop);
      onOver(stop);
      response.once('close', stop);
      if (stopped) stop();
    });
  }

  function fail(response: ServerResponse, error: unknown): void {
    const status = error instanceof Refused ? error.status : error instanceof RestRequestError ? 400 : 500;
    if (status === 500) log.error('a poll failed', { error: errorText(error) });
    const message = status === 500 ? 'internal error' : (error as Error).message;
    if (response.headersSent || response.destroyed) {
      response.destroy();
      return;
    }
    // What is left of the body is not read, so the connection cannot go on.
    response.writeHead(status, { 'content-type': 'application/json', connection: 'close' });
    response.end(JSON.stringify({ message }));
  }

  /** A connection that neither sends a request nor waits for an answer is cut in time. */
  function cutAfter(socket: Socket, ms: number): void {
    const connection = connections.get(socket);
    if (connection === undefined) return;
    connection.timer?.cancel();
    connection.timer = clock.after(ms, () => socket.destroy());
  }

  return {
    serve(socket) {
      if (stopped || socket.destroyed) {
        socket.destroy();
        return;
      }
      const connection: Connection = { timer: undefined, stalled: undefined, asked: 0, unsent: 0 };
      connections.set(socket, connection);
      cutAfter(socket, requestMs);
      socket.once('close', () => {
        connection.timer?.cancel();
        connection.stalled?.cancel();
        connections.delete(socket);
        unsent -= connection.unsent;
        connection.unsent = 0;
      });
      server.emit('connection', socket);
    },
    clients: clients.describe,
    stop() {
      stopped = true;
      for (const stop of [...waiting]) stop();
      clients.stop();
      for (const [socket, { asked }] of connections) if (asked === 0) socket.end();
    },
  };
}

interface Connection {
  /** When it is cut, while nothing is asked on it. */
  timer: Timer | undefined;
  /** When it is cut, while answers of it are not taken. */
  stalled: Timer | undefined;
  /** Requests not answered yet: a client may send several at once. */
  asked: number;
  /** Bytes of answers that have not left yet. */
  unsent: number;
}

interface Unsent {
  readonly response: ServerResponse;
  readonly bytes: number;
}

interface Exchange {
  readonly type: TypeUrl;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  /** What to do when whoever asks is nobody any more. */
  readonly onOver: (fn: () => void) => void;
}

interface Asked extends Exchange {
  readonly caller: PollCaller | undefined;
}

interface Held extends Exchange {
  readonly client: PollClient;
  readonly poll: RestRequest;
}

/** Somewhat less than the time the client waits, which Envoy says in a header. */
function heldMs({ headers }: IncomingMessage): number {
  const waits = Number(headers['x-envoy-expected-rq-timeout-ms']);
  return Number.isFinite(waits) && waits > 0 ? Math.min(maxHoldMs, waits * 0.8) : holdMs;
}

async function bodyOf(request: IncomingMessage, clock: Clock, most = maxBodyBytes): Promise<string> {
  const parts: Buffer[] = [];
  let size = 0;
  const timer = clock.after(requestMs, () => request.destroy());
  try {
    for await (const part of request as AsyncIterable<Buffer>) {
      size += part.length;
      if (size > most) throw new Refused(413, `a request has at most ${most} bytes`);
      parts.push(part);
    }
  } finally {
    timer.cancel();
  }
  return Buffer.concat(parts).toString('utf8');
}
