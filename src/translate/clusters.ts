// A service as Envoy clusters: one for the whole, one per subset.
// It must not know routes or views. Invariant: endpoints come by EDS over the same stream (or inline where Envoy resolves
// names), the HTTP version is explicit, and every safe default of the service is written out.

import type { CircuitBreakers_ThresholdsJson } from '../gen/envoy/config/cluster/v3/circuit_breaker_pb.js';
import type { ClusterJson } from '../gen/envoy/config/cluster/v3/cluster_pb.js';
import type { OutlierDetectionJson } from '../gen/envoy/config/cluster/v3/outlier_detection_pb.js';
import type { HealthCheckJson } from '../gen/envoy/config/core/v3/health_check_pb.js';
import type { HttpProtocolOptionsJson } from '../gen/envoy/extensions/upstreams/http/v3/http_protocol_options_pb.js';
import type { Instance } from '../model/instance.ts';
import type { Mtls } from '../model/mtls.ts';
import type { Limits, OutlierDetection, Service, Subset } from '../model/service.ts';
import { loadAssignmentJson } from '../resources/load-assignment.ts';
import { clusterName } from './cluster-names.ts';
import { duration } from './durations.ts';
import { localities } from './endpoints.ts';
import { connectionLifeMs, upstreamSockets } from './mutual-tls.ts';

const httpOptions = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';

const policies = {
  'round-robin': 'ROUND_ROBIN',
  random: 'RANDOM',
  'least-request': 'LEAST_REQUEST',
  'ring-hash': 'RING_HASH',
  maglev: 'MAGLEV',
} as const;

/**
 * Source: Envoy docs, outlier detection. Own failures to reach a host count apart from its answers, so that two refused
 * connections eject it; the statistical detectors are off: they would punish a slow canary for being one.
 */
function outlierDetection(outlier: OutlierDetection): OutlierDetectionJson {
  return {
    splitExternalLocalOriginErrors: true,
    consecutiveLocalOriginFailure: outlier.consecutiveLocalOriginFailures,
    enforcingConsecutiveLocalOriginFailure: 100,
    consecutiveGatewayFailure: outlier.consecutiveGatewayFailures,
    enforcingConsecutiveGatewayFailure: 100,
    ...(outlier.consecutive5xx > 0 ? { consecutive5xx: outlier.consecutive5xx } : { enforcingConsecutive5xx: 0 }),
    enforcingSuccessRate: 0,
    enforcingLocalOriginSuccessRate: 0,
    interval: duration(outlier.intervalMs),
    baseEjectionTime: duration(outlier.baseEjectionTimeMs),
    maxEjectionPercent: outlier.maxEjectionPercent,
    // Below ten hosts a percentage may round to none; a crashed one of two must still go.
    alwaysEjectOneHost: true,
  };
}

function thresholds(limits: Limits): CircuitBreakers_ThresholdsJson {
  return {
    ...(limits.connections === undefined ? {} : { maxConnections: limits.connections }),
    ...(limits.pending === undefined ? {} : { maxPendingRequests: limits.pending }),
    ...(limits.requests === undefined ? {} : { maxRequests: limits.requests }),
    // A fixed number of retries and a budget exclude each other: Envoy ignores max_retries beside retry_budget.
    ...(limits.retries === undefined
      ? {
          retryBudget: {
            budgetPercent: { value: limits.retryBudgetPercent },
            minRetryConcurrency: limits.retryBudgetMinimum,
          },
        }
      : { maxRetries: limits.retries }),
  };
}

function healthChecks(service: Service): HealthCheckJson[] {
  const { active } = service;
  if (active === undefined) return [];
  return [
    {
      timeout: duration(active.timeoutMs),
      interval: duration(active.intervalMs),
      healthyThreshold: active.healthyThreshold,
      unhealthyThreshold: active.unhealthyThreshold,
      ...(service.protocol === 'tcp'
        ? { tcpHealthCheck: {} }
        : {
            httpHealthCheck: {
              path: active.path,
              host: service.name,
              ...(service.protocol === 'http' ? {} : { codecClientType: 'HTTP2' as const }),
            },
          }),
    },
  ];
}

