// The Service objects of one name, in whatever language, merged field by field into one definition.
// Pure; defaults and registries come later. Invariant: unequal values are a Problem naming both positions, and the
// value kept does not depend on the order in which the objects came: chancery before core before linkerd.io.
import { type MeshDefaults, resolvePolicies } from './defaults.ts';
import { defined } from './defined.ts';
import type { Instance } from './instance.ts';
import type { ServiceSpec } from './kinds/service.ts';
import { serviceId } from './names.ts';
import type { MeshObject } from './parse.ts';
import { createProblem, type Problem } from './problem.ts';
import type { Provenance } from './provenance.ts';
import { dotted } from './schema-problems.ts';
import type { Service } from './service.ts';

export type ServiceObject = Extract<MeshObject, { kind: 'Service' }>;

export interface ServiceDefinition {
  readonly service: Service;
  /** Endpoints written in the objects; sorted by key. */
  readonly endpoints: readonly Instance[];
  /** Where targetPort is written. */
  readonly targetPortAt?: Provenance;
  readonly problems: readonly Problem[];
}

/** A value and the path it was written at. */
interface Claim<T> {
  readonly value: T;
  readonly path: readonly PropertyKey[];
}

/** What one object says of the fields that several languages share. */
interface Part {
  readonly object: ServiceObject;
  readonly port?: Claim<number>;
  readonly targetPort?: Claim<number>;
  readonly app?: Claim<string>;
  readonly hosts: readonly string[];
  readonly filter: Readonly<Record<string, string>>;
}

const rank: Readonly<Record<ServiceObject['group'], number>> = { chancery: 0, core: 1, 'linkerd.io': 2 };

/** `objects`: at least one, at most one of each group, all of one namespace and name. */
export function defineService(objects: readonly ServiceObject[], mesh: MeshDefaults): ServiceDefinition {
  const problems: Problem[] = [];
  const parts = objects.toSorted((a, b) => rank[a.group] - rank[b.group]).map((object) => partOf(object, problems));
  const [first] = parts;
  if (first === undefined) throw new Error('defineService needs at least one object');
  const { namespace, name } = first.object;
  const native = parts.find(({ object }) => object.group === 'chancery')?.object as
    | Extract<ServiceObject, { group: 'chancery' }>
    | undefined;
  const spec: ServiceSpec = native?.spec ?? {};
  const id = serviceId(namespace, name);
  const service: Service = {
    id,
    name,
    namespace,
    hosts: [...new Set(parts.flatMap(({ hosts }) => hosts))].sort(),
    protocol: spec.protocol ?? 'http',
    from: {
      service: agreed(parts, 'app', problems) ?? name,
      metadata: Object.assign({}, ...parts.map(({ filter }) => filter).reverse()) as Record<string, string>,
      sources: sourcesOf(spec.from),
    },
    subsets: (spec.subsets ?? []).map((subset, index) => ({
      ...subset,
      provenance: native?.at(['spec', 'subsets', index]) ?? first.object.provenance,
    })),
    tls: spec.tls ?? 'mesh',
    provenance: parts.map(({ object }) => object.provenance),
    ...resolvePolicies(spec, mesh),
    ...defined({ port: agreed(parts, 'port', problems), targetPort: agreed(parts, 'targetPort', problems) }),
  };
  const targetPortAt = parts.flatMap(({ object, targetPort }) =>
    targetPort === undefined ? [] : [object.at(targetPort.path)],
  )[0];
  return {
    service,
    endpoints: native === undefined ? [] : staticEndpoints(native, service),
    problems,
    ...defined({ targetPortAt }),
  };
}

