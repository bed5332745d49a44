// When a failed request is sent again. It must not know matches or clusters.
// The safe default repeats only what cannot have been handled: connections that never opened, streams the other side
// refused, resets before any byte of the request left. A GET, HEAD or OPTIONS may also be repeated after a later reset:
// an instance that closes a kept-alive connection just as a request arrives costs nothing then.
import type { RetryPolicyJson } from '../gen/envoy/config/route/v3/route_components_pb.js';
import type { Retry } from '../model/route.ts';
import { duration } from './durations.ts';

const unsent = ['connect-failure', 'refused-stream', 'reset-before-request'];

/**
 * What a sidecar adds to its own 503 when its application could not be reached at all: nothing was handled, so the caller
 * may try another instance whatever the method. Without it a crashed application behind a living sidecar looks like an
 * answer, which no retry on connection failures ever sees.
 */
export const unsentHeader = 'x-chancery-not-sent';
const previousHosts = 'envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate';

/**
 * Instances that are replaced all at once may be gone before the proxies hear of it, and one retry of a few then meets a
 * dead one again. With two, and no host tried twice, of two dead and two alive one that lives is found.
 */
const defaultRetries = 2;

/** Another host than those tried, as long as three draws find one. */
const elsewhere: RetryPolicyJson = {
  retryHostPredicate: [
    {
      name: 'envoy.retry_host_predicates.previous_hosts',
      typedConfig: { '@type': `type.googleapis.com/${previousHosts}` },
    },
  ],
  hostSelectionRetryMaxAttempts: '3',
};

export function defaultRetry(idempotent: boolean): RetryPolicyJson {
  return {
    retryOn: [...unsent, ...(idempotent ? ['reset'] : []), 'retriable-headers'].join(','),
    retriableHeaders: [{ name: unsentHeader, presentMatch: true }],
    numRetries: defaultRetries,
    ...elsewhere,
  };
}

/** Towards the one local application there is no other host, but a kept-alive connection may close all the same. */
export function localRetry(idempotent: boolean): RetryPolicyJson {
  return { retryOn: [...unsent, ...(idempotent ? ['reset'] : [])].join(','), numRetries: 1 };
}

/** The user's own; undefined: no retries at all, wanted so. */
export function userRetry(retry: Retry): RetryPolicyJson | undefined {
  if (retry.attempts === 0) return undefined;
  const on = [...new Set([...retry.on, ...(retry.statusCodes.length > 0 ? ['retriable-status-codes'] : [])])];
  return {
    retryOn: on.join(','),
    numRetries: retry.attempts,
    ...(retry.perTryTimeoutMs === undefined ? {} : { perTryTimeout: duration(retry.perTryTimeoutMs) }),
    ...(retry.statusCodes.length === 0 ? {} : { retriableStatusCodes: [...retry.statusCodes] }),
    ...elsewhere,
  };
}
