// Sidecars that stand before instances of several services. A sidecar shows the name of one service, so that callers of the
// others refuse it. It must not know Envoy. Invariants: one Problem for each service that others share sidecars with; what is
// remembered of instances that did not change only saves time.
import type { Instance } from './instance.ts';
import { effectiveMtls } from './mtls.ts';
import type { ServiceId } from './names.ts';
import { createProblem, type Problem } from './problem.ts';
import type { World } from './world.ts';

/** Services that are named in one Problem. */
const maxNamed = 3;

type Scene = Pick<World, 'mesh' | 'services' | 'endpoints'>;

/** Services that are called in plaintext ask for no name. Asked again about the same World it answers at once. */
export function createSidecarConflicts(): (world: Scene) => readonly Problem[] {
  const places = new WeakMap<readonly Instance[], readonly string[]>();
  let last: { readonly of: Scene; readonly problems: readonly Problem[] } | undefined;

  function placesOf(instances: readonly Instance[]): readonly string[] {
    let known = places.get(instances);
    if (known === undefined) {
      known = instances.flatMap(({ proxy }) => (proxy === undefined ? [] : [`${proxy.address}:${proxy.port}`]));
      places.set(instances, known);
    }
    return known;
  }

  return (world) => {
    const { of, problems } = last ?? {};
    if (of?.mesh === world.mesh && of.services === world.services && of.endpoints === world.endpoints && problems)
      return problems;
    const found = conflicts(world, placesOf);
    last = { of: world, problems: found };
    return found;
  };
}

function conflicts(
  { mesh, services, endpoints }: Scene,
  placesOf: (instances: readonly Instance[]) => readonly string[],
): readonly Problem[] {
  if (mesh.certificates !== true) return [];
  const first = new Map<string, ServiceId>();
  const others = new Map<ServiceId, { readonly with: Set<ServiceId>; readonly at: string }>();
  for (const service of services.values()) {
    if (effectiveMtls(service, mesh) === 'off') continue;
    for (const place of placesOf(endpoints.get(service.id) ?? [])) {
      const holder = first.get(place);
      if (holder === undefined) first.set(place, service.id);
      else if (holder !== service.id) {
        const known = others.get(service.id) ?? { with: new Set(), at: place };
        known.with.add(holder);
        others.set(service.id, known);
      }
    }
  }
  return [...others].flatMap(([id, { with: all, at: place }]) => {
    const service = services.get(id);
    if (service === undefined) return [];
    const named = [...all].slice(0, maxNamed).map((name) => `"${name}"`);
    const more = all.size > maxNamed ? ` and ${all.size - maxNamed} more` : '';
    const at = service.provenance[0] ?? {
      source: '',
      file: '',
      line: 0,
      column: 0,
      object: `Service ${service.namespace}/${service.name}`,
    };
    const message = `"${id}" has sidecars that ${named.join(', ')}${more} has too (${place}): callers of one of them get 503`;
    return [createProblem('CH1269', at, message, { severity: 'warning' })];
  });
}
