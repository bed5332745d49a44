// The instances of each service, gathered from registries and from the endpoints that objects list. Pure.
// Invariant: a service whose registry records are the same objects as before keeps the very same list; one changed
// record costs that one service and a copy of the table.
import type { Instance } from './instance.ts';
import type { ServiceId } from './names.ts';
import { createProblem, type Problem } from './problem.ts';
import type { Service } from './service.ts';
import type { ServiceDefinition } from './service-definition.ts';
import type { ServiceSet } from './service-set.ts';
import { compareText, sameMembers, shared, sharedList } from './sharing.ts';
import type { DeclaredUpstream, RegistryService, RegistrySnapshot } from './snapshot.ts';

type Upstreams = ReadonlyMap<string, readonly DeclaredUpstream[]>;

/** One service's share, and what it was made of. */
interface Cell {
  readonly inputs: readonly unknown[];
  readonly instances: readonly Instance[];
  readonly upstreams: Upstreams | undefined;
  readonly problems: readonly Problem[];
}

export interface EndpointSet {
  readonly endpoints: ReadonlyMap<ServiceId, readonly Instance[]>;
  readonly upstreams: ReadonlyMap<ServiceId, Upstreams>;
  readonly problems: readonly Problem[];
  readonly cells: ReadonlyMap<ServiceId, Cell>;
  readonly input: EndpointSetInput;
}

export interface EndpointSetInput {
  /** Complete ones only, in the order of precedence. */
  readonly registries: readonly RegistrySnapshot[];
  readonly serviceSet: ServiceSet;
  readonly definitions: ReadonlyMap<ServiceId, ServiceDefinition>;
}

export function nextEndpointSet(previous: EndpointSet | undefined, input: EndpointSetInput): EndpointSet {
  const { services } = input.serviceSet;
  const touched = touchedServices(previous, input);
  const fresh: { readonly id: ServiceId; readonly cell: Cell; readonly before: Cell | undefined }[] = [];
  for (const id of touched) {
    const service = services.get(id);
    if (service === undefined) continue;
    const before = previous?.cells.get(id);
    const cell = nextCell(before, service, input);
    if (cell !== before) fresh.push({ id, cell, before });
  }
  const gone =
    previous === undefined || previous.input.serviceSet === input.serviceSet ? false : removed(previous, services);
  if (previous !== undefined && fresh.length === 0 && !gone) return { ...previous, input };

  const cells = new Map(previous?.cells);
  for (const { id, cell } of fresh) cells.set(id, cell);
  if (gone) for (const id of cells.keys()) if (!services.has(id)) cells.delete(id);
  const changed = (pick: (cell: Cell) => unknown): boolean =>
    gone || fresh.some(({ cell, before }) => before === undefined || pick(cell) !== pick(before));
  return {
    cells,
    input,
    endpoints: changed((cell) => cell.instances)
      ? endpointTable(previous, { cells, services, fresh })
      : (previous?.endpoints ?? new Map()),
    upstreams: changed((cell) => cell.upstreams)
      ? upstreamTable(previous, cells, services)
      : (previous?.upstreams ?? new Map()),
    problems: changed((cell) => cell.problems)
      ? collectProblems(previous, cells, services)
      : (previous?.problems ?? []),
  };
}

function removed(previous: EndpointSet, services: ReadonlyMap<ServiceId, Service>): boolean {
  for (const id of previous.cells.keys()) if (!services.has(id)) return true;
  return false;
}

/** All services, unless only registry records changed: then those that take from them. */
function touchedServices(previous: EndpointSet | undefined, input: EndpointSetInput): Iterable<ServiceId> {
  const { serviceSet, registries } = input;
  if (
    previous === undefined ||
    previous.input.serviceSet !== serviceSet ||
    previous.input.definitions !== input.definitions ||
    previous.input.registries.length !== registries.length
  )
    return serviceSet.services.keys();
  const touched = new Set<ServiceId>();
  for (const [index, snapshot] of registries.entries()) {
    const before = previous.input.registries[index];
    if (before?.source !== snapshot.source) return serviceSet.services.keys();
    if (before.services === snapshot.services) continue;
    for (const [name, record] of snapshot.services) {
      if (before.services.get(name) !== record)
        for (const id of serviceSet.byRegistryName.get(name) ?? []) touched.add(id);
    }
    for (const name of before.services.keys()) {
      if (!snapshot.services.has(name)) for (const id of serviceSet.byRegistryName.get(name) ?? []) touched.add(id);
    }
  }
  return touched;
}

interface Held {
  readonly source: string;
  readonly record: RegistryService;
}

/** True where `sources` names the registry or its kind, or names none. */
export function takesFrom(sources: readonly string[], registry: Pick<RegistrySnapshot, 'source' | 'kind'>): boolean {
  return sources.length === 0 || sources.includes(registry.source) || sources.includes(registry.kind);
}

function nextCell(before: Cell | undefined, service: Service, input: EndpointSetInput): Cell {
  const definition = input.definitions.get(service.id);
  const { from } = service;
  const held: Held[] = [];
  for (const snapshot of input.registries) {
    const record = snapshot.services.get(from.service);
    if (record !== undefined && takesFrom(from.sources, snapshot)) held.push({ source: snapshot.source, record });
  }
  const inputs = [service, definition, ...held.flatMap(({ source, record }) => [source, record])];
  if (before !== undefined && sameMembers(before.inputs, inputs)) return before;
  const problems: Problem[] = [];
  const gathered = gather(service, { held, own: definition?.endpoints ?? [], problems });
  const ported = fillPorts(gathered, { service, definition, problems });
  return {
    inputs,
    instances: keepKnown(before?.instances, ported),
    upstreams: shared(before?.upstreams, joinUpstreams(held)),
    problems: shared<readonly Problem[]>(before?.problems, problems),
  };
}

