// Talks to a running control plane's HTTP API: address, token, problem documents back into errors with codes.
// It knows no command. Invariant: an unreachable server is CH1606, a refused token CH1607; the token is in no message, and over
// TLS it is sent to nobody who has not proved to be the server that is meant.

import { resolveConfig } from '../model/config-layers.ts';
import type { Problem } from '../model/problem.ts';
import { isUnproved } from '../util/bounded-request.ts';
import { type ErrorCodeName, errorCodes } from '../util/error-codes.ts';
import { AppError } from '../util/errors.ts';
import { isLoopback } from '../util/host-port.ts';
import { certificateBlocks } from '../util/pem.ts';
import type { Io } from './io.ts';

export interface ServerOptions {
  readonly server?: string | undefined;
  readonly tokenFile?: string | undefined;
  /** PEM file of the authority of its certificate. */
  readonly ca?: string | undefined;
}

export interface Answer {
  readonly status: number;
  readonly body: unknown;
}

export interface ApiClient {
  readonly server: string;
  get(path: string): Promise<unknown>;
  /** Returns 4xx answers that carry `problems` instead of throwing. */
  send(method: Exclude<Method, 'GET'>, path: string, body?: string): Promise<Answer>;
  /** Lines of `data:` of the event stream until it ends or the signal aborts. */
  events(path: string): AsyncIterable<unknown>;
}

/** What `serve` would use on this machine: variables and chancery.yaml, without complaint about what is missing. */
function local(io: Io): { readonly url: string; readonly tokenFile: string; readonly ca?: string } {
  const text = io.readText(io.environment['CHANCERY_CONFIG'] ?? 'chancery.yaml');
  const { config } = resolveConfig({
    ...(text === undefined ? {} : { file: { path: 'chancery.yaml', text } }),
    environment: io.environment,
    flags: { registries: '[]', 'http-insecure': true },
    objectsDirectory: false,
  });
  const { address, port, tokenFile, tls } = config?.http ?? { address: '127.0.0.1', port: 18080 };
  const state = config?.state ?? './.chancery';
  const host = isLoopback(address) ? address : '127.0.0.1';
  return {
    url: `${tls === undefined ? 'http' : 'https'}://${host.includes(':') ? `[${host}]` : host}:${port}`,
    tokenFile: tokenFile ?? `${state}/token`,
    ...(tls?.issuer === 'mesh' ? { ca: `${state}/xds/roots.pem` } : {}),
  };
}

function serverUrl(io: Io, options: ServerOptions): string {
  const given = options.server ?? io.environment['CHANCERY_SERVER'] ?? local(io).url;
  return (given.includes('://') ? given : `http://${given}`).replace(/\/+$/, '');
}

function tokenOf(io: Io, options: ServerOptions): string | undefined {
  const path = options.tokenFile ?? io.environment['CHANCERY_TOKEN_FILE'];
  if (path === undefined) return io.environment['CHANCERY_TOKEN'] ?? io.readText(local(io).tokenFile)?.trim();
  const text = io.readText(path);
  if (text === undefined) throw new AppError('CH1608', `token file "${path}" cannot be read`);
  return text.trim();
}

const caHint =
  'Name with --ca or CHANCERY_CA the PEM of the authority: STATE/xds/roots.pem of the control plane, unless it has its own.';

/** PEM; undefined: what this machine trusts. */
function authorityOf(io: Io, options: ServerOptions): string | undefined {
  const path = options.ca ?? io.environment['CHANCERY_CA'];
  if (path === undefined) {
    const own = local(io).ca;
    return own === undefined ? undefined : io.readText(own);
  }
  const text = io.readText(path);
  if (text === undefined) throw new AppError('CH1608', `authority file "${path}" cannot be read`, { hint: caHint });
  if (certificateBlocks(text).length === 0)
    throw new AppError('CH1608', `authority file "${path}" holds no certificate in PEM`, { hint: caHint });
  return text;
}

/** An answer, however it came. */
interface Came {
  readonly status: number;
  readonly body: AsyncIterable<Uint8Array>;
}

function isCode(code: unknown): code is ErrorCodeName {
  return typeof code === 'string' && Object.hasOwn(errorCodes, code);
}

type Method = 'GET' | 'POST' | 'PUT' | 'DELETE';

const isFine = ({ status }: Came): boolean => status >= 200 && status < 300;

