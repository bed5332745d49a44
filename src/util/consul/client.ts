// Requests to Consul through the `consul` package, with what it lacks: cancellation by AbortSignal, deadlines on the injected
// clock, answers cut short (its HTTP layer waits for ever on those), the status and headers of every answer.
// It must not know what the answers hold. Invariant: every promise settles; what fails is an AppError.
import { EventEmitter } from 'node:events';
import type { ClientRequest, IncomingMessage, RequestOptions } from 'node:http';
import Consul from 'consul';
import type { Clock } from '../clock.ts';
import { AppError } from '../errors.ts';
import { withoutCredentials } from '../public-url.ts';
import { baseUrl, type ConsulAccess, commonHeaders, createPool, currentToken } from './access.ts';
import { type Answer, readAnswer, statusFailure, unreadable } from './answer.ts';

export type Consistency = 'default' | 'stale' | 'consistent';

export interface ReadOptions {
  /** For messages: `health/service/web`. */
  readonly what: string;
  /** Path below /v1, with `{name}` for each of `params`. */
  readonly path: string;
  readonly params?: Readonly<Record<string, string>>;
  readonly query?: Readonly<Record<string, string>>;
  readonly consistency: Consistency;
  /** Blocks until the index is passed or `waitMs` is over. */
  readonly blocking?: { readonly index: number; readonly waitMs: number };
  /** 404 is an answer (KV). */
  readonly absent?: boolean;
}

export interface WriteOptions {
  readonly what: string;
  readonly method: 'PUT' | 'DELETE';
  readonly path: string;
  readonly params: Readonly<Record<string, string>>;
  readonly query?: Readonly<Record<string, string>>;
  readonly body?: string;
  /** 409 is an answer (transactions). */
  readonly conflict?: boolean;
}

export interface ConsulClient {
  read(options: ReadOptions, signal: AbortSignal): Promise<Answer>;
  /** The body of the answer. */
  write(options: WriteOptions): Promise<unknown>;
  /** Closes all connections; the next request opens new ones. */
  close(): void;
}

/** Time an answer may take beyond the time it was asked to wait. */
const marginMs = 10_000;

type Response = IncomingMessage & { readonly body?: unknown };
interface Call {
  readonly name: string;
  readonly path: string;
  readonly params: Readonly<Record<string, string>>;
  readonly query: Record<string, string>;
  readonly headers: Record<string, string>;
  readonly ctx: EventEmitter;
  readonly type?: string;
  readonly body?: string;
}
interface Transport {
  request(options: RequestOptions): ClientRequest;
}
/** What we use of the package and of `papi` below it; their own types leave it out. */
interface PackageClient {
  _get(call: Call): Promise<Response>;
  _put(call: Call): Promise<Response>;
  _delete(call: Call): Promise<Response>;
  _ext(event: 'onRequest', fn: (request: { transport: Transport }, next: () => void) => void): void;
  destroy(): void;
}

export function createConsulClient(clock: Clock, access: ConsulAccess, maxSockets: number): ConsulClient {
  let opening: Promise<PackageClient> | undefined;

  async function open(): Promise<PackageClient> {
    const agent = await createPool(access, maxSockets);
    const options = { baseUrl: baseUrl(access.address), agent, headers: commonHeaders(access) };
    const client = new Consul(options) as unknown as PackageClient;
    client._ext('onRequest', (request, next) => {
      request.transport = failingOnCut(request.transport);
      next();
    });
    return client;
  }

  /** The client; one that could not be made (an unreadable certificate) is tried again next time. */
  function client(): Promise<PackageClient> {
    opening ??= open().catch((error: unknown) => {
      opening = undefined;
      throw error;
    });
    return opening;
  }

  async function call(
    options: ReadOptions | WriteOptions,
    settings: { readonly query: Record<string, string>; readonly deadlineMs: number; readonly signal?: AbortSignal },
  ): Promise<Response> {
    const { what, path } = options;
    const { deadlineMs, signal } = settings;
    const opened = await client();
    const token = await currentToken(access);
    const ctx = new EventEmitter();
    let late = false;
    const cancel = (): void => void ctx.emit('cancel');
    const timer = clock.after(deadlineMs, () => {
      late = true;
      cancel();
    });
    signal?.addEventListener('abort', cancel, { once: true });
    const query = { ...settings.query };
    if (access.datacenter !== undefined) query['dc'] = access.datacenter;
    if (access.partition !== undefined) query['partition'] = access.partition;
    const request: Call = {
      name: what,
      path,
      params: options.params ?? {},
      query,
      headers: token === undefined || token === '' ? {} : { 'x-consul-token': token },
      ctx,
      ...('body' in options && options.body !== undefined ? { type: 'text', body: options.body } : {}),
    };
    try {
      if (signal?.aborted) throw new Error('aborted');
      const method = 'method' in options ? options.method : 'GET';
      if (method === 'PUT') return await opened._put(request);
      return await (method === 'DELETE' ? opened._delete(request) : opened._get(request));
    } catch (error) {
      if (late) throw new AppError('CH1301', `${what}: no answer within ${deadlineMs} ms`, { retryable: true });
      const failure = error as { readonly response?: Response; readonly isCodec?: boolean };
      if (failure.response !== undefined) {
        if (failure.response.statusCode === 404 && 'absent' in options && options.absent) return failure.response;
        if (failure.response.statusCode === 409 && 'conflict' in options && options.conflict) return failure.response;
        throw statusFailure(what, failure.response.statusCode ?? 0, failure.response.body);
      }
      if (failure.isCodec) throw unreadable(what, 'the answer is not JSON');
      throw new AppError('CH1301', `${what}: no answer from ${withoutCredentials(access.address)}`, {
        retryable: true,
        cause: error,
      });
    } finally {
      timer.cancel();
      signal?.removeEventListener('abort', cancel);
    }
  }

  return {
    async read(options, signal) {
      const query: Record<string, string> = { ...options.query };
      if (options.consistency !== 'default') query[options.consistency] = '1';
      if (options.blocking !== undefined) {
        query['index'] = String(options.blocking.index);
        query['wait'] = `${options.blocking.waitMs}ms`;
      }
      // The server adds up to a sixteenth of the wait, so that waiters do not all return at once.
      const deadlineMs = (options.blocking?.waitMs ?? 0) * (1 + 1 / 16) + marginMs;
      const response = await call(options, { query, deadlineMs, signal });
      return readAnswer(response.statusCode ?? 0, response.headers, response.body);
    },
    async write(options) {
      return (await call(options, { query: { ...options.query }, deadlineMs: marginMs })).body;
    },
    close() {
      const closing = opening;
      opening = undefined;
      closing?.then(
        (opened) => opened.destroy(),
        () => {},
      );
    },
  };
}

/** A transport whose requests fail when the answer ends before it is whole; without this they never end. */
function failingOnCut(transport: Transport): Transport {
  return {
    request(options) {
      const request = transport.request(options);
      request.once('response', (response: IncomingMessage) => {
        response.once('error', (error) => request.emit('error', error));
      });
      return request;
    },
  };
}
