// One HTTPS request to a server that is told by what was pinned: authorities, and the name in its certificate.
// It must not know what is asked. Invariant: nothing is sent before the server has proved that it is the one that was meant;
// where nothing is pinned (`nobody`), nothing secret may be asked, and the caller says so.
import type { PeerCertificate } from 'node:tls';
import { checkServerIdentity } from 'node:tls';
import { readSpiffeId } from '../model/spiffe.ts';
import { AppError } from '../util/errors.ts';

const https = process.getBuiltinModule('node:https');

export type Expected =
  /** Any server: only for what is public. */
  | { readonly who: 'nobody' }
  /** A control plane of one of these authorities, whatever it is called. */
  | { readonly who: 'control-plane'; readonly ca: string }
  /** A server of one of these authorities with exactly this name: host, IP address or `spiffe://` URI. */
  | { readonly who: 'named'; readonly ca: string; readonly name: string }
  /** A control plane of one of these authorities; or, where they name no workloads, a server with the host of the URL as its name. */
  | { readonly who: 'server'; readonly ca: string };

export interface SecureRequest {
  readonly url: string;
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  readonly expected: Expected;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  /** PEM of what the client shows. */
  readonly certificate?: { readonly chain: string; readonly key: string };
  readonly signal: AbortSignal;
}

export interface SecureAnswer {
  readonly status: number;
  readonly body: string;
}

export type SecureFetch = (request: SecureRequest) => Promise<SecureAnswer>;

export interface OpenAnswer {
  readonly status: number;
  /** As it comes. Rejects with CH1606 where it is cut off. */
  readonly body: AsyncIterable<Uint8Array>;
}

/** The same, for answers that are long or never end. */
export type SecureOpen = (request: SecureRequest) => Promise<OpenAnswer>;

/** For an answer to come. */
const timeoutMs = 30_000;
const maxBody = 1 << 20;

/** Rejects with CH1852 where the server is not who is expected, with CH1606 where there is none. */
export const secureOpen: SecureOpen = (request) => {
  const { url, method, expected, headers = {}, body, certificate, signal } = request;
  return new Promise<OpenAnswer>((resolve, reject) => {
    const asked = https.request(
      url,
      {
        method,
        headers: { ...headers, ...(body === undefined ? {} : { 'content-length': Buffer.byteLength(body) }) },
        agent: false,
        minVersion: 'TLSv1.3',
        timeout: timeoutMs,
        signal,
        ...(certificate === undefined ? {} : { cert: certificate.chain, key: certificate.key }),
        ...(expected.who === 'nobody'
          ? { rejectUnauthorized: false }
          : { ca: expected.ca, checkServerIdentity: (host, shown) => nameFault(expected, host, shown) }),
      },
      (response) => resolve({ status: response.statusCode ?? 0, body: bodyOf(url, response) }),
    );
    asked.on('timeout', () => asked.destroy(new Error(`no answer within ${timeoutMs / 1000} s`)));
    asked.on('error', (cause) => reject(failure(url, cause)));
    asked.end(body);
  });
};

async function* bodyOf(url: string, response: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
  try {
    yield* response;
  } catch (cause) {
    throw failure(url, cause);
  }
}

/** Rejects as `secureOpen` does, and where the answer is larger than any that is meant. */
export const secureFetch: SecureFetch = async (request) => {
  const { status, body } = await secureOpen(request);
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of body) {
    size += chunk.length;
    if (size > maxBody) throw failure(request.url, new Error('the answer is too large'));
    chunks.push(chunk);
  }
  return { status, body: Buffer.concat(chunks).toString() };
};

function nameFault(
  expected: Exclude<Expected, { who: 'nobody' }>,
  host: string,
  shown: PeerCertificate,
): Error | undefined {
  if (expected.who === 'named' && !expected.name.startsWith('spiffe://'))
    return checkServerIdentity(expected.name, shown);
  const names = shown.subjectaltname ?? '';
  // What is quoted could hide a name in a name.
  const uris = names.includes('"') ? [] : names.split(', ').filter((name) => name.startsWith('URI:'));
  const [uri = '', ...more] = uris.map((name) => name.slice('URI:'.length));
  // A certificate with a name of the mesh says who it is by that alone, whatever hosts stand beside it.
  if (expected.who === 'server' && !names.includes('"') && uris.every((one) => !one.startsWith('URI:spiffe:')))
    return checkServerIdentity(host, shown);
  const fits = expected.who === 'named' ? uri === expected.name : readSpiffeId(uri)?.kind === 'control-plane';
  if (more.length === 0 && fits) return undefined;
  return new NameFault(
    `${host} is not the control plane: its certificate is for ${uri === '' ? 'somebody else' : uri}`,
  );
}

class NameFault extends Error {}

function failure(url: string, cause: unknown): AppError {
  const code = (cause as { code?: unknown }).code;
  const unproved =
    cause instanceof NameFault ||
    (typeof code === 'string' && /CERT|ALTNAME|SELF_SIGNED|UNABLE_TO_(GET|VERIFY)|^ERR_TLS_/.test(code));
  const { origin } = new URL(url);
  const clock = code === 'CERT_NOT_YET_VALID' || code === 'CERT_HAS_EXPIRED';
  if (unproved)
    return new AppError('CH1852', `${origin} did not prove that it is the control plane`, {
      cause,
      ...(clock ? { hint: 'Check the clocks of this machine and of the control plane; nothing was sent to it.' } : {}),
    });
  const hint =
    'Check that `chancery serve` runs, and that --xds or --server names its xDS port, not the one of its API.';
  if (code === 'EPROTO') return new AppError('CH1606', `${origin} does not speak TLS`, { hint });
  return new AppError('CH1606', `no answer from ${origin}`, { cause, retryable: true, hint });
}