/** The HTTP version, never `auto_config`: Envoy refuses that beside the plaintext match of a mesh half in mutual TLS. */
export function protocolOptions(
  protocol: Service['protocol'],
  { idleTimeoutMs, lifeMs }: { readonly idleTimeoutMs?: number | undefined; readonly lifeMs?: number | undefined } = {},
) {
  if (protocol === 'tcp') return {};
  const options: HttpProtocolOptionsJson = {
    explicitHttpConfig: protocol === 'http' ? { httpProtocolOptions: {} } : { http2ProtocolOptions: {} },
    ...(idleTimeoutMs === undefined && lifeMs === undefined
      ? {}
      : {
          commonHttpProtocolOptions: {
            ...(idleTimeoutMs === undefined ? {} : { idleTimeout: duration(idleTimeoutMs) }),
            ...(lifeMs === undefined ? {} : { maxConnectionDuration: duration(lifeMs) }),
          },
        }),
  };
  return {
    typedExtensionProtocolOptions: {
      [httpOptions]: { '@type': `type.googleapis.com/${httpOptions}`, ...options },
    },
  };
}

/** Stats take a cluster's name up to the first dot. */
export function statName(name: string): { altStatName?: string } {
  return name.includes('.') ? { altStatName: name.replaceAll('.', '-') } : {};
}

function discovery(source: { byDns: boolean; endpoints: () => object }): ClusterJson {
  if (!source.byDns) return { type: 'EDS', edsClusterConfig: { edsConfig: { ads: {}, resourceApiVersion: 'V3' } } };
  return {
    type: 'STRICT_DNS',
    // A name that resolves to nothing keeps its last addresses; what the registry removes goes with the cluster.
    respectDnsTtl: true,
    dnsLookupFamily: 'V4_PREFERRED',
    loadAssignment: source.endpoints() as NonNullable<ClusterJson['loadAssignment']>,
  };
}

export interface ClusterSource {
  /** The instances are written into the cluster, as Envoy resolves their names; `instances` are looked at only then. */
  readonly byDns: boolean;
  readonly instances: readonly Instance[];
  /** What holds for the service. */
  readonly mtls: Mtls;
  /** SPIFFE id of the sidecars before the instances; absent: plaintext. */
  readonly peer?: string;
}

export function clusterJson(service: Service, subset: Subset | undefined, source: ClusterSource): ClusterJson {
  const name = clusterName(service.id, subset?.name);
  const checks = healthChecks(service);
  return {
    ...discovery({
      byDns: source.byDns,
      endpoints: () => loadAssignmentJson(name, localities(service, source.instances, subset, source.mtls)),
    }),
    name,
    ...statName(name),
    connectTimeout: duration(service.connectTimeoutMs),
    lbPolicy: policies[service.loadBalancer.policy],
    commonLbConfig: { healthyPanicThreshold: { value: service.panicPercent } },
    circuitBreakers: { thresholds: [thresholds(service.limits)] },
    ...(service.outlier === undefined ? {} : { outlierDetection: outlierDetection(service.outlier) }),
    // Without it Envoy keeps a host that left the registry for as long as its own check still passes.
    ...(checks.length === 0 ? {} : { healthChecks: checks, ignoreHealthOnHostRemoval: true }),
    ...protocolOptions(service.protocol, {
      idleTimeoutMs: service.idleTimeoutMs,
      lifeMs: source.peer === undefined ? undefined : connectionLifeMs.caller,
    }),
    ...(source.peer === undefined ? {} : upstreamSockets(service, source.peer)),
  };
}

/** For a name that a route uses and nobody knows: it answers 503, and the route keeps its place. */
export function emptyClusterJson(name: string): ClusterJson {
  return { name, ...statName(name), type: 'STATIC', connectTimeout: '1s', loadAssignment: { clusterName: name } };
}
