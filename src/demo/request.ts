// One HTTP request and its answer as data; a failure is an answer too, so that callers can count.
// Invariant: it always resolves, within the deadline.
import { Agent, request as httpRequest } from 'node:http';

export interface Answer {
  /** 0: no answer. */
  readonly status: number;
  readonly body: string;
  /** The body as the demo's services write it; empty for anything else. */
  readonly json: {
    readonly service?: string;
    readonly version?: string;
    readonly instance?: string;
    readonly api?: Answer['json'] & { readonly status?: number };
    readonly proxied?: boolean;
    readonly caller?: string;
  };
}

export interface Client {
  get(port: number, path: string, headers?: Readonly<Record<string, string>>): Promise<Answer>;
  put(port: number, path: string, body: unknown): Promise<Answer>;
  post(port: number, path: string, body: unknown, headers: Readonly<Record<string, string>>): Promise<Answer>;
  close(): void;
}

const deadlineMs = 5_000;
const json = { 'content-type': 'application/json' } as const;

function parsed(body: string): Answer['json'] {
  try {
    const value: unknown = JSON.parse(body);
    return typeof value === 'object' && value !== null ? value : {};
  } catch {
    return {};
  }
}

export function createClient(): Client {
  const agent = new Agent({ keepAlive: true, maxSockets: 64 });
  const send = (options: {
    port: number;
    path: string;
    method: string;
    headers: Readonly<Record<string, string>>;
    body?: string;
  }): Promise<Answer> =>
    new Promise((resolve) => {
      const fail = (error: Error): void => resolve({ status: 0, body: error.message, json: {} });
      const { body, ...rest } = options;
      const request = httpRequest(
        { ...rest, host: '127.0.0.1', agent, signal: AbortSignal.timeout(deadlineMs) },
        (response) => {
          const chunks: Buffer[] = [];
          response.on('data', (chunk: Buffer) => chunks.push(chunk));
          response.on('error', fail);
          response.on('end', () => {
            const text = Buffer.concat(chunks).toString('utf8');
            resolve({ status: response.statusCode ?? 0, body: text, json: parsed(text) });
          });
        },
      );
      request.on('error', fail);
      request.end(body);
    });
  return {
    get: (port, path, headers = {}) => send({ port, path, method: 'GET', headers }),
    put: (port, path, body) => send({ port, path, method: 'PUT', headers: json, body: JSON.stringify(body) }),
    post: (port, path, body, headers) =>
      send({ port, path, method: 'POST', headers: { ...json, ...headers }, body: JSON.stringify(body) }),
    close: () => agent.destroy(),
  };
}
