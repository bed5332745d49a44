// One request to an authority outside, and the JSON that it answers.
// It must not know what is asked. Invariants: nothing is asked while the authority asked for silence; a message never holds what
// was sent.
import { type BoundedAnswer, boundedRequest, RequestFailure } from '../util/bounded-request.ts';
import type { Clock } from '../util/clock.ts';
import { AppError } from '../util/errors.ts';
import { isLoopback } from '../util/host-port.ts';
import { certificateBlocks } from '../util/pem.ts';

export interface AuthorityRequest {
  readonly method: 'GET' | 'POST';
  readonly url: string;
  /** For messages: `signing an intermediate`. */
  readonly what: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: object;
  /** PEM that its certificate is to chain to; the machine's own authorities where absent. */
  readonly ca?: string;
  /** Whoever answers: only for what is proved by itself. */
  readonly anybody?: true;
  /** Words that must not stand in a message, whatever the authority answers. */
  readonly secrets?: readonly string[];
}

/** The JSON that was answered; rejects with CH1873, CH1874, CH1875 or CH1877. */
export type AuthorityAsk = (request: AuthorityRequest) => Promise<unknown>;

const longestSilenceMs = 600_000;
const maxWords = 300;
/** Not now: too early, too often, behind, or broken. */
const passing = new Set([408, 412, 425, 429]);

/** `name`: for messages. `wordsOf`: what a refusal says, from its JSON. */
export function createAuthorityAsk(
  { clock }: { readonly clock: Clock },
  { name, wordsOf }: { readonly name: string; readonly wordsOf: (body: unknown) => string },
): AuthorityAsk {
  /** Monotonic. */
  let silentUntilMs = Number.NEGATIVE_INFINITY;

  return async (asked) => {
    const leftMs = silentUntilMs - clock.now();
    if (leftMs > 0)
      throw new AppError('CH1873', `${name} asked not to be asked for another ${Math.ceil(leftMs / 1000)} s`, {
        retryable: true,
      });
    const answer = await send(clock, name, asked);
    const { status } = answer;
    const body = parsed(answer.body);
    if (status >= 200 && status < 300 && body !== undefined) return body;
    if (status >= 200 && status < 300)
      throw new AppError('CH1875', `${name} answered no JSON to ${asked.what}`, { retryable: true });
    const words = spoken(wordsOf(body), asked.secrets ?? []);
    const text = `${name} answered ${status} to ${asked.what}${words === '' ? '' : `: ${words}`}`;
    if (status < 500 && !passing.has(status)) throw new AppError('CH1874', text);
    const waitMs = retryAfterMs(answer.headers['retry-after'], clock.wall());
    silentUntilMs = clock.now() + waitMs;
    throw new AppError('CH1873', waitMs > 0 ? `${text}; asked again in ${Math.ceil(waitMs / 1000)} s` : text, {
      retryable: true,
    });
  };
}

async function send(clock: Clock, name: string, asked: AuthorityRequest): Promise<BoundedAnswer> {
  const { method, url, what, ca, anybody } = asked;
  const body = asked.body === undefined ? undefined : JSON.stringify(asked.body);
  const type = body === undefined ? {} : { 'content-type': 'application/json' };
  try {
    return await boundedRequest(clock, {
      ...{ method, url, body, headers: { accept: 'application/json', ...type, ...asked.headers } },
      peer: anybody === true ? 'anybody' : { ca },
      // Load balancers before it may know no other.
      minVersion: 'TLSv1.2',
    });
  } catch (cause) {
    if (cause instanceof RequestFailure && cause.why === 'unproved')
      throw new AppError('CH1877', `${name} did not prove who it is`, { cause });
    throw new AppError('CH1873', `no answer from ${name} to ${what}`, { cause, retryable: true });
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** RFC 9110 10.2.3: seconds or a date. */
function retryAfterMs(text: string | undefined, wallMs: number): number {
  if (text === undefined) return 0;
  const ms = /^\d{1,9}$/.test(text) ? Number(text) * 1000 : Date.parse(text) - wallMs;
  return Number.isFinite(ms) ? Math.min(Math.max(ms, 0), longestSilenceMs) : 0;
}

function spoken(words: string, secrets: readonly string[]): string {
  let text = words;
  for (const secret of secrets) if (secret !== '') text = text.replaceAll(secret, '...');
  return text
    .replaceAll(/[^\x20-\x7e]+/g, ' ')
    .trim()
    .slice(0, maxWords);
}

/** Throws CH1857 for what would travel in plaintext; the URL without a slash at its end. */
export function authorityUrl(url: string): string {
  const { protocol, hostname } = new URL(url);
  if (protocol !== 'https:' && !isLoopback(hostname))
    throw new AppError('CH1857', `the authority at ${url} would be asked without TLS`);
  return url.replace(/\/+$/, '');
}

/** Certificates in PEM, as DER, in their order. Throws CH1875. */
export function pemCertificates(name: string, text: unknown): readonly Uint8Array[] {
  const blocks = typeof text === 'string' ? certificateBlocks(text) : [];
  if (blocks.length === 0) throw new AppError('CH1875', `${name} gave no certificate in PEM`, { retryable: true });
  return blocks.map((block) => Buffer.from(block.replaceAll(/-----[A-Z ]+-----|\s/g, ''), 'base64'));
}

/** The member at this path, if it is a text. */
export function textAt(body: unknown, ...path: readonly string[]): string | undefined {
  const found = memberAt(body, path);
  return typeof found === 'string' ? found : undefined;
}

/** The member at this path, if it is a list of texts. */
export function textsAt(body: unknown, ...path: readonly string[]): readonly string[] | undefined {
  const found = memberAt(body, path);
  return Array.isArray(found) && found.every((one) => typeof one === 'string') ? found : undefined;
}

function memberAt(body: unknown, path: readonly string[]): unknown {
  let at = body;
  for (const name of path)
    at =
      typeof at === 'object' && at !== null && Object.hasOwn(at, name)
        ? (at as Record<string, unknown>)[name]
        : undefined;
  return at;
}
