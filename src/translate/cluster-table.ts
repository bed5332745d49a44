// The clusters of all services, shared by every view of one kind of client. It must not know views.
// Invariant: every cluster that a Route names is there, if need be an empty one, so that no route ever names nothing.
import type { ClusterJson } from '../gen/envoy/config/cluster/v3/cluster_pb.js';
import type { Instance } from '../model/instance.ts';
import type { Problem } from '../model/problem.ts';
import type { Service, Subset } from '../model/service.ts';
import type { World } from '../model/world.ts';
import type { Encoded, Encoder } from '../resources/encode.ts';
import type { Resource } from '../resources/resource.ts';
import { typeUrls } from '../resources/type-urls.ts';
import { clusterName } from './cluster-names.ts';
import { clusterJson, emptyClusterJson } from './clusters.ts';
import type { EndpointTable } from './endpoint-table.ts';
import { createKeyedMemo, type Ran, sameItems } from './memo.ts';

export interface ClusterTable {
  readonly resources: ReadonlyMap<string, Resource>;
  readonly problems: readonly Problem[];
}

/** How one kind of client reads clusters. */
export interface ClusterShape {
  /** In the counters. */
  readonly stage: string;
  /** `byDns`: the instances have host names, so they are part of the cluster. */
  cluster(
    service: Service,
    subset: Subset | undefined,
    source: { readonly byDns: boolean; readonly instances: readonly Instance[] },
  ): ClusterJson;
  /** A cluster that nothing answers in. */
  empty(name: string): ClusterJson;
  /** Empty clusters that are always there. */
  readonly always: readonly string[];
}

export const envoyClusters: ClusterShape = {
  stage: 'clusters',
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

  function ofService(service: Service, byDns: EndpointTable['byDns']): readonly Encoded<Resource>[] {
    const instances = byDns.get(service.id);
    return clusters.get(service.id, [service, instances], () =>
      [undefined, ...service.subsets].map((subset) => {
        const name = clusterName(service.id, subset?.name);
        const json = shape.cluster(service, subset, { byDns: instances !== undefined, instances: instances ?? [] });
        const deps = instances === undefined ? [{ type: typeUrls.endpoints, name }] : [];
        return encoder.resource({ type: typeUrls.cluster, name }, json, { deps, provenance: service.provenance });
      }),
    );
  }

  return (world, endpoints) => {
    const inputs = [world.services, world.routes, endpoints.byDns];
    if (last !== undefined && sameItems(last.inputs, inputs)) return last.table;
    clusters.sweep();
    empties.sweep();
    const made = [...world.services.values()].flatMap((service) => ofService(service, endpoints.byDns));
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
