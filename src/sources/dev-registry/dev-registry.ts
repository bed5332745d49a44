// A registry inside this process that speaks Consul's HTTP API, for the demo, for tests, and for a first try without Consul.
// The Consul source reads it over HTTP like any other. One node, no ACLs, no checks of its own (TTL and alias only).
// Invariant: it listens on loopback unless told otherwise; what it holds outlives a second `run`, not the process.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { isIP } from 'node:net';
import { AppError } from '../../util/errors.ts';
import type { SourceDeps } from '../source-deps.ts';
import { createCatalog } from './catalog.ts';
import { createCheckTimers } from './check-timers.ts';
import { createKv } from './kv.ts';
import { RefusedError } from './records.ts';
import { answer, type DevAnswer, type DevState } from './routes.ts';

export interface DevRegistryOptions {
  /** Default 127.0.0.1. */
  readonly address?: string;
  /** 0: any free one, told by `ready`. */
  readonly port: number;
}

export interface DevRegistry {
  /** Listens until aborted; rejects with AppError CH1614 when it cannot. May be run again: services and KV are kept, TTL checks start critical. */
  run(signal: AbortSignal): Promise<void>;
  /** Where it listens, once it does; rejects when it cannot. A new promise for every `run`. */
  readonly ready: Promise<{ readonly address: string; readonly port: number }>;
}

const maxBodyBytes = 512 * 1024;

export function createDevRegistry(deps: Omit<SourceDeps, 'metrics'>, options: DevRegistryOptions): DevRegistry {
  const address = options.address ?? '127.0.0.1';
  const log = deps.log.child('dev-registry');
  const catalog = createCatalog();
  const state: DevState = {
    clock: deps.clock,
    random: deps.random,
    catalog,
    kv: createKv(catalog),
    timers: createCheckTimers(deps.clock, catalog),
    node: {
      Node: 'dev',
      Address: address === '0.0.0.0' || address === '::' ? '127.0.0.1' : address,
      Datacenter: 'dc1',
    },
  };
  catalog.putCheck({
    CheckID: 'serfHealth',
    Name: 'Serf Health Status',
    Status: 'passing',
    Output: 'Agent alive and reachable',
    Notes: '',
    ServiceID: '',
    ServiceName: '',
    Type: 'node',
  });
  let ready = deferred();

  async function serve(request: IncomingMessage, response: ServerResponse, ended: AbortSignal): Promise<void> {
    const gone = new AbortController();
    response.once('close', () => gone.abort());
    try {
      checkHost(request, address);
      const url = new URL(request.url ?? '/', 'http://registry');
      if (!url.pathname.startsWith('/v1/')) throw new RefusedError(404, `there is no ${url.pathname} here`);
      const found = await answer(state, {
        method: request.method ?? 'GET',
        path: decodeURIComponent(url.pathname.slice('/v1/'.length)),
        query: url.searchParams,
        body: await readBody(request),
        signal: AbortSignal.any([gone.signal, ended]),
      });
      if (!gone.signal.aborted) send(response, found);
    } catch (error) {
      if (gone.signal.aborted) return;
      const status = error instanceof RefusedError ? error.status : error instanceof URIError ? 400 : 500;
      if (status === 500) log.error('a request failed', { error });
      const text = error instanceof Error ? error.message : String(error);
      send(response, { status, body: Buffer.from(text) });
    }
  }

  return {
    get ready() {
      return ready.promise;
    },
    async run(signal) {
      const ended = new AbortController();
      const server = createServer((request, response) => void serve(request, response, ended.signal));
      try {
        await new Promise<void>((resolve, reject) => {
          server.once('error', reject);
          server.listen(options.port, address, resolve);
        });
      } catch (cause) {
        const failure = new AppError('CH1614', `the dev registry cannot listen on ${address}:${options.port}`, {
          cause,
        });
        ready.reject(failure);
        throw failure;
      }
      const bound = server.address();
      const port = typeof bound === 'object' && bound !== null ? bound.port : options.port;
      state.timers.start();
      log.info(`dev registry listens on http://${address}:${port}`);
      ready.resolve({ address, port });
      await new Promise<void>((resolve) => {
        if (signal.aborted) resolve();
        signal.addEventListener('abort', () => resolve(), { once: true });
      });
      ready = deferred();
      state.timers.stop();
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      ended.abort();
      await closed;
    },
  };
}

interface Deferred {
  readonly promise: Promise<{ readonly address: string; readonly port: number }>;
  resolve(bound: { readonly address: string; readonly port: number }): void;
  reject(error: unknown): void;
}

function deferred(): Deferred {
  const made = Promise.withResolvers<{ readonly address: string; readonly port: number }>();
  // Whoever waits for it sees the failure; `run` rejects with it as well.
  made.promise.catch(() => {});
  return made;
}

/** On loopback only names of this machine may reach us: a web page that points its own name here is turned away. */
function checkHost(request: IncomingMessage, address: string): void {
  if (!address.startsWith('127.') && address !== '::1' && address !== 'localhost') return;
  const host = (request.headers.host ?? '').replace(/:\d+$/, '').replace(/^\[(.*)\]$/, '$1');
  if (host !== 'localhost' && isIP(host) === 0) throw new RefusedError(403, `host "${host}" is not served here`);
}

async function readBody(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > maxBodyBytes) throw new RefusedError(413, `the body is larger than ${maxBodyBytes} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function send(response: ServerResponse, { status, index, body }: DevAnswer): void {
  const bytes = Buffer.isBuffer(body) ? body : Buffer.from(JSON.stringify(body));
  response.writeHead(status, {
    'content-type': Buffer.isBuffer(body) ? 'text/plain; charset=utf-8' : 'application/json',
    'content-length': bytes.length,
    ...(index === undefined
      ? {}
      : {
          'x-consul-index': String(index),
          'x-consul-knownleader': 'true',
          'x-consul-lastcontact': '0',
          'x-consul-effective-consistency': 'leader',
        }),
  });
  response.end(bytes);
}