interface Gathering {
  readonly held: readonly Held[];
  readonly own: readonly Instance[];
  readonly problems: Problem[];
}

/** The union over the sources, first source first; a second instance at one address and port is left out, and said. */
function gather(service: Service, { held, own, problems }: Gathering): readonly Instance[] {
  const wanted = Object.entries(service.from.metadata);
  const fits = ({ metadata }: Instance): boolean =>
    wanted.every(([key, value]) => Object.hasOwn(metadata, key) && metadata[key] === value);
  const lists = held.map(({ source, record }) => ({
    source,
    instances: wanted.length === 0 ? record.instances : record.instances.filter(fits),
  }));
  if (own.length > 0) lists.push({ source: 'the Service object', instances: own });
  if (lists.length <= 1) return lists[0]?.instances ?? [];
  const owners = new Map<string, string>();
  const doubles: string[] = [];
  const all: Instance[] = [];
  for (const { source, instances } of lists) {
    for (const instance of instances) {
      const place = `${instance.address}:${instance.port}`;
      const owner = owners.get(place);
      if (owner !== undefined && owner !== source) {
        doubles.push(`${place} of "${source}" is already held by "${owner}"`);
        continue;
      }
      owners.set(place, source);
      all.push(instance);
    }
  }
  if (doubles.length > 0) {
    const rest = doubles.length > 3 ? ` and ${doubles.length - 3} more` : '';
    const message = `instance ${doubles.slice(0, 3).join(', ')}${rest}`;
    problems.push(createProblem('CH1104', placeOf(service, held[0]?.source ?? ''), message, { severity: 'warning' }));
  }
  return all.sort((a, b) => compareText(a.key, b.key));
}

/** Where to point for a service: its first object, else its registry. */
function placeOf(service: Service, source: string): Problem['at'] {
  const [at] = service.provenance;
  return at ?? { source, file: '', line: 1, column: 1, object: `Service ${service.namespace}/${service.name}` };
}

interface Porting {
  readonly service: Service;
  readonly definition: ServiceDefinition | undefined;
  readonly problems: Problem[];
}

function fillPorts(instances: readonly Instance[], { service, definition, problems }: Porting): readonly Instance[] {
  const { targetPort } = service;
  const fill = targetPort ?? service.port;
  if (fill === undefined) return instances;
  const other = targetPort === undefined ? undefined : instances.find(({ port }) => port !== 0 && port !== targetPort);
  if (other !== undefined) {
    const message = `targetPort ${targetPort} differs from the registered port ${other.port} of instance "${other.id}", which is dialled`;
    const at = definition?.targetPortAt ?? placeOf(service, '');
    problems.push(createProblem('CH1105', at, message, { severity: 'warning' }));
  }
  if (instances.every(({ port }) => port !== 0)) return instances;
  return instances.map((instance) => (instance.port === 0 ? { ...instance, port: fill } : instance));
}

/** The old list, or the old instances in a new list, wherever they say the same. */
function keepKnown(before: readonly Instance[] | undefined, after: readonly Instance[]): readonly Instance[] {
  if (before === undefined || before === after) return after;
  const old = new Map(before.map((instance) => [instance.key, instance]));
  const kept = after.map((instance) => shared(old.get(instance.key), instance));
  return sharedList(before, sharedList(after, kept));
}

function joinUpstreams(held: readonly Held[]): Upstreams | undefined {
  const all = held.flatMap(({ record }) => record.upstreams ?? []);
  if (all.length <= 1) return all[0];
  return new Map(all.toReversed().flatMap((upstreams) => [...upstreams]));
}

interface Tables {
  readonly cells: ReadonlyMap<ServiceId, Cell>;
  readonly services: ReadonlyMap<ServiceId, Service>;
  readonly fresh: readonly { readonly id: ServiceId; readonly cell: Cell; readonly before: Cell | undefined }[];
}

function endpointTable(
  previous: EndpointSet | undefined,
  { cells, services, fresh }: Tables,
): EndpointSet['endpoints'] {
  const sameKeys =
    previous !== undefined &&
    fresh.every(
      ({ cell, before }) => cell.instances.length > 0 && before !== undefined && before.instances.length > 0,
    ) &&
    previous.cells.size === cells.size;
  if (sameKeys) {
    const table = new Map(previous.endpoints);
    for (const { id, cell } of fresh) table.set(id, cell.instances);
    return table;
  }
  const table = new Map<ServiceId, readonly Instance[]>();
  for (const id of services.keys()) {
    const instances = cells.get(id)?.instances ?? [];
    if (instances.length > 0) table.set(id, instances);
  }
  return table;
}

function upstreamTable(
  previous: EndpointSet | undefined,
  cells: Tables['cells'],
  services: Tables['services'],
): EndpointSet['upstreams'] {
  const table = new Map<ServiceId, Upstreams>();
  for (const id of services.keys()) {
    const upstreams = cells.get(id)?.upstreams;
    if (upstreams !== undefined && upstreams.size > 0) table.set(id, upstreams);
  }
  return shared<EndpointSet['upstreams']>(previous?.upstreams, table);
}

function collectProblems(
  previous: EndpointSet | undefined,
  cells: Tables['cells'],
  services: Tables['services'],
): readonly Problem[] {
  const all: Problem[] = [];
  for (const id of services.keys()) all.push(...(cells.get(id)?.problems ?? []));
  return sharedList(previous?.problems, all);
}
