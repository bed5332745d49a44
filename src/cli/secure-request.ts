// One HTTPS request to a server that is told by what was pinned: authorities, and the name in its certificate.
// It must not know what is asked. Invariant: nothing is sent before the server has proved that it is the one that was meant;
// where nothing is pinned (`nobody`), nothing secret may be asked, and the caller says so.
import type { PeerCertificate } from 'node:tls';
import { checkServerIdentity } from 'node:tls';
import { readSpiffeId } from '../model/spiffe.ts';
import {
  type BoundedAnswer,
  type BoundedRequest,
  boundedRequest,
  type OpenAnswer,
  openRequest,
  type Peer,
  RequestFailure,
} from '../util/bounded-request.ts';
import type { Clock } from '../util/clock.ts';
import { AppError } from '../util/errors.ts';

export type Expected =
  /** Any server: only for what is public. */
  | { readonly who: 'nobody' }
  /** A control plane of one of these authorities, whatever it is called. */
  | { readonly who: 'control-plane'; readonly ca: string }
  /** A server of one of these authorities with exactly this name: host, IP address or `spiffe://` URI. */
  | { readonly who: 'named'; readonly ca: string; readonly name: string }
  /** A control plane of one of these authorities; or, where they name no workloads, a server with the host of the URL as its name. */
  | { readonly who: 'server'; readonly ca: string };

export interface SecureRequest extends Omit<BoundedRequest, 'peer' | 'minVersion' | 'deadlineMs'> {
  readonly expected: Expected;
  readonly signal: AbortSignal;
}

export type SecureAnswer = Pick<BoundedAnswer, 'status' | 'body'>;

export type SecureFetch = (request: SecureRequest) => Promise<SecureAnswer>;

/** The same, for answers that are long or never end; their body rejects as this does. */
export type SecureOpen = (request: SecureRequest) => Promise<OpenAnswer>;

/** Both reject with CH1852 where the server is not who is expected, with CH1606 where there is no answer or none that is meant. */
export function createSecureRequests(clock: Clock): {
  readonly secureFetch: SecureFetch;
  readonly secureOpen: SecureOpen;
} {
  return {
    async secureFetch(request) {
      try {
        const { status, body } = await boundedRequest(clock, bounded(request));
        return { status, body };
      } catch (error) {
        throw failure(request.url, error);
      }
    },
    async secureOpen(request) {
      try {
        const { status, body } = await openRequest(clock, bounded(request));
        return { status, body: bodyOf(request.url, body) };
      } catch (error) {
        throw failure(request.url, error);
      }
    },
  };
}

async function* bodyOf(url: string, body: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
  try {
    yield* body;
  } catch (error) {
    throw failure(url, error);
  }
}

function bounded({ expected, ...request }: SecureRequest): BoundedRequest {
  return { ...request, peer: peerOf(expected) };
}

function peerOf(expected: Expected): Peer {
  if (expected.who === 'nobody') return 'anybody';
  return { ca: expected.ca, nameFault: (host, shown) => nameFault(expected, host, shown) };
}

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
  return new Error(`${host} is not the control plane: its certificate is for ${uri === '' ? 'somebody else' : uri}`);
}

function failure(url: string, cause: unknown): unknown {
  if (!(cause instanceof RequestFailure)) return cause;
  const { origin } = new URL(url);
  const clock = cause.code === 'CERT_NOT_YET_VALID' || cause.code === 'CERT_HAS_EXPIRED';
  if (cause.why === 'unproved')
    return new AppError('CH1852', `${origin} did not prove that it is the control plane`, {
      cause,
      ...(clock ? { hint: 'Check the clocks of this machine and of the control plane; nothing was sent to it.' } : {}),
    });
  const hint =
    'Check that `chancery serve` runs, and that --xds or --server names its xDS port, not the one of its API.';
  if (cause.why === 'plaintext') return new AppError('CH1606', `${origin} does not speak TLS`, { hint });
  return new AppError('CH1606', `no answer from ${origin}`, { cause, retryable: true, hint });
}
