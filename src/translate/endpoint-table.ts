// The endpoints of all services as encoded resources, beside the views: one endpoint event encodes one message.
// It must not know views. Invariant: an unchanged service keeps its resources, an unchanged World its whole table.
import type { Instance } from '../model/instance.ts';
import type { ServiceId } from '../model/names.ts';
import type { Problem } from '../model/problem.ts';
import type { Service } from '../model/service.ts';
import type { World } from '../model/world.ts';
import type { Encoder } from '../resources/encode.ts';
import { encodeLoadAssignment } from '../resources/load-assignment.ts';
import type { Resource } from '../resources/resource.ts';
import { typeUrls } from '../resources/type-urls.ts';
import { clusterName } from './cluster-names.ts';
import { type EndpointFacts, endpointFacts, localities } from './endpoints.ts';
import { createKeyedMemo, type Ran, sameItems } from './memo.ts';

export interface EndpointTable {
  readonly resources: ReadonlyMap<string, Resource>;
  /** Services whose addresses Envoy resolves itself, with their instances; the same object while neither changes. */
  readonly byDns: ReadonlyMap<ServiceId, readonly Instance[]>;
  readonly problems: readonly Problem[];
}

interface Row {
  readonly resources: readonly Resource[];
  readonly facts: EndpointFacts;
}

const none: readonly Instance[] = [];

export function createEndpointTable(encoder: Encoder, ran: Ran): (world: World) => EndpointTable {
  const rows = createKeyedMemo<Row>(ran, 'endpoints');
  let last: { world: World; rows: readonly Row[]; table: EndpointTable } | undefined;

  function resource(service: Service, instances: readonly Instance[], subset?: Service['subsets'][number]): Resource {
    const name = clusterName(service.id, subset?.name);
    encoder.count(typeUrls.endpoints);
    const bytes = encodeLoadAssignment(name, localities(service, instances, subset));
    const made = encoder.record({ type: typeUrls.endpoints, name }, bytes, {
      deps: [],
      provenance: service.provenance,
    });
    const before = last?.table.resources.get(name);
    return before?.version === made.version && sameItems(before.provenance, made.provenance) ? before : made;
  }

  function row(service: Service, instances: readonly Instance[]): Row {
    const facts = endpointFacts(service, instances);
    if (facts.byDns) return { resources: [], facts };
    return {
      resources: [undefined, ...service.subsets].map((subset) => resource(service, instances, subset)),
      facts,
    };
  }

  return (world) => {
    if (last?.world === world) return last.table;
    if (last !== undefined && last.world.services === world.services && last.world.endpoints === world.endpoints) {
      last = { ...last, world };
      return last.table;
    }
    if (last?.world.services !== world.services) rows.sweep();
    const made: Row[] = [];
    const byDns = new Map<ServiceId, readonly Instance[]>();
    for (const service of world.services.values()) {
      const instances = world.endpoints.get(service.id) ?? none;
      const entry = rows.get(service.id, [service, instances], () => row(service, instances));
      made.push(entry);
      if (entry.facts.byDns) byDns.set(service.id, instances);
    }
    if (last !== undefined && sameItems(last.rows, made)) {
      last = { ...last, world };
      return last.table;
    }
    const resources = new Map<string, Resource>();
    for (const entry of made) for (const item of entry.resources) resources.set(item.name, item);
    const problems = made.flatMap((entry) => entry.facts.problems);
    const table: EndpointTable = {
      resources,
      byDns:
        last !== undefined && sameItems([...last.table.byDns].flat(), [...byDns].flat()) ? last.table.byDns : byDns,
      problems: last !== undefined && sameItems(last.table.problems, problems) ? last.table.problems : problems,
    };
    last = { world, rows: made, table };
    return table;
  };
}
