// One request by HTTPS, or by HTTP to this machine, that always ends and is only made to whom was meant.
// It must not know what is asked. Invariants: nothing is sent before the server has proved who it is; an answer is bounded in
// time, and in size where it is taken whole; a redirection is an answer like any other and is not followed; what a failure
// says holds nothing of the path, the headers or the body.
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import type { PeerCertificate } from 'node:tls';
import type { Clock } from './clock.ts';
import { isLoopback } from './host-port.ts';

/** Who may answer: only asked over TLS. */
export type Peer =
  /** Whoever it is: only for what is public, or is proved by itself. */
  | 'anybody'
  | {
      /** PEM that its certificate is to chain to; the machine's own authorities where absent. */
      readonly ca?: string | undefined;
      /** What is wrong with its names, where it is not the host of the URL that has to stand among them. */
      readonly nameFault?: (host: string, shown: PeerCertificate) => Error | undefined;
    };

export interface BoundedRequest {
  readonly url: string;
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  readonly peer: Peer;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | undefined;
  /** PEM of what the client shows. */
  readonly certificate?: { readonly chain: string; readonly key: string } | undefined;
  /** Default 1.3. */
  readonly minVersion?: 'TLSv1.2' | 'TLSv1.3';
  /** Default 30 s. */
  readonly deadlineMs?: number;
  readonly signal?: AbortSignal;
}

export interface BoundedAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

export interface OpenAnswer {
  readonly status: number;
  /** As it comes. Rejects with RequestFailure where it is cut off. */
  readonly body: AsyncIterable<Uint8Array>;
}

/** Why there is no answer; the message is for people. */
export class RequestFailure extends Error {
  /** `unproved`: the server is not who was meant, and nothing was sent. `plaintext`: whoever is there speaks no TLS. */
  readonly why: 'unproved' | 'plaintext' | 'no-answer';
  /** Of Node or OpenSSL. */
  readonly code: string | undefined;

  constructor(why: RequestFailure['why'], message: string, code?: string) {
    super(message);
    this.name = 'RequestFailure';
    this.why = why;
    this.code = code;
  }
}

const usualDeadlineMs = 30_000;
const usualMaxBytes = 1 << 20;

/** The answer whole: within `deadlineMs`, of at most `maxBytes` (1 MiB). Rejects with RequestFailure. */
export async function boundedRequest(
  clock: Clock,
  request: BoundedRequest & { readonly maxBytes?: number },
): Promise<BoundedAnswer> {
  const { deadlineMs = usualDeadlineMs, maxBytes = usualMaxBytes } = request;
  const over = endOf(request);
  const timer = clock.after(deadlineMs, () => over.late(deadlineMs));
  try {
    const response = await send(request, over.signal);
    const chunks: Uint8Array[] = [];
    let size = 0;
    for await (const chunk of response as AsyncIterable<Uint8Array>) {
      size += chunk.length;
      if (size > maxBytes) throw new RequestFailure('no-answer', `the answer has more than ${maxBytes} bytes`);
      chunks.push(chunk);
    }
    const { statusCode = 0, headers } = response;
    return { status: statusCode, headers, body: Buffer.concat(chunks).toString() };
  } catch (error) {
    throw failure(error, over.signal);
  } finally {
    timer.cancel();
  }
}

/** For answers that are long or never end: `deadlineMs` holds for its begin, and for each silence in it. Rejects with RequestFailure. */
export async function openRequest(clock: Clock, request: BoundedRequest): Promise<OpenAnswer> {
  const { deadlineMs = usualDeadlineMs } = request;
  const over = endOf(request);
  const wait = () => clock.after(deadlineMs, () => over.late(deadlineMs));

  async function* bodyOf(response: IncomingMessage): AsyncIterable<Uint8Array> {
    let timer = wait();
    try {
      for await (const chunk of response as AsyncIterable<Uint8Array>) {
        // However long the reader takes for it.
        timer.cancel();
        yield chunk;
        timer = wait();
      }
    } catch (error) {
      throw failure(error, over.signal);
    } finally {
      timer.cancel();
    }
  }

  const timer = wait();
  try {
    const response = await send(request, over.signal);
    return { status: response.statusCode ?? 0, body: bodyOf(response) };
  } catch (error) {
    throw failure(error, over.signal);
  } finally {
    timer.cancel();
  }
}

/** When a request is over, whoever says so. */
function endOf({ signal }: BoundedRequest) {
  const deadline = new AbortController();
  return {
    signal: signal === undefined ? deadline.signal : AbortSignal.any([deadline.signal, signal]),
    late: (ms: number) => deadline.abort(new RequestFailure('no-answer', `no answer within ${ms / 1000} s`)),
  };
}

function send(request: BoundedRequest, signal: AbortSignal): Promise<IncomingMessage> {
  const { method, peer, body, certificate, minVersion = 'TLSv1.3' } = request;
  const length = body === undefined ? {} : { 'content-length': Buffer.byteLength(body) };
  const options = { method, headers: { ...request.headers, ...length }, agent: false, signal };
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  const url = new URL(request.url);
  if (url.protocol === 'http:' && !isLoopback(url.hostname))
    return Promise.reject(new RequestFailure('unproved', `${url.host} would be asked without TLS`));
  // Not imported: by name they would be loaded with this file, and Node's WebSocket client with them, which costs 3 MB.
  const asked =
    url.protocol === 'http:'
      ? process.getBuiltinModule('node:http').request(url, options)
      : process.getBuiltinModule('node:https').request(url, {
          ...options,
          minVersion,
          ...(certificate === undefined ? {} : { cert: certificate.chain, key: certificate.key }),
          ...(peer === 'anybody' ? { rejectUnauthorized: false } : trustOf(peer)),
        });
  asked.on('response', resolve);
  asked.on('error', reject);
  asked.end(body);
  return promise;
}

function trustOf({ ca, nameFault }: Exclude<Peer, 'anybody'>) {
  const checkServerIdentity = (host: string, shown: PeerCertificate): Error | undefined => {
    const fault = nameFault?.(host, shown);
    return fault && new RequestFailure('unproved', fault.message);
  };
  return { ...(ca === undefined ? {} : { ca }), ...(nameFault === undefined ? {} : { checkServerIdentity }) };
}

/** Of a failed handshake: the server showed no certificate that is to be believed. */
export function isUnproved(code: unknown): boolean {
  return typeof code === 'string' && /CERT|ALTNAME|SELF_SIGNED|UNABLE_TO_(GET|VERIFY)|^ERR_TLS_/.test(code);
}

function failure(error: unknown, signal: AbortSignal): RequestFailure {
  const cause: unknown = signal.aborted ? signal.reason : error;
  if (cause instanceof RequestFailure) return cause;
  const { code, message } = cause as { readonly code?: unknown; readonly message?: unknown };
  const known = typeof code === 'string' ? code : undefined;
  const why = isUnproved(code) ? 'unproved' : code === 'EPROTO' ? 'plaintext' : 'no-answer';
  // Of a host with several addresses Node gives the code alone.
  return new RequestFailure(why, String(message) || String(known), known);
}
