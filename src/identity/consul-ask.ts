// One request to Consul's HTTP API with the token of a caller. It must not know what is asked.
// Invariants: it only goes to the configured address, and follows no redirect; an answer is bounded in size and time; the
// token is in a header and nowhere else, in no URL and no error.

import { readFile } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import type { Clock } from '../util/clock.ts';
import { AppError } from '../util/errors.ts';
import { withoutCredentials } from '../util/public-url.ts';

export interface ConsulRequest {
  readonly method: 'GET' | 'POST';
  /** Below the address, with its query: `/v1/acl/token/self`. */
  readonly path: string;
  readonly token: string;
  /** Sent as JSON. */
  readonly body?: unknown;
}

export interface ConsulReply {
  readonly status: number;
  readonly text: string;
}

/** Rejects with CH1835 where no answer comes. */
export type AskConsul = (request: ConsulRequest) => Promise<ConsulReply>;

export interface ConsulEndpoint {
  /** URL of the agent: `http://127.0.0.1:8500`. */
  readonly address: string;
  /** PEM file of the authorities of its certificate; default those of the system. */
  readonly caFile?: string;
  /** Default 5 s. */
  readonly deadlineMs?: number;
}

const maxAnswerBytes = 1_048_576;
/** Importing `node:http` by name also loads its WebSocket client, which costs 3 MB; this way it stays unloaded. */
const http = process.getBuiltinModule('node:http');
const https = process.getBuiltinModule('node:https');

export function createAskConsul(clock: Clock, endpoint: ConsulEndpoint): AskConsul {
  const { deadlineMs = 5000, caFile } = endpoint;
  const address = endpoint.address.includes('://') ? endpoint.address : `http://${endpoint.address}`;
  const place = withoutCredentials(address);

  return async ({ method, path, token, body }) => {
    const given = new AbortController();
    const timer = clock.after(deadlineMs, () => given.abort());
    try {
      const url = new URL(address.replace(/\/+$/, '') + path);
      const ca = caFile === undefined ? undefined : await readFile(caFile);
      const text = body === undefined ? undefined : JSON.stringify(body);
      const options = {
        method,
        headers: { 'x-consul-token': token, ...(text === undefined ? {} : { 'content-type': 'application/json' }) },
        signal: given.signal,
        ...(ca === undefined ? {} : { ca }),
      };
      return await new Promise<ConsulReply>((resolve, reject) => {
        const request = (url.protocol === 'https:' ? https : http).request(url, options, (response) => {
          readText(response).then((answer) => resolve({ status: response.statusCode ?? 0, text: answer }), reject);
        });
        request.on('error', reject);
        request.end(text);
      });
    } catch (cause) {
      throw new AppError('CH1835', `no answer from Consul at ${place}`, { retryable: true, cause });
    } finally {
      timer.cancel();
    }
  };
}

async function readText(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of response) {
    const bytes = chunk as Buffer;
    size += bytes.length;
    if (size > maxAnswerBytes) {
      response.destroy();
      throw new Error(`the answer has more than ${maxAnswerBytes} bytes`);
    }
    chunks.push(bytes);
  }
  return Buffer.concat(chunks).toString('utf8');
}