export function createClient(io: Io, options: ServerOptions): ApiClient {
  const server = serverUrl(io, options);
  const token = tokenOf(io, options);

  const ca = server.startsWith('https://') ? authorityOf(io, options) : undefined;

  async function ask(method: Method, path: string, body?: string): Promise<Came> {
    const headers: Record<string, string> = { ...(token === undefined ? {} : { authorization: `Bearer ${token}` }) };
    if (body !== undefined) headers['content-type'] = 'application/yaml';
    const url = `${server}${path}`;
    const { signal } = io;
    const text = body === undefined ? {} : { body };
    if (ca !== undefined)
      return io
        .secureOpen({ url, method, headers, signal, expected: { who: 'server', ca }, ...text })
        .catch((error) => {
          throw unproved(error);
        });
    try {
      const response = await io.fetch(url, { method, headers, signal, ...text });
      return { status: response.status, body: response.body ?? new ReadableStream() };
    } catch (cause) {
      throw unreached(cause);
    }
  }

  /** What is said there of the port of proxies is not meant for this one. */
  function unproved(error: unknown): unknown {
    if (!(error instanceof AppError) || error.code !== 'CH1606') return error;
    if (error.cause === undefined) return withoutTls();
    return new AppError('CH1606', `no answer from ${server}`, { cause: error.cause, retryable: true });
  }

  function withoutTls(): AppError {
    return new AppError('CH1606', `${server} does not speak TLS`, {
      hint: `Say ${server.replace(/^https/, 'http')}: the API speaks TLS only where \`http.tls\` says so. Nothing was sent to it.`,
    });
  }

  function unreached(cause: unknown): AppError {
    const code = (cause as { cause?: { code?: unknown } }).cause?.code;
    if (server.startsWith('https:') && code === 'ERR_SSL_WRONG_VERSION_NUMBER') return withoutTls();
    if (!server.startsWith('https:') && (code === 'UND_ERR_SOCKET' || code === 'ECONNRESET'))
      return new AppError('CH1606', `${server} ended the connection without an answer`, {
        hint: 'It speaks TLS (then say https:// and --ca), or is the xDS port: the API is another one, 18080 by default.',
      });
    if (!isUnproved(code)) return new AppError('CH1606', `no answer from ${server}`, { cause, retryable: true });
    const hint = 'Name the authority of its certificate with --ca or CHANCERY_CA; nothing was sent to it.';
    return new AppError('CH1852', `${server} did not prove that it is the control plane`, { cause, hint });
  }

  async function readBody({ body }: Came): Promise<unknown> {
    const parts: Uint8Array[] = [];
    for await (const part of body) parts.push(part);
    const text = Buffer.concat(parts).toString('utf8');
    try {
      return JSON.parse(text);
    } catch {
      return text;
    }
  }

  function failure(status: number, body: unknown): AppError {
    const { code, detail, hint } = (body ?? {}) as { code?: unknown; detail?: unknown; hint?: unknown };
    if (status === 401) return new AppError('CH1607', `${server} refused the token`);
    if (!isCode(code)) return new AppError('CH1606', `${server} answered ${status}, which is not Chancery's API`);
    return new AppError(code, String(detail), typeof hint === 'string' ? { hint, retryable: status === 503 } : {});
  }

  return {
    server,
    async get(path) {
      const response = await ask('GET', path);
      const body = await readBody(response);
      if (!isFine(response)) throw failure(response.status, body);
      return body;
    },
    async send(method, path, text) {
      const response = await ask(method, path, text);
      const body = await readBody(response);
      if (!isFine(response) && !Array.isArray((body as { problems?: readonly Problem[] }).problems))
        throw failure(response.status, body);
      return { status: response.status, body };
    },
    async *events(path) {
      const response = await ask('GET', path);
      if (!isFine(response)) throw failure(response.status, await readBody(response));
      const decoder = new TextDecoder();
      let rest = '';
      try {
        for await (const chunk of response.body) {
          const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n');
          rest = lines.pop() ?? '';
          for (const line of lines) if (line.startsWith('data: ')) yield JSON.parse(line.slice('data: '.length));
        }
      } catch (cause) {
        if (io.signal.aborted) return;
        throw new AppError('CH1606', `${server} closed the event stream`, { cause, retryable: true });
      }
    },
  };
}