function partOf(object: ServiceObject, problems: Problem[]): Part {
  switch (object.group) {
    case 'chancery': {
      const { hosts = [], port, targetPort, from } = object.spec;
      const app = fromName(from);
      return {
        object,
        hosts,
        filter: from?.metadata ?? {},
        ...defined({ port: claim(port, ['port']), targetPort: claim(targetPort, ['targetPort']), app }),
      };
    }
    case 'core': {
      const { selector = {}, ports = [] } = object.spec;
      const { app, ...filter } = selector;
      const [main] = ports;
      if (ports.length > 1) {
        const path = ['spec', 'ports', 1];
        const message = `port ${ports[1]?.port} is not used, only the first one, ${main?.port}`;
        problems.push(createProblem('CH1107', object.at(path), message, { severity: 'warning', path: dotted(path) }));
      }
      return {
        object,
        hosts: [],
        filter,
        ...defined({
          port: claim(main?.port, ['ports', 0, 'port']),
          targetPort: claim(main?.targetPort, ['ports', 0, 'targetPort']),
          app: claim(app, ['selector', 'app']),
        }),
      };
    }
    case 'linkerd.io': {
      const { host, port, app } = object.spec;
      return {
        object,
        hosts: host === undefined ? [] : [host],
        filter: {},
        ...defined({ port: claim(port, ['port']), app: claim(app, ['app']) }),
      };
    }
  }
}

function claim<T>(value: T | undefined, path: readonly PropertyKey[]): Claim<T> | undefined {
  return value === undefined ? undefined : { value, path: ['spec', ...path] };
}

const registryKinds = ['service', 'consul', 'etcd', 'files', 'dns', 'memory'] as const;

function fromName(from: ServiceSpec['from']): Claim<string> | undefined {
  const key = registryKinds.find((kind) => from?.[kind] !== undefined);
  return key === undefined ? undefined : claim(from?.[key], ['from', key]);
}

/** Kinds and names of the registries meant; empty: all. */
function sourcesOf(from: ServiceSpec['from']): readonly string[] {
  const given = registryKinds.filter((kind) => kind !== 'service' && from?.[kind] !== undefined);
  return [...new Set<string>([...given, ...(from?.sources ?? [])])].sort();
}

/** The value of the first part that has one; each other value is a Problem of its own object. */
function agreed<Field extends 'port' | 'targetPort' | 'app'>(
  parts: readonly Part[],
  field: Field,
  problems: Problem[],
): NonNullable<Part[Field]>['value'] | undefined {
  const holders = parts.filter((part) => part[field] !== undefined);
  const [winner, ...others] = holders;
  const kept = winner?.[field];
  if (winner === undefined || kept === undefined) return undefined;
  for (const other of others) {
    const claimed = other[field];
    if (claimed === undefined || claimed.value === kept.value) continue;
    const message =
      `says ${dotted(claimed.path.slice(1))} ${shown(claimed.value)}, but ${winner.object.apiVersion} Service ` +
      `"${winner.object.name}" says ${shown(kept.value)} (${position(winner.object.at(kept.path))}), which holds`;
    problems.push(createProblem('CH1102', other.object.at(claimed.path), message, { path: dotted(claimed.path) }));
  }
  return kept.value;
}

function shown(value: string | number): string {
  return typeof value === 'string' ? `"${value}"` : String(value);
}

function position({ file, line, column }: Provenance): string {
  return `${file}:${line}:${column}`;
}

function staticEndpoints(object: Extract<ServiceObject, { group: 'chancery' }>, service: Service): readonly Instance[] {
  const instances = (object.spec.endpoints ?? []).map((endpoint): Instance => {
    const port = endpoint.port ?? service.targetPort ?? service.port ?? 0;
    const id = `${endpoint.address}:${port}`;
    return {
      // Keyed by its address, so that a new neighbour in the list leaves it the same instance.
      key: `objects/${service.id}/${endpoint.address}/${port}`,
      id,
      address: endpoint.address,
      port,
      health: endpoint.health ?? 'healthy',
      weight: endpoint.weight ?? 1,
      metadata: endpoint.metadata ?? {},
      tags: [],
      ...defined({
        locality: endpoint.zone === undefined ? undefined : { region: '', zone: endpoint.zone, subZone: '' },
        proxy:
          endpoint.proxyPort === undefined
            ? undefined
            : { address: endpoint.address, port: endpoint.proxyPort, localAddress: '127.0.0.1', localPort: port },
      }),
    };
  });
  return [...new Map(instances.map((instance) => [instance.key, instance])).values()].sort((a, b) =>
    a.key < b.key ? -1 : 1,
  );
}
