// Instances as the endpoints of a service and of each of its subsets: which address is dialled, and with what health.
// It must not know views or protocols. Invariant: every instance that can be dialled is there with its health (critical ones
// too: Envoy needs them for its panic threshold), in one stable order.
import { isIP } from 'node:net';
import type { Instance } from '../model/instance.ts';
import type { Mtls } from '../model/mtls.ts';
import { createProblem, type Problem } from '../model/problem.ts';
import type { Service, Subset } from '../model/service.ts';
import type { EndpointEntry, LocalityEntry } from '../resources/load-assignment.ts';
import { provenanceOf } from './origin.ts';

export interface Dialled {
  readonly address: string;
  readonly port: number;
  /** In a cluster whose socket is mutual TLS, this one speaks plaintext. */
  readonly plaintext?: true;
}

/** True if mutual TLS is asked for and nothing beside the instance could speak it. */
function withheld({ proxy }: Instance, mtls: Mtls): boolean {
  return mtls === 'strict' && proxy === undefined;
}

/**
 * Where others reach an instance: its sidecar where the registry holds one, else itself. Undefined: it has no port, or it is
 * withheld. `mtls` is what holds for the service.
 */
export function dialled(service: Service, instance: Instance, mtls: Mtls = 'off'): Dialled | undefined {
  if (instance.proxy !== undefined && service.tls !== 'none')
    return { address: instance.proxy.address, port: instance.proxy.port };
  const port = instance.port > 0 ? instance.port : (service.targetPort ?? 0);
  if (port === 0 || withheld(instance, mtls)) return undefined;
  return { address: instance.address, port, ...(mtls === 'permissive' ? { plaintext: true } : {}) };
}

function inSubset(instance: Instance, subset: Subset | undefined): boolean {
  return subset === undefined || Object.entries(subset.where).every(([key, value]) => instance.metadata[key] === value);
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

interface Placed {
  readonly entry: EndpointEntry;
  readonly place: { readonly region: string; readonly zone: string; readonly subZone: string };
  readonly placeKey: string;
}

/** Which of two instances on one address and port stands for both: behind a sidecar, the healthier, the heavier, the first place. */
function better(a: Placed, b: Placed): boolean {
  const order =
    Number(a.entry.plaintext ?? false) - Number(b.entry.plaintext ?? false) ||
    a.entry.healthStatus - b.entry.healthStatus ||
    b.entry.weight - a.entry.weight ||
    compare(a.placeKey, b.placeKey);
  return order < 0;
}

/** One entry for each address and port, grouped by locality, everything sorted. */
export function localities(
  service: Service,
  instances: readonly Instance[],
  subset?: Subset,
  mtls: Mtls = 'off',
): readonly LocalityEntry[] {
  const placed = new Map<string, Placed>();
  for (const instance of instances) {
    const at = inSubset(instance, subset) ? dialled(service, instance, mtls) : undefined;
    if (at === undefined) continue;
    const { region = '', zone = '', subZone = '' } = instance.locality ?? {};
    const made: Placed = {
      entry: { ...at, healthStatus: instance.health === 'critical' ? 2 : 1, weight: instance.weight },
      place: { region, zone, subZone },
      placeKey: `${region}\n${zone}\n${subZone}`,
    };
    const key = `${at.address} ${at.port}`;
    const double = placed.get(key);
    if (double === undefined || better(made, double)) placed.set(key, made);
  }
  const groups = new Map<string, { place: Placed['place']; endpoints: EndpointEntry[] }>();
  for (const { entry, place, placeKey } of placed.values()) {
    const group = groups.get(placeKey);
    if (group === undefined) groups.set(placeKey, { place, endpoints: [entry] });
    else group.endpoints.push(entry);
  }
  return [...groups]
    .sort(([a], [b]) => compare(a, b))
    .map(([, { place, endpoints }]) => ({
      ...place,
      endpoints: endpoints.sort((a, b) => compare(a.address, b.address) || a.port - b.port),
    }));
}

/** What the instances of a service mean for its clusters. */
export interface EndpointFacts {
  /** Some address is a host name: EDS takes IPs only, so Envoy resolves the names itself. */
  readonly byDns: boolean;
  readonly problems: readonly Problem[];
}

const nothingSpecial: EndpointFacts = { byDns: false, problems: [] };

/** Says who gets no requests as nothing beside it speaks mutual TLS. */
function withheldProblem(service: Service, all: readonly Instance[], ids: readonly string[]): Problem {
  const shown = ids.slice(0, 3).map((id) => `"${id}"`);
  const rest = ids.length > shown.length ? ` and ${ids.length - shown.length} more` : '';
  return createProblem(
    'CH1236',
    provenanceOf(service),
    `${ids.length} of ${all.length} instances of "${service.name}" have no sidecar: ${shown.join(', ')}${rest}`,
    { severity: 'warning' },
  );
}

/** `mtls` is what holds for the service. */
export function endpointFacts(service: Service, instances: readonly Instance[], mtls: Mtls = 'off'): EndpointFacts {
  let byDns = false;
  let problems: Problem[] | undefined;
  const without: string[] = [];
  for (const instance of instances) {
    if (withheld(instance, mtls)) {
      without.push(instance.id);
      continue;
    }
    const at = dialled(service, instance, mtls);
    const named = at !== undefined && isIP(at.address) === 0;
    if (at !== undefined && !named) continue;
    byDns ||= named;
    problems ??= [];
    problems.push(
      createProblem(
        named ? 'CH1224' : 'CH1225',
        provenanceOf(service),
        named
          ? `instance "${instance.id}" of "${service.name}" is registered as "${at.address}"`
          : `instance "${instance.id}" of "${service.name}" has no port`,
        { severity: 'warning' },
      ),
    );
  }
  if (without.length > 0) problems = [...(problems ?? []), withheldProblem(service, instances, without)];
  return problems === undefined ? nothingSpecial : { byDns, problems };
}
