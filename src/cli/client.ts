// Talks to a running control plane's HTTP API: address, token, problem documents back into errors with codes.
// It knows no command. Invariant: an unreachable server is CH1606, a refused token CH1607; the token is in no message.
import { isLoopback } from '../model/config.ts';
import { resolveConfig } from '../model/config-layers.ts';
import type { Problem } from '../model/problem.ts';
import { type ErrorCodeName, errorCodes } from '../util/error-codes.ts';
import { AppError } from '../util/errors.ts';
import type { Io } from './io.ts';

export interface ServerOptions {
  readonly server?: string | undefined;
  readonly tokenFile?: string | undefined;
}

export interface Answer {
  readonly status: number;
  readonly body: unknown;
}

export interface ApiClient {
  readonly server: string;
  get(path: string): Promise<unknown>;
  /** Returns 4xx answers that carry `problems` instead of throwing. */
  send(method: 'POST' | 'PUT' | 'DELETE', path: string, body?: string): Promise<Answer>;
  /** Lines of `data:` of the event stream until it ends or the signal aborts. */
  events(path: string): AsyncIterable<unknown>;
}

/** What `serve` would use on this machine: variables and chancery.yaml, without complaint about what is missing. */
function local(io: Io): { readonly url: string; readonly tokenFile: string } {
  const text = io.readText(io.environment['CHANCERY_CONFIG'] ?? 'chancery.yaml');
  const { config } = resolveConfig({
    ...(text === undefined ? {} : { file: { path: 'chancery.yaml', text } }),
    environment: io.environment,
    flags: { registries: '[]', 'http-insecure': true },
    objectsDirectory: false,
  });
  const { address, port, tokenFile } = config?.http ?? { address: '127.0.0.1', port: 18080 };
  const host = isLoopback(address) ? address : '127.0.0.1';
  return {
    url: `http://${host.includes(':') ? `[${host}]` : host}:${port}`,
    tokenFile: tokenFile ?? `${config?.state ?? './.chancery'}/token`,
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

function isCode(code: unknown): code is ErrorCodeName {
  return typeof code === 'string' && Object.hasOwn(errorCodes, code);
}

export function createClient(io: Io, options: ServerOptions): ApiClient {
  const server = serverUrl(io, options);
  const token = tokenOf(io, options);

  async function ask(method: string, path: string, body?: string): Promise<Response> {
    const headers: Record<string, string> = { ...(token === undefined ? {} : { authorization: `Bearer ${token}` }) };
    if (body !== undefined) headers['content-type'] = 'application/yaml';
    try {
      return await io.fetch(`${server}${path}`, {
        method,
        headers,
        signal: io.signal,
        ...(body === undefined ? {} : { body }),
      });
    } catch (cause) {
      throw new AppError('CH1606', `no answer from ${server}`, { cause, retryable: true });
    }
  }

  async function readBody(response: Response): Promise<unknown> {
    const text = await response.text();
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
      if (!response.ok) throw failure(response.status, body);
      return body;
    },
    async send(method, path, text) {
      const response = await ask(method, path, text);
      const body = await readBody(response);
      if (!response.ok && !Array.isArray((body as { problems?: readonly Problem[] }).problems))
        throw failure(response.status, body);
      return { status: response.status, body };
    },
    async *events(path) {
      const response = await ask('GET', path);
      if (!response.ok) throw failure(response.status, await readBody(response));
      let rest = '';
      try {
        for await (const chunk of (response.body ?? new ReadableStream()).pipeThrough(new TextDecoderStream())) {
          const lines = (rest + chunk).split('\n');
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
