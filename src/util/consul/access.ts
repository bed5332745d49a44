// How a Consul agent is reached and as whom: the options, and what each request carries because of them.
// It must not know what is asked. Invariant: a token is never part of a message, a log line or a URL.
import { readFile } from 'node:fs/promises';
import type { Agent as HttpAgent } from 'node:http';
import type { Agent as HttpsAgent } from 'node:https';
import { AppError } from '../errors.ts';

/** Importing `node:http` by name also loads its WebSocket client, which costs 3 MB; this way it stays unloaded. */
const http = process.getBuiltinModule('node:http');
const https = process.getBuiltinModule('node:https');

export interface ConsulAccess {
  /** URL of the agent, with or without scheme: `http://127.0.0.1:8500`, `consul.example:8500`, `https://host/consul`. */
  readonly address: string;
  readonly token?: string;
  /** File holding the token; read at every request, so that a rotated token is taken up. Wins over `token`. */
  readonly tokenFile?: string;
  readonly datacenter?: string;
  /** Consul Enterprise. */
  readonly namespace?: string;
  /** Consul Enterprise. */
  readonly partition?: string;
  /** PEM files for https; read when the source starts. */
  readonly caFile?: string;
  readonly certFile?: string;
  readonly keyFile?: string;
}

/** Base URL for the `consul` package: with scheme, without trailing slash, ending in `/v1`. */
export function baseUrl(address: string): string {
  const url = address.includes('://') ? address : `http://${address}`;
  return `${url.replace(/\/+$/, '')}/v1`;
}

/** Headers every request carries. Namespaces go by header because the package has no option for them. */
export function commonHeaders(access: ConsulAccess): Record<string, string> {
  return access.namespace === undefined ? {} : { 'x-consul-namespace': access.namespace };
}

/** The token to send now, or undefined. Throws AppError CH1310 when its file cannot be read. */
export async function currentToken(access: ConsulAccess): Promise<string | undefined> {
  if (access.tokenFile === undefined) return access.token;
  const text = await readPem(access.tokenFile);
  return text?.trim();
}

/**
 * The pool of connections: kept alive, at most `maxSockets`. TCP keep-alive probes find a peer that vanished
 * without a word while a blocking query waits.
 */
export async function createPool(access: ConsulAccess, maxSockets: number): Promise<HttpAgent | HttpsAgent> {
  const common = { keepAlive: true, maxSockets, maxFreeSockets: maxSockets };
  if (!baseUrl(access.address).startsWith('https:')) return new http.Agent(common);
  const [ca, cert, key] = await Promise.all([
    readPem(access.caFile),
    readPem(access.certFile),
    readPem(access.keyFile),
  ]);
  return new https.Agent({
    ...common,
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
  });
}

async function readPem(path: string | undefined): Promise<string | undefined> {
  if (path === undefined) return undefined;
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    throw new AppError('CH1310', `cannot read ${path}`, { retryable: true, cause });
  }
}
