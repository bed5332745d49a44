// The HTTP server of the control plane: API, health, metrics. fastify behind one function.
// Every request passes the gatekeeper first; every error leaves as a problem document.
// Invariant: nothing changes by GET, nothing is answered before host and origin were checked, and every change leaves a line in
// the log: what was asked, from where, and what came of it, with nothing of its body.
import { type FastifyInstance, type FastifyReply, type FastifyRequest, fastify } from 'fastify';
import { AppError } from '../util/errors.ts';
import type { Logger } from '../util/log.ts';
import { asFault, Fault, faultDocument } from './fault.ts';
import { createGatekeeper } from './gatekeeper.ts';
import { openApi } from './openapi.ts';
import type { Request, RouteLine } from './route.ts';
import { createRoutes, type RoutesDeps } from './routes.ts';

export interface AdminDeps extends RoutesDeps {
  readonly log: Logger;
  readonly token: string;
}

export interface AdminOptions {
  readonly address: string;
  readonly port: number;
  /** Host names beside the loopback ones. */
  readonly hosts: readonly string[];
}

export interface Admin {
  /** Resolves with where it listens, once it does. */
  readonly listening: Promise<{ readonly address: string; readonly port: number }>;
  /** Serves until aborted; rejects with CH1614 when the address cannot be had. */
  run(signal: AbortSignal): Promise<void>;
}

const bodyLimitBytes = 4 << 20;
/** For a whole request to arrive; answers may take longer. */
const requestTimeoutMs = 30_000;

function noSchemas(): never {
  throw new Error('no route declares a schema to fastify');
}

/** The server without its socket; tests inject requests into it. */
export function createServer(deps: AdminDeps, hosts: readonly string[], signal: AbortSignal): FastifyInstance {
  const log = deps.log.child('http');
  const gatekeeper = createGatekeeper(deps.token, hosts);
  const server = fastify({
    bodyLimit: bodyLimitBytes,
    requestTimeout: requestTimeoutMs,
    forceCloseConnections: true,
    // A HEAD would run the GET, the event stream too.
    exposeHeadRoutes: false,
    // A path that cannot be decoded never reaches the hooks below.
    frameworkErrors: (error, request, reply) => {
      const refused = gatekeeper.refusedOrigin(asking(request));
      const fault = refused === undefined ? error : new Fault(403, 'CH1702', refused);
      sendFault(reply, asFault(fault).fault);
    },
    // Routes read their input with zod and write JSON themselves; without this fastify loads two schema compilers.
    schemaController: { compilersFactory: { buildValidator: noSchemas, buildSerializer: noSchemas } },
    routerOptions: { ignoreTrailingSlash: true, maxParamLength: 512 },
  });
  server.removeAllContentTypeParsers();
  server.addContentTypeParser('*', { parseAs: 'string' }, (_request, body, done) => done(null, body));
  const asking = ({ headers }: FastifyRequest) => ({
    host: headers.host,
    origin: headers.origin,
    authorization: headers.authorization,
  });

  server.addHook('onRequest', async (request) => {
    const refused = gatekeeper.refusedOrigin(asking(request));
    if (refused !== undefined) throw new Fault(403, 'CH1702', refused);
  });
  server.setErrorHandler((error, request, reply) => {
    const { fault, expected } = asFault(error);
    if (!expected) log.error('request failed', { method: request.method, path: request.routeOptions.url, err: error });
    return sendFault(reply, fault);
  });

  const lines: readonly RouteLine[] = createRoutes(deps);
  const document: RouteLine = {
    method: 'GET',
    path: '/api/v1/openapi.json',
    summary: 'This document',
    open: 'it describes the program, not the mesh',
    handle: () => ({ body: openApi([...lines, document], deps.version) }),
  };
  const all = [...lines, document];
  server.setNotFoundHandler((request) => {
    const path = request.url.split('?')[0] ?? '';
    const methods = all.filter((line) => line.path === path).map((line) => line.method);
    if (methods.length > 0)
      throw new Fault(405, 'CH1707', `${request.method} is not allowed on ${path}; ${methods.join(', ')} is`);
    throw new Fault(404, 'CH1703', `there is no ${path}`);
  });
  for (const line of all)
    addLine(server, line, {
      signal,
      audit: (request, status) =>
        log.info('a change was asked for', {
          ...{ method: line.method, path: line.path, status, address: request.socket.remoteAddress ?? '' },
        }),
      permitted: (request) => line.open !== undefined || gatekeeper.knowsToken(asking(request)),
    });
  return server;
}

function sendFault(reply: FastifyReply, fault: Fault): FastifyReply {
  if (fault.status === 401) reply.header('www-authenticate', 'Bearer realm="chancery"');
  return reply
    .code(fault.status)
    .type('application/problem+json')
    .send(JSON.stringify(faultDocument(fault)));
}

/** Node keeps only the first of two headers of some names, and two of these are to be noticed. */
function headersNamed(name: string, raw: readonly string[]): readonly string[] {
  return raw.flatMap((part, index) => (index % 2 === 0 && part.toLowerCase() === name ? [raw[index + 1] ?? ''] : []));
}

function addLine(
  server: FastifyInstance,
  line: RouteLine,
  context: {
    readonly signal: AbortSignal;
    readonly audit: (request: FastifyRequest, status: number) => void;
    readonly permitted: (request: FastifyRequest) => boolean;
  },
): void {
  server.route({
    method: line.method,
    url: line.path,
    onRequest: async (request) => {
      if (!context.permitted(request)) throw new Fault(401, 'CH1701', 'a bearer token is needed');
    },
    onResponse: async (request, reply) => {
      if (line.method !== 'GET') context.audit(request, reply.statusCode);
    },
    async handler(request, reply) {
      if (typeof line.handle !== 'function') {
        reply.hijack();
        line.handle.stream(reply.raw, context.signal);
        return reply;
      }
      const input: Request = {
        host: request.headers.host ?? '',
        address: request.socket.remoteAddress ?? '',
        authorization: headersNamed('authorization', request.raw.rawHeaders),
        params: request.params,
        query: { ...(request.query as object) },
        body: typeof request.body === 'string' ? request.body : '',
      };
      const { status = 200, contentType = 'application/json; charset=utf-8', body } = await line.handle(input);
      return reply
        .code(status)
        .header('cache-control', 'no-store')
        .header('x-content-type-options', 'nosniff')
        .type(contentType)
        .send(typeof body === 'string' ? body : JSON.stringify(body));
    },
  });
}

export function createAdmin(deps: AdminDeps, options: AdminOptions): Admin {
  const bound = Promise.withResolvers<{ readonly address: string; readonly port: number }>();
  // Whoever does not wait for `listening` learns of the failure from `run`.
  bound.promise.catch(() => {});
  return {
    listening: bound.promise,
    async run(signal) {
      const server = createServer(deps, options.hosts, signal);
      try {
        await server.listen({ host: options.address, port: options.port });
      } catch (cause) {
        const error = new AppError('CH1614', `HTTP cannot listen on ${options.address}:${options.port}`, { cause });
        bound.reject(error);
        throw error;
      }
      const address = server.addresses().find((candidate) => typeof candidate === 'object');
      bound.resolve({ address: options.address, port: address?.port ?? options.port });
      if (!signal.aborted)
        await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
      await server.close();
    },
  };
}
