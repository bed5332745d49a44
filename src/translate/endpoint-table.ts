// The endpoints of all services as encoded resources, beside the views: one endpoint event encodes one message.
// It must not know views. Invariant: an unchanged service keeps its resources, an unchanged World its whole table.
import { isDeepStrictEqual } from 'node:util';
import type { Instance } from '../model/instance.ts';
import { effectiveMtls, type Mtls } from '../model/mtls.ts';
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
import { countRun, type Ran, sameItems } from './memo.ts';

export interface EndpointTable {
  readonly resources: ReadonlyMap<string, Resource>;
  /** Services whose addresses Envoy resolves itself, with their instances; the same object while neither changes. */
  readonly byDns: ReadonlyMap<ServiceId, readonly Instance[]>;
  readonly problems: readonly Problem[];
  /** The same object while `byDns` and `problems` are. */
  readonly facts: object;
}

interface Row {
  readonly resources: readonly Resource[];
  readonly facts: EndpointFacts;
}

/** The table and what it was made from, service by service. */
interface Making {
  readonly world: World;
  readonly services: readonly Service[];
  /** What holds for each service. */
  readonly mtls: readonly Mtls[];
  readonly instances: readonly (readonly Instance[])[];
  readonly rows: readonly Row[];
  readonly table: EndpointTable;
}

interface RowInput {
  readonly service: Service;
  readonly instances: readonly Instance[];
  readonly mtls: Mtls;
}

const none: readonly Instance[] = [];

export function createEndpointTable(encoder: Encoder, ran: Ran): (world: World) => EndpointTable {
  let last: Making | undefined;

  function resource({ service, instances, mtls }: RowInput, subset?: Service['subsets'][number]): Resource {
    const name = clusterName(service.id, subset?.name);
    encoder.count(typeUrls.endpoints);
    const bytes = encodeLoadAssignment(name, localities(service, instances, subset, mtls));
    const made = encoder.record({ type: typeUrls.endpoints, name }, bytes, {
      deps: [],
      provenance: service.provenance,
    });
    const before = last?.table.resources.get(name);
    return before?.version === made.version && sameItems(before.provenance, made.provenance) ? before : made;
  }

  /** `before`: its facts are kept where the new ones say the same, so that an event that changes none touches no view. */
  function row(input: RowInput, before?: Row): Row {
    countRun(ran, 'endpoints');
    const { service, instances, mtls } = input;
    const fresh = endpointFacts(service, instances, mtls);
    const facts = isDeepStrictEqual(before?.facts, fresh) ? (before?.facts ?? fresh) : fresh;
    if (facts.byDns) return { resources: [], facts };
    return { resources: [undefined, ...service.subsets].map((subset) => resource(input, subset)), facts };
  }

  function whole(world: World, services: readonly Service[], rows: readonly Row[]): EndpointTable {
    const before = last?.table;
    const resources = new Map<string, Resource>();
    const byDns = new Map<ServiceId, readonly Instance[]>();
    for (const [index, { resources: items, facts }] of rows.entries()) {
      const service = services[index];
      for (const item of items) resources.set(item.name, item);
      if (facts.byDns && service !== undefined) byDns.set(service.id, world.endpoints.get(service.id) ?? none);
    }
    const allProblems = rows.flatMap(({ facts }) => facts.problems);
    const sameDns = before !== undefined && sameItems([...before.byDns].flat(), [...byDns].flat());
    const sameProblems = before !== undefined && sameItems(before.problems, allProblems);
    return {
      resources,
      byDns: sameDns ? before.byDns : byDns,
      problems: sameProblems ? before.problems : allProblems,
      facts: sameDns && sameProblems ? before.facts : {},
    };
  }

  /** After a change of services: the rows of those that stayed are taken over. */
  function rebuild(world: World): Making {
    const known = new Map(last?.services.map((service, index) => [service, index]));
    const services = [...world.services.values()];
    const mtls = services.map((service) => effectiveMtls(service, world.mesh));
    const instances = services.map(({ id }) => world.endpoints.get(id) ?? none);
    const rows = services.map((service, index) => {
      const at = known.get(service);
      const own = instances[index] ?? none;
      const mode = mtls[index] ?? 'off';
      const same = at !== undefined && last?.instances[at] === own && last.mtls[at] === mode;
      return (same ? last?.rows[at] : undefined) ?? row({ service, instances: own, mtls: mode });
    });
    return { world, services, mtls, instances, rows, table: whole(world, services, rows) };
  }

  /** The hot path: the services are the same, some instances are not. */
  function update(world: World, before: Making): Making {
    const { services, mtls } = before;
    let instances: (readonly Instance[])[] | undefined;
    let rows: Row[] | undefined;
    const changed: { readonly old: Row; readonly now: Row }[] = [];
    for (let index = 0; index < services.length; index++) {
      const service = services[index];
      const old = before.rows[index];
      if (service === undefined || old === undefined) continue;
      const own = world.endpoints.get(service.id) ?? none;
      if (own === before.instances[index]) continue;
      instances ??= [...before.instances];
      rows ??= [...before.rows];
      const now = row({ service, instances: own, mtls: mtls[index] ?? 'off' }, old);
      instances[index] = own;
      rows[index] = now;
      changed.push({ old, now });
    }
    if (instances === undefined || rows === undefined) return { ...before, world };
    const plain = changed.every(({ old, now }) => old.facts === now.facts && !now.facts.byDns);
    const table = plain ? { ...before.table, resources: withRows(before, changed) } : whole(world, services, rows);
    return { world, services, mtls, instances, rows, table };
  }

  return (world) => {
    if (last?.world !== world) {
      const same = last !== undefined && last.world.services === world.services && sameMode(last.world, world);
      if (!same || last === undefined) last = rebuild(world);
      else last = last.world.endpoints === world.endpoints ? { ...last, world } : update(world, last);
    }
    return last.table;
  };
}

function sameMode({ mesh: before }: World, { mesh: after }: World): boolean {
  return before.mtls === after.mtls && before.certificates === after.certificates;
}

/** The resources of before with the changed rows' in their places; the same map when every bytes stayed. */
function withRows(before: Making, changed: readonly { readonly now: Row }[]): ReadonlyMap<string, Resource> {
  const items = changed.flatMap(({ now }) => now.resources);
  if (items.every((item) => before.table.resources.get(item.name) === item)) return before.table.resources;
  const resources = new Map(before.table.resources);
  for (const item of items) resources.set(item.name, item);
  return resources;
}
