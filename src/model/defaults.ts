// What holds where a user says nothing: the safe defaults, and a Service's policies resolved over those of the Mesh.
// Source of the fields: Envoy's OutlierDetection, CircuitBreakers and CommonLbConfig documentation.
// Invariant: nothing here depends on instances.
import { defined } from './defined.ts';
import type { MeshSpec } from './kinds/mesh.ts';
import type { ServiceSpec } from './kinds/service.ts';
import type { HashOn, Service } from './service.ts';

export const defaultDomain = 'service.local';

/**
 * Ejection sweeps every second, so that an ejected instance comes back soon after it is well; the first ejection lasts
 * 5 s (it grows with every repetition): long enough to cover a restart, short enough that a mistaken one costs little.
 */
export const defaultOutlier = {
  consecutiveLocalOriginFailures: 2,
  consecutiveGatewayFailures: 3,
  consecutive5xx: 0,
  intervalMs: 1000,
  baseEjectionTimeMs: 5000,
  maxEjectionPercent: 50,
} as const;

const defaultActive = { intervalMs: 5000, timeoutMs: 1000, healthyThreshold: 1, unhealthyThreshold: 3 } as const;
const defaultConnectTimeoutMs = 1000;
const defaultPanicPercent = 1;
/** Of one Envoy to one cluster: what a dead instance leaves to be sent again until it is taken out, hundredths of a second. */
const defaultRetryBudget = { percent: 20, minimum: 100 } as const;

export type MeshDefaults = NonNullable<MeshSpec['defaults']>;

type Policies = Pick<
  Service,
  | 'loadBalancer'
  | 'connectTimeoutMs'
  | 'requestTimeoutMs'
  | 'idleTimeoutMs'
  | 'active'
  | 'outlier'
  | 'panicPercent'
  | 'limits'
>;

/** Field by field: the service's own value, else the mesh's, else the safe default. */
export function resolvePolicies(own: ServiceSpec, mesh: MeshDefaults): Policies {
  return {
    loadBalancer: {
      policy: own.loadBalancer?.policy ?? mesh.loadBalancer?.policy ?? 'round-robin',
      hashOn: (own.loadBalancer?.hashOn ?? mesh.loadBalancer?.hashOn ?? []).map(compileHashOn),
    },
    connectTimeoutMs: own.timeouts?.connect ?? mesh.timeouts?.connect ?? defaultConnectTimeoutMs,
    panicPercent: own.health?.panic ?? mesh.health?.panic ?? defaultPanicPercent,
    limits: resolveLimits(own, mesh),
    ...defined({
      requestTimeoutMs: own.timeouts?.request ?? mesh.timeouts?.request,
      idleTimeoutMs: own.timeouts?.idle ?? mesh.timeouts?.idle,
      active: resolveActive(own, mesh),
      outlier: resolveOutlier(own, mesh),
    }),
  };
}

function resolveLimits(own: ServiceSpec, mesh: MeshDefaults): Service['limits'] {
  const { retryBudget: ownBudget, ...ownCaps } = own.limits ?? {};
  const { retryBudget: meshBudget, ...meshCaps } = mesh.limits ?? {};
  return {
    ...defined({ ...defined(meshCaps), ...defined(ownCaps) }),
    retryBudgetPercent: ownBudget?.percent ?? meshBudget?.percent ?? defaultRetryBudget.percent,
    retryBudgetMinimum: ownBudget?.minimum ?? meshBudget?.minimum ?? defaultRetryBudget.minimum,
  };
}

function resolveActive(own: ServiceSpec, mesh: MeshDefaults): Service['active'] {
  const active = own.health?.active ?? mesh.health?.active;
  if (active === undefined) return undefined;
  return {
    path: active.path,
    intervalMs: active.interval ?? defaultActive.intervalMs,
    timeoutMs: active.timeout ?? defaultActive.timeoutMs,
    healthyThreshold: active.healthyThreshold ?? defaultActive.healthyThreshold,
    unhealthyThreshold: active.unhealthyThreshold ?? defaultActive.unhealthyThreshold,
  };
}

type Outlier = Exclude<NonNullable<ServiceSpec['health']>['outlier'], undefined>;

function resolveOutlier(own: ServiceSpec, mesh: MeshDefaults): Service['outlier'] {
  const mine: Outlier | undefined = own.health?.outlier;
  const theirs: Outlier | undefined = mesh.health?.outlier;
  if (mine === false || (mine === undefined && theirs === false)) return undefined;
  const { interval, baseEjectionTime, ...counts }: Exclude<Outlier, false> = {
    ...(theirs === undefined || theirs === false ? {} : defined(theirs)),
    ...(mine === undefined ? {} : defined(mine)),
  };
  return {
    ...defaultOutlier,
    ...defined(counts),
    ...defined({ intervalMs: interval, baseEjectionTimeMs: baseEjectionTime }),
  };
}

type HashOnSpec = NonNullable<NonNullable<ServiceSpec['loadBalancer']>['hashOn']>[number];

export function compileHashOn(spec: HashOnSpec): HashOn {
  if (spec.header !== undefined) return { header: spec.header };
  if (spec.query !== undefined) return { query: spec.query };
  if (spec.cookie !== undefined) return { cookie: spec.cookie, ...defined({ ttlMs: spec.ttl, path: spec.path }) };
  return { sourceIp: true };
}
