// What a gRPC client does with a call that a rule matched. It must not know matches.
// Invariant: only fields that clients read; whatever else the rule asks for is named, so that it can be told.
import type { RetryPolicyJson, RouteActionJson } from '../../gen/envoy/config/route/v3/route_components_pb.js';
import type { Retry, Rule } from '../../model/route.ts';
import type { HashOn, Service } from '../../model/service.ts';
import { duration } from '../durations.ts';
import { destination, type Share } from '../route-action.ts';

/** gRPC repeats what was never sent, or refused, by itself; the rest of Envoy's words as the statuses they show as. */
const retryCodes: Readonly<Record<string, readonly string[]>> = {
  'connect-failure': [],
  'refused-stream': [],
  'reset-before-request': [],
  reset: ['unavailable'],
  'gateway-error': ['unavailable'],
  '5xx': ['unavailable'],
  cancelled: ['cancelled'],
  'deadline-exceeded': ['deadline-exceeded'],
  internal: ['internal'],
  'resource-exhausted': ['resource-exhausted'],
  unavailable: ['unavailable'],
};

/** Source: gRFC A44. Undefined: nothing beyond what a client does by itself. */
export function proxylessRetry(retry: Retry | undefined): RetryPolicyJson | undefined {
  if (retry === undefined || retry.attempts === 0) return undefined;
  const codes = new Set(retry.on.flatMap((word) => retryCodes[word] ?? []));
  return codes.size === 0 ? undefined : { retryOn: [...codes].join(','), numRetries: retry.attempts };
}

function unsaidRetry(retry: Retry | undefined): readonly string[] {
  if (retry === undefined || retry.attempts === 0) return [];
  const words = retry.on.filter((word) => retryCodes[word] === undefined && word !== 'retriable-status-codes');
  return [
    ...words.map((word) => `a retry on ${word}`),
    ...(retry.statusCodes.length === 0 ? [] : ['a retry on HTTP status codes']),
    ...(retry.perTryTimeoutMs === undefined ? [] : ['a timeout per try']),
  ];
}

/** Source: gRFC A42. A client hashes on headers, and keeps to one instance per channel where the caller is what counts. */
function hashPolicies(hashOn: readonly HashOn[]): NonNullable<RouteActionJson['hashPolicy']> {
  return hashOn.flatMap((on): NonNullable<RouteActionJson['hashPolicy']> => {
    if ('header' in on) return [{ header: { headerName: on.header.toLowerCase() }, terminal: true }];
    if ('sourceIp' in on) return [{ filterState: { key: 'io.grpc.channel_id' }, terminal: true }];
    return [];
  });
}

/** Timeout: the rule's, else the destination's own; never longer than the call's own deadline (gRFC A31). */
export function proxylessAction(
  rule: Pick<Rule, 'timeoutMs' | 'hashOn'>,
  { shares, target, retry }: { shares: readonly Share[]; target: Service | undefined; retry: Retry | undefined },
): RouteActionJson {
  const timeoutMs = rule.timeoutMs ?? target?.requestTimeoutMs ?? 0;
  const hashPolicy = hashPolicies(rule.hashOn ?? target?.loadBalancer.hashOn ?? []);
  const retryPolicy = proxylessRetry(retry);
  return {
    ...destination(shares),
    ...(timeoutMs === 0 ? {} : { maxStreamDuration: { maxStreamDuration: duration(timeoutMs) } }),
    ...(retryPolicy === undefined ? {} : { retryPolicy }),
    ...(hashPolicy.length === 0 ? {} : { hashPolicy }),
  };
}

/** What the rule asks for and a client does not do. */
export function unsaidParts(rule: Rule): readonly string[] {
  return [
    ...(rule.rewrite === undefined ? [] : ['a rewrite']),
    ...(rule.requestHeaders === undefined ? [] : ['changes of request headers']),
    ...(rule.responseHeaders === undefined ? [] : ['changes of response headers']),
    ...unsaidRetry(rule.retry),
    ...(rule.hashOn ?? []).flatMap((on) =>
      'cookie' in on ? ['a hash of a cookie'] : 'query' in on ? ['a hash of the query'] : [],
    ),
  ];
}
