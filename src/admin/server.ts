// The HTTP server of the control plane: API, health, metrics. fastify behind one function.
// Every request passes the gatekeeper first; every error leaves as a problem document.
// Invariant: nothing changes by GET; nothing is answered before host and origin were checked and it was decided whether whoever
// asks may; every change leaves a line in the audit log.
import type { Server as SecureServer } from 'node:https';
import { type FastifyInstance, type FastifyReply, type FastifyRequest, fastify } from 'fastify';
import { decide } from '../model/access.ts';
import { AppError } from '../util/errors.ts';
import type { LogFields, Logger } from '../util/log.ts';
import { createTlsFiles, type TlsMaterial } from '../xds/grpc/tls-files.ts';
import { createAudit } from './audit.ts';
import { asFault, Fault, faultDocument } from './fault.ts';
import { createGatekeeper, type Known } from './gatekeeper.ts';
import { openApi } from './openapi.ts';
import { createRateLimit, type RateLimitOptions } from './rate-limit.ts';
import type { Request, RouteLine } from './route.ts';
import { createRoutes, type RoutesDeps } from './routes.ts';
import { createStreamShares } from './stream-shares.ts';

export interface AdminDeps extends RoutesDeps {
  readonly log: Logger;
  /** Of the first operator. */
  readonly token: string;
}

export interface AdminOptions {
  readonly address: string;
  readonly port: number;
  /** Host names beside the loopback ones. */
  readonly hosts: readonly string[];
  /** PEM files, read again when they change; absent: plaintext. */
  readonly tls?: { readonly cert: string; readonly key: string } | undefined;
}

/** What tests choose otherwise. */
export interface ServerOptions {
  readonly rates?: RateLimitOptions;
  readonly tls?: TlsMaterial;
}

export interface Admin {
  /** Resolves with where it listens, once it does. */
  readonly listening: Promise<{ readonly address: string; readonly port: number }>;
  /** Serves until aborted; rejects with CH1614 when the address cannot be had. */
  run(signal: AbortSignal): Promise<void>;
}

const bodyLimitBytes = 4 << 20;
/** How often the files of the certificate are looked at. */
const tlsEveryMs = 2_000;
/** How often it is asked whether the token of an event stream still holds. */
const streamCheckMs = 5_000;
/** For a whole request to arrive; answers may take longer. */
const requestTimeoutMs = 30_000;

function noSchemas(): never {
  throw new Error('no route declares a schema to fastify');
}

/** The server without its socket; tests inject requests into it. */
export function createServer(
  deps: AdminDeps,
  hosts: readonly string[],
  signal: AbortSignal,
  options: ServerOptions = {},
): FastifyInstance {
  const log = deps.log.child('http');
  const { clock, token, accessTokens } = deps;
  const audit = createAudit(deps.log, clock);
  const gatekeeper = createGatekeeper({ clock, token, accessTokens }, hosts);
  const rates = createRateLimit(clock, options.rates);
  const refusals = deps.metrics.counter('http_refused_total', 'Requests of the HTTP API that were refused, by status', [
    'status',
  ]);
  /** Who asked, for as long as the request lives. */
  const askers = new WeakMap<FastifyRequest, Known>();
  /** What it changed, for the audit log. */
  const abouts = new WeakMap<FastifyRequest, LogFields>();
  const shares = createStreamShares();
  const server = fastify({
    ...(options.tls === undefined ? {} : { https: { ...options.tls, minVersion: 'TLSv1.3' as const } }),
    bodyLimit: bodyLimitBytes,
    requestTimeout: requestTimeoutMs,
    forceCloseConnections: true,
    // A HEAD would run the GET, the event stream too.
    exposeHeadRoutes: false,
    // A path that cannot be decoded never reaches the hooks below.
    frameworkErrors: (error: unknown, request: FastifyRequest, reply: FastifyReply) => {
      const refused = gatekeeper.refusedOrigin(originOf(request));
      const fault = refused === undefined ? error : new Fault(403, 'CH1702', refused);
      sendFault(reply, asFault(fault).fault);
    },
    // Routes read their input with zod and write JSON themselves; without this fastify loads two schema compilers.
    schemaController: { compilersFactory: { buildValidator: noSchemas, buildSerializer: noSchemas } },
    routerOptions: { ignoreTrailingSlash: true, maxParamLength: 512 },
  }) as FastifyInstance;
  server.removeAllContentTypeParsers();
  server.addContentTypeParser('*', { parseAs: 'string' }, (_request, body, done) => done(null, body));

  server.addHook('onRequest', async (request) => {
    const refused = gatekeeper.refusedOrigin(originOf(request));
    if (refused !== undefined) throw new Fault(403, 'CH1702', refused);
  });
  server.setErrorHandler((error, request, reply) => {
    const { fault, expected } = asFault(error);
    if (!expected) log.error('request failed', { method: request.method, path: request.routeOptions.url, err: error });
    if ([401, 403, 429].includes(fault.status)) refusals.add({ status: String(fault.status) });
    return sendFault(reply, fault);
  });

  const lines: readonly RouteLine[] = createRoutes(deps);
  const document: RouteLine = {
    method: 'GET',
    path: '/api/v1/openapi.json',
    summary: 'This document',
    access: { open: 'it describes the program, not the mesh' },
    handle: () => ({ body: openApi([...lines, document], deps.version) }),
  };
  const all = [...lines, document];
  server.setNotFoundHandler((request) => {
    rates.spend({ kind: 'nobody' }, addressOf(request));
    const path = request.url.split('?')[0] ?? '';
    const methods = all.filter((line) => line.path === path).map((line) => line.method);
    if (methods.length > 0)
      throw new Fault(405, 'CH1707', `${request.method} is not allowed on ${path}; ${methods.join(', ')} is`);
    throw new Fault(404, 'CH1703', `there is no ${path}`);
  });

  /** Throws a Fault unless whoever asks may: the one decision, by what the line says of itself. */
  async function admit(request: FastifyRequest, line: RouteLine): Promise<void> {
    const address = addressOf(request);
    const authorization = headersNamed('authorization', request.raw.rawHeaders);
    const access = typeof line.access === 'string' ? line.access : 'open';
    // What is open takes credentials of others, if any.
    const known =
      access === 'open'
        ? ({ asker: { kind: 'nobody' }, holds: async () => true } satisfies Known)
        : await gatekeeper.known({ ...originOf(request), authorization, address });
    askers.set(request, known);
    if (line.uncounted !== true) rates.spend(known.asker, address);
    const decision = decide(known.asker, { access, local: false });
    if (decision.allowed) return;
    if (decision.refused === 'unauthenticated') throw new Fault(401, 'CH1701', decision.reason);
    throw new Fault(403, 'CH1720', decision.reason);
  }

  /** Ends with the server, with the connection, or soon after the token was revoked. */
  function stream(write: Stream, request: FastifyRequest, reply: FastifyReply): FastifyReply {
    const leave = shares.take(askers.get(request)?.asker ?? { kind: 'nobody' });
    const over = new AbortController();
    const look = (): void =>
      void askers
        .get(request)
        ?.holds()
        .then((holds) => {
          if (over.signal.aborted) return;
          if (holds) timer = clock.after(streamCheckMs, look);
          else over.abort();
        });
    let timer = clock.after(streamCheckMs, look);
    reply.raw.once('close', () => {
      leave();
      timer.cancel();
      over.abort();
    });
    reply.hijack();
    write(reply.raw, AbortSignal.any([signal, over.signal]));
    return reply;
  }

  for (const line of all)
    server.route({
      method: line.method,
      url: line.path,
      onRequest: (request) => admit(request, line),
      // Before the answer leaves: there is none to wait for where the client has left meanwhile.
      onSend: async (request, reply) => {
        if (line.method === 'GET') return;
        const { asker } = askers.get(request) ?? { asker: { kind: 'nobody' } };
        const about = abouts.get(request) ?? {};
        const { method, path } = line;
        audit({ asker, method, path, status: reply.statusCode, address: addressOf(request), about });
      },
      async handler(request, reply) {
        if (typeof line.handle !== 'function') return stream(line.handle.stream, request, reply);
        const input: Request = {
          host: request.headers.host ?? '',
          address: addressOf(request),
          tls: options.tls !== undefined,
          asker: askers.get(request)?.asker ?? { kind: 'nobody' },
          authorization: headersNamed('authorization', request.raw.rawHeaders),
          params: request.params,
          query: { ...(request.query as object) },
          body: typeof request.body === 'string' ? request.body : '',
        };
        const answer = await line.handle(input);
        if (answer.audit !== undefined) abouts.set(request, answer.audit);
        const { status = 200, contentType = 'application/json; charset=utf-8', body } = answer;
        return reply
          .code(status)
          .header('cache-control', 'no-store')
          .header('x-content-type-options', 'nosniff')
          .type(contentType)
          .send(typeof body === 'string' ? body : JSON.stringify(body));
      },
    });
  return server;
}

