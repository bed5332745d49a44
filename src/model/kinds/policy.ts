// Parts of a Service that a Mesh can set for all: load balancing, health, limits, timeouts, retries.
// User-facing YAML only; what is left out is resolved in ../defaults.ts. Later versions add here: slowStart and
// locality beside policy, rate beside limits.
import { z } from 'zod';
import {
  count,
  duration,
  durationOrZero,
  issue,
  list,
  matchHeaderName,
  name,
  path,
  percent,
  strict,
} from './fields.ts';

export const hashOn = strict({
  header: matchHeaderName.optional(),
  cookie: name.optional(),
  ttl: durationOrZero.optional(),
  path: path.optional(),
  query: name.optional(),
  sourceIp: z.literal(true).optional(),
}).check((context) => {
  const { header, cookie, query, sourceIp, ttl, path: cookiePath } = context.value;
  const given = [header, cookie, query, sourceIp].filter((value) => value !== undefined).length;
  if (given !== 1) issue(context, 'CH1010', 'needs exactly one of header, cookie, query, sourceIp');
  else if (cookie === undefined && (ttl !== undefined || cookiePath !== undefined))
    issue(context, 'CH1010', 'ttl and path go with cookie only');
});

export const loadBalancer = strict({
  policy: z.enum(['round-robin', 'random', 'least-request', 'ring-hash', 'maglev']).optional(),
  hashOn: list(hashOn, 16).optional(),
});

export const health = strict({
  active: strict({
    path,
    interval: duration.optional(),
    timeout: duration.optional(),
    healthyThreshold: count.optional(),
    unhealthyThreshold: count.optional(),
  }).optional(),
  /** `false` switches passive ejection off. */
  outlier: z
    .union([
      z.literal(false),
      strict({
        consecutiveLocalOriginFailures: z.int().min(1).max(1000).optional(),
        consecutiveGatewayFailures: z.int().min(1).max(1000).optional(),
        /** 0: not used. */
        consecutive5xx: z.int().min(0).max(1000).optional(),
        interval: duration.optional(),
        baseEjectionTime: duration.optional(),
        maxEjectionPercent: percent.optional(),
      }),
    ])
    .optional(),
  /** Below this share of healthy instances all are tried. */
  panic: percent.optional(),
});

export const limits = strict({
  connections: count.optional(),
  pending: count.optional(),
  requests: count.optional(),
  retries: count.optional(),
  retryBudget: strict({ percent: percent.optional(), minimum: z.int().min(0).max(1_000_000).optional() }).optional(),
});

export const timeouts = strict({
  connect: duration.optional(),
  request: durationOrZero.optional(),
  idle: durationOrZero.optional(),
});

/** Envoy's retry_on and retry_grpc_on names (router filter, x-envoy-retry-on). */
export const retryOn = z.enum([
  '5xx',
  'gateway-error',
  'reset',
  'reset-before-request',
  'connect-failure',
  'refused-stream',
  'retriable-4xx',
  'retriable-status-codes',
  'envoy-ratelimited',
  'http3-post-connect-failure',
  'cancelled',
  'deadline-exceeded',
  'internal',
  'resource-exhausted',
  'unavailable',
]);

export const retry = strict({
  attempts: z.int().min(0).max(20),
  perTry: duration.optional(),
  on: list(retryOn, 16).optional(),
  statusCodes: list(z.int().min(400).max(599), 32).optional(),
});
