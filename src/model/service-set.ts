// Every service of the mesh: those that objects define and those that only registries know. Pure.
// Invariant: sorted by id; a service known from a registry alone has the mesh's defaults and no provenance; no host
// belongs to two services.
import { type MeshDefaults, resolvePolicies } from './defaults.ts';
import { namePattern } from './kinds/fields.ts';
import type { Mesh } from './mesh.ts';
import { defaultNamespace, type ServiceId, serviceId } from './names.ts';
import { createProblem, type Problem } from './problem.ts';
import { byClaim, generatedNames } from './request-names.ts';
import type { Service } from './service.ts';
import type { ServiceDefinition } from './service-definition.ts';
import { compareText, shared, sharedMap } from './sharing.ts';

export interface ServiceSet {
  readonly services: ReadonlyMap<ServiceId, Service>;
  /** Which services take instances of a registry's service. */
  readonly byRegistryName: ReadonlyMap<string, readonly ServiceId[]>;
  readonly problems: readonly Problem[];
  readonly input: ServiceSetInput;
}

export interface ServiceSetInput {
  readonly definitions: ReadonlyMap<ServiceId, ServiceDefinition>;
  readonly defaults: MeshDefaults;
  readonly mesh: Mesh;
  /** Names that registries hold, with the source that holds them first. */
  readonly names: ReadonlyMap<string, string>;
}

export function nextServiceSet(previous: ServiceSet | undefined, input: ServiceSetInput): ServiceSet {
  if (
    previous !== undefined &&
    previous.input.definitions === input.definitions &&
    previous.input.defaults === input.defaults &&
    previous.input.mesh === input.mesh &&
    previous.input.names === input.names
  )
    return previous;
  const problems: Problem[] = [];
  const all = new Map<ServiceId, Service>();
  for (const [id, { service }] of input.definitions) all.set(id, service);
  for (const [name, source] of input.names) {
    const id = serviceId(defaultNamespace, name);
    if (all.has(id)) continue;
    if (!namePattern.test(name) || name.length > 253) {
      const at = { source, file: '', line: 1, column: 1, object: 'Service' };
      problems.push(
        createProblem('CH1109', at, `"${name.slice(0, 100)}" of "${source}" is left out`, { severity: 'warning' }),
      );
      continue;
    }
    const known = previous?.input.defaults === input.defaults ? previous.services.get(id) : undefined;
    all.set(id, known?.provenance.length === 0 ? known : registeredService(id, name, input.defaults));
  }
  const sorted = new Map([...all].sort(([a], [b]) => compareText(a, b)));
  settleHosts(sorted, { previous, mesh: input.mesh, names: input.names, problems });
  const byRegistryName = new Map<string, ServiceId[]>();
  for (const { id, from } of sorted.values()) {
    const ids = byRegistryName.get(from.service);
    if (ids === undefined) byRegistryName.set(from.service, [id]);
    else ids.push(id);
  }
  return { services: sharedMap(previous?.services, sorted), byRegistryName, problems, input };
}

function registeredService(id: ServiceId, name: string, defaults: MeshDefaults): Service {
  return Object.freeze({
    id,
    name,
    namespace: defaultNamespace,
    hosts: [],
    protocol: 'http',
    from: { service: name, metadata: {}, sources: [] },
    subsets: [],
    tls: 'mesh',
    provenance: [],
    ...resolvePolicies({}, defaults),
  } satisfies Service);
}

interface Settling {
  readonly previous: ServiceSet | undefined;
  readonly mesh: Mesh;
  readonly names: ServiceSetInput['names'];
  readonly problems: Problem[];
}

/**
 * A generated name belongs to its service before any written host; of two, to the first in the order of claims. The other
 * one loses it and is told. TCP services are not chosen by name, so they neither take nor lose one.
 */
function settleHosts(services: Map<ServiceId, Service>, { previous, mesh, names, problems }: Settling): void {
  const owners = new Map<string, Service>();
  const lose = (service: Service, hosts: readonly string[], owner: Service): void => {
    const source = names.get(service.from.service) ?? '';
    const registered = { source, file: '', line: 1, column: 1, object: `Service ${service.namespace}/${service.name}` };
    const shown = hosts.map((host) => `"${host}"`).join(', ');
    const message = `${hosts.length > 1 ? `hosts ${shown} belong` : `host ${shown} belongs`} to service "${owner.id}"`;
    const written = hosts.some((host) => service.hosts.includes(host));
    const options = written ? { path: 'spec.hosts' } : ({ severity: 'warning' } as const);
    problems.push(createProblem('CH1211', service.provenance[0] ?? registered, message, options));
  };
  const ordered = byClaim(services.values());
  for (const service of ordered) {
    if (service.protocol === 'tcp') continue;
    const lost = new Map<Service, string[]>();
    for (const name of generatedNames(service, mesh)) {
      const owner = owners.get(name);
      if (owner === undefined) owners.set(name, service);
      else lost.set(owner, [...(lost.get(owner) ?? []), name]);
    }
    for (const [owner, hosts] of lost) lose(service, hosts, owner);
  }
  for (const service of ordered) {
    if (service.hosts.length === 0) continue;
    const kept = service.hosts.filter((host) => {
      const owner = owners.get(host);
      if (owner === undefined && service.protocol !== 'tcp') owners.set(host, service);
      if (owner === undefined || owner === service) return true;
      lose(service, [host], owner);
      return false;
    });
    if (kept.length === service.hosts.length) continue;
    services.set(service.id, shared(previous?.services.get(service.id), { ...service, hosts: kept }));
  }
}
