// The clusters of all services, shared by every view of one kind of client. It must not know views.
// Invariant: every cluster that a Route names is there, if need be an empty one, so that no route ever names nothing.
import type { ClusterJson } from '../gen/envoy/config/cluster/v3/cluster_pb.js';
import { createProblem, type Problem } from '../model/problem.ts';
import type { Service, Subset } from '../model/service.ts';
import type { World } from '../model/world.ts';
import type { Encoded, Encoder } from '../resources/encode.ts';
import type { Resource } from '../resources/resource.ts';
import { typeUrls } from '../resources/type-urls.ts';
import { clusterName } from './cluster-names.ts';
import { type ClusterSource, clusterJson, emptyClusterJson } from './clusters.ts';
import type { EndpointTable } from './endpoint-table.ts';
import { createKeyedMemo, type Ran, sameItems } from './memo.ts';
import { reachOf, secretRefs } from './mutual-tls.ts';
import { provenanceOf } from './origin.ts';

export interface ClusterTable {
  readonly resources: ReadonlyMap<string, Resource>;
  readonly problems: readonly Problem[];
}

/** How one kind of client reads clusters. */
export interface ClusterShape {
  /** In the counters. */
  readonly stage: string;
  /** Its clients show a certificate and ask for one; else they are given no `peer`. */
  readonly mutualTls: boolean;
  cluster(service: Service, subset: Subset | undefined, source: ClusterSource): ClusterJson;
  /** A cluster that nothing answers in. */
  empty(name: string): ClusterJson;
  /** Empty clusters that are always there. */
  readonly always: readonly string[];
}

export const envoyClusters: ClusterShape = {
  stage: 'clusters',
  mutualTls: true,
  cluster: clusterJson,
  empty: emptyClusterJson,
  always: [],
};

/** An empty cluster of that name; nothing can be wrong with it. */
export function emptyCluster(
  encoder: Encoder,
  name: string,
  { empty }: Pick<ClusterShape, 'empty'> = envoyClusters,
): Encoded<Resource> {
  return encoder.resource({ type: typeUrls.cluster, name }, empty(name), { deps: [], provenance: [] });
}

/** Clusters that Routes lead to and no service has. */
function unknownNames(world: World, known: (name: string) => boolean): ReadonlySet<string> {
  const names = new Set<string>();
  for (const { rules } of world.routes)
    for (const { action } of rules)
      if (action.kind === 'forward')
        for (const { service, subset } of action.to) {
          const name = clusterName(service, subset);
          if (!known(name)) names.add(name);
        }
  return names;
}

export function createClusterTable(
  encoder: Encoder,
  ran: Ran,
  shape: ClusterShape = envoyClusters,
): (world: World, endpoints: EndpointTable) => ClusterTable {
  const clusters = createKeyedMemo<readonly Encoded<Resource>[]>(ran, shape.stage);
  const empties = createKeyedMemo<Encoded<Resource>>(ran, `empty ${shape.stage}`);
  let last: { inputs: readonly unknown[]; made: readonly Encoded<Resource>[]; table: ClusterTable } | undefined;

  function ofService(world: World, service: Service, byDns: EndpointTable['byDns']): readonly Encoded<Resource>[] {
    const instances = byDns.get(service.id);
    const reach = reachOf(service, world.mesh);
    // Between strict and permissive only endpoints differ, and those are in the cluster by name only.
    const mode = instances === undefined ? reach.mtls === 'off' : reach.mtls;
    const peer = shape.mutualTls && reach.mtls !== 'off' ? reach.peer : undefined;
    return clusters.get(service.id, [service, instances, mode, peer], () => {
      const all = [undefined, ...service.subsets];
      if (shape.mutualTls && reach.mtls !== 'off' && peer === undefined)
        return nameless(
          service,
          all.map((subset) => clusterName(service.id, subset?.name)),
        );
      const source: ClusterSource = {
        byDns: instances !== undefined,
        instances: instances ?? [],
        mtls: reach.mtls,
        ...(peer === undefined ? {} : { peer }),
      };
      return all.map((subset) => {
        const name = clusterName(service.id, subset?.name);
        const json = shape.cluster(service, subset, source);
        const deps = [
          ...(instances === undefined ? [{ type: typeUrls.endpoints, name }] : []),
          ...(peer === undefined ? [] : secretRefs),
        ];
        return encoder.resource({ type: typeUrls.cluster, name }, json, { deps, provenance: service.provenance });
      });
    });
  }

  /** Threat T6: without a name to ask the callee for there is no cluster in mutual TLS, and none in plaintext instead. */
  function nameless(service: Service, names: readonly string[]): readonly Encoded<Resource>[] {
    const problem = createProblem('CH1237', provenanceOf(service), `"${service.id}" cannot stand in a certificate`);
    return [{ ok: false, problem }, ...names.map((name) => emptyCluster(encoder, name, shape))];
  }

  return (world, endpoints) => {
    const { mtls, certificates, trustDomain } = world.mesh;
    const inputs = [world.services, world.routes, endpoints.byDns, mtls, certificates, trustDomain];
    if (last !== undefined && sameItems(last.inputs, inputs)) return last.table;
    clusters.sweep();
    empties.sweep();
    const made = [...world.services.values()].flatMap((service) => ofService(world, service, endpoints.byDns));
    const resources = new Map<string, Resource>();
    for (const item of made) if (item.ok) resources.set(item.value.name, item.value);
    for (const name of [...shape.always, ...unknownNames(world, (known) => resources.has(known))]) {
      const item = empties.get(name, [], () => emptyCluster(encoder, name, shape));
      made.push(item);
      if (item.ok) resources.set(name, item.value);
    }
    const same = last !== undefined && sameItems(last.made, made);
    const table: ClusterTable =
      same && last !== undefined
        ? last.table
        : { resources, problems: made.flatMap((item) => (item.ok ? [] : [item.problem])) };
    last = { inputs, made, table };
    return table;
  };
}
