// One answer of Consul's HTTP API with the headers that say how far it can be trusted, and what a failed request means.
// Pure. It must not know services or keys. Sources: Consul docs "Blocking queries", "Consistency modes", "ACL filtering".
import type { IncomingHttpHeaders } from 'node:http';
import { AppError } from '../errors.ts';

export interface Answer {
  /** 200, or 404 where the caller said that absence is an answer. */
  readonly status: number;
  /** X-Consul-Index; undefined when absent or not a whole number. */
  readonly index: number | undefined;
  readonly body: unknown;
  /** Rows were left out because the token lacks rights (X-Consul-Results-Filtered-By-ACLs). */
  readonly filtered: boolean;
  /** The server that answered knows no leader: the answer may be of any age. */
  readonly leaderless: boolean;
}

export function readAnswer(status: number, headers: IncomingHttpHeaders, body: unknown): Answer {
  const indexText = headers['x-consul-index'];
  const index = typeof indexText === 'string' && /^\d+$/.test(indexText) ? Number(indexText) : undefined;
  // Answers of the streaming backend always say KnownLeader false (seen on 1.22): there it means nothing.
  const streaming = headers['x-consul-query-backend'] === 'streaming';
  return {
    status,
    index,
    body,
    filtered: headers['x-consul-results-filtered-by-acls'] === 'true',
    leaderless: !streaming && headers['x-consul-knownleader'] === 'false',
  };
}

/** What an answer with a status outside 200 means, as an error whose text is for people. */
export function statusFailure(what: string, status: number, body: unknown): AppError {
  const text = (Buffer.isBuffer(body) ? body.toString('utf8') : typeof body === 'string' ? body : '').trim();
  const said = text === '' ? '' : `: ${text.slice(0, 200)}`;
  if (status === 401 || status === 403) return new AppError('CH1310', `${what}: refused with ${status}${said}`);
  // The agent writes this text, and then closes, for a connection above limits.http_max_conns_per_client.
  if (status === 429 && /concurrent connections/i.test(text)) {
    return new AppError('CH1311', `${what}: ${status}${said}`, { retryable: true });
  }
  return new AppError('CH1312', `${what}: ${status}${said}`, { retryable: true });
}

/** An answer that came but makes no sense. */
export function unreadable(what: string, why: string): AppError {
  return new AppError('CH1313', `${what}: ${why}`, { retryable: true });
}

/** What the key of a blocking query does next (docs, "Implementation details"). */
export interface IndexStep {
  /** For the next request; undefined: ask without one. */
  readonly next: number | undefined;
  /** The registry went back in time: a snapshot was restored, the agent restarted empty, or followers disagree. */
  readonly backwards: boolean;
}

/** Index rules: backwards resets; never below 1 (0 would never block); without a header 1 is always safe. */
export function stepIndex(sent: number | undefined, got: number | undefined): IndexStep {
  if (sent !== undefined && got !== undefined && got < sent) return { next: undefined, backwards: sent > 1 };
  return { next: got === undefined || got < 1 ? 1 : got, backwards: false };
}