type Stream = Exclude<RouteLine['handle'], (...given: never[]) => unknown>['stream'];

const originOf = ({ headers }: FastifyRequest) => ({ host: headers.host, origin: headers.origin });

const addressOf = (request: FastifyRequest): string => request.socket.remoteAddress ?? '';

function sendFault(reply: FastifyReply, fault: Fault): FastifyReply {
  if (fault.status === 401) reply.header('www-authenticate', 'Bearer realm="chancery"');
  const { retryAfterSeconds } = fault.members;
  if (retryAfterSeconds !== undefined) reply.header('retry-after', String(retryAfterSeconds));
  return reply
    .code(fault.status)
    .type('application/problem+json')
    .send(JSON.stringify(faultDocument(fault)));
}

/** Node keeps only the first of two headers of some names, and two of these are to be noticed. */
function headersNamed(name: string, raw: readonly string[]): readonly string[] {
  return raw.flatMap((part, index) => (index % 2 === 0 && part.toLowerCase() === name ? [raw[index + 1] ?? ''] : []));
}

export function createAdmin(deps: AdminDeps, options: AdminOptions): Admin {
  const bound = Promise.withResolvers<{ readonly address: string; readonly port: number }>();
  // Whoever does not wait for `listening` learns of the failure from `run`.
  bound.promise.catch(() => {});
  return {
    listening: bound.promise,
    async run(signal) {
      const files = options.tls && createTlsFiles({ ...deps, port: 'HTTP' }, options.tls, tlsEveryMs);
      let server: FastifyInstance;
      try {
        const tls = await files?.read();
        server = createServer(deps, options.hosts, signal, tls === undefined ? {} : { tls });
        await server.listen({ host: options.address, port: options.port });
      } catch (cause) {
        const error =
          cause instanceof AppError
            ? new AppError('CH1724', cause.message.replace(/^\[\w+\] /, ''), { cause })
            : new AppError('CH1614', `HTTP cannot listen on ${options.address}:${options.port}`, { cause });
        bound.reject(error);
        throw error;
      }
      const watching = files?.watch(
        (tls) => (server.server as unknown as SecureServer).setSecureContext({ ...tls, minVersion: 'TLSv1.3' }),
        signal,
      );
      const address = server.addresses().find((candidate) => typeof candidate === 'object');
      bound.resolve({ address: options.address, port: address?.port ?? options.port });
      if (!signal.aborted)
        await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
      await server.close();
      await watching;
    },
  };
}
