// A service as gRPC clients read a cluster: the few fields they know, none that they refuse.
// It must not know routes or views. Invariant: no transport socket of Envoy's, no load balancing policy beyond round robin
// and ring hash, and no type but EDS and LOGICAL_DNS with one endpoint: a client rejects the cluster for any other.
import { isIP } from 'node:net';
import type { ClusterJson } from '../../gen/envoy/config/cluster/v3/cluster_pb.js';
import type { OutlierDetectionJson } from '../../gen/envoy/config/cluster/v3/outlier_detection_pb.js';
import { effectiveMtls } from '../../model/mtls.ts';
import { createProblem, type Problem } from '../../model/problem.ts';
import type { OutlierDetection, Service, Subset } from '../../model/service.ts';
import type { World } from '../../model/world.ts';
import { loadAssignmentJson } from '../../resources/load-assignment.ts';
import { clusterName } from '../cluster-names.ts';
import type { ClusterSource } from '../clusters.ts';
import { duration } from '../durations.ts';
import type { EndpointTable } from '../endpoint-table.ts';
import { dialled, localities } from '../endpoints.ts';
import { provenanceOf } from '../origin.ts';

/** Of Envoy's, what every gRPC client can do: equal turns, or by hash. */
const policies = {
  'round-robin': 'ROUND_ROBIN',
  random: 'ROUND_ROBIN',
  'least-request': 'ROUND_ROBIN',
  'ring-hash': 'RING_HASH',
  maglev: 'RING_HASH',
} as const;

const eds: ClusterJson = { type: 'EDS', edsClusterConfig: { edsConfig: { ads: {}, resourceApiVersion: 'V3' } } };

/**
 * gRPC counts calls that failed, not connections (gRFC A50): those it leaves alone by itself. It also counts every status
 * but OK, `NOT_FOUND` included, so an instance is ejected only where the user asked for answers to count, and only when all
 * of at least so many calls in one interval failed.
 */
function outlierDetection(outlier: OutlierDetection): OutlierDetectionJson {
  return {
    interval: duration(outlier.intervalMs),
    baseEjectionTime: duration(outlier.baseEjectionTimeMs),
    maxEjectionPercent: outlier.maxEjectionPercent,
    enforcingSuccessRate: 0,
    failurePercentageThreshold: 99,
    enforcingFailurePercentage: 100,
    failurePercentageMinimumHosts: 2,
    failurePercentageRequestVolume: outlier.consecutive5xx,
  };
}

/** The one host name a LOGICAL_DNS cluster may hold, or undefined: there is none, or there are several instances. */
function singleName(
  service: Service,
  { instances, mtls }: Pick<ClusterSource, 'instances' | 'mtls'>,
  subset: Subset | undefined,
) {
  const found = localities(service, instances, subset, mtls);
  const [first] = found;
  return found.length === 1 && first?.endpoints.length === 1 && isIP(first.endpoints[0]?.address ?? '') === 0
    ? found
    : undefined;
}

/** `byDns`: Envoy would resolve names itself. */
export function proxylessCluster(service: Service, subset: Subset | undefined, source: ClusterSource): ClusterJson {
  const name = clusterName(service.id, subset?.name);
  const named = source.byDns ? singleName(service, source, subset) : undefined;
  const { outlier } = service;
  return {
    ...(named === undefined ? eds : { type: 'LOGICAL_DNS', loadAssignment: loadAssignmentJson(name, named) }),
    name,
    lbPolicy: policies[service.loadBalancer.policy],
    ...(service.limits.requests === undefined
      ? {}
      : { circuitBreakers: { thresholds: [{ maxRequests: service.limits.requests }] } }),
    ...(outlier === undefined || outlier.consecutive5xx === 0 ? {} : { outlierDetection: outlierDetection(outlier) }),
  };
}

/** A cluster without endpoints, ever: what is sent there fails with UNAVAILABLE. */
export function emptyProxylessCluster(name: string): ClusterJson {
  return { ...eds, name };
}

/** Services whose instances cannot be said to a gRPC client: host names beside others. */
export function unnamable(world: World, { byDns }: EndpointTable): Problem[] {
  return [...byDns].flatMap(([id, instances]) => {
    const service = world.services.get(id);
    if (service === undefined) return [];
    const mtls = effectiveMtls(service, world.mesh);
    if (singleName(service, { instances, mtls }, undefined) !== undefined) return [];
    const count = instances.filter((instance) => dialled(service, instance, mtls) !== undefined).length;
    return [
      createProblem(
        'CH1404',
        provenanceOf(service),
        `service "${service.name}" has host names among its ${count} instances, and a gRPC client takes one alone: it gets none`,
        { severity: 'warning' },
      ),
    ];
  });
}

/** What takes mutual TLS only, which a gRPC client does not speak: told in one Problem. */
export function unreachable({ services, mesh }: Pick<World, 'services' | 'mesh'>): Problem[] {
  const strict = [...services.values()].filter((service) => effectiveMtls(service, mesh) === 'strict');
  const [first] = strict;
  if (first === undefined) return [];
  const shown = strict.slice(0, 3).map(({ id }) => `"${id}"`);
  const rest = strict.length > shown.length ? ` and ${strict.length - shown.length} more` : '';
  const message = `${shown.join(', ')}${rest}: mutual TLS is strict there, and a gRPC client speaks plaintext`;
  return [createProblem('CH1238', mesh.provenance ?? provenanceOf(first), message, { severity: 'warning' })];
}
