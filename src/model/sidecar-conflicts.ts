// Sidecars that stand before instances of several services. A sidecar shows the name of one service, so that callers of the
// others refuse it. It must not know Envoy. Invariant: pure; one Problem for each service that others share sidecars with.
import { effectiveMtls } from './mtls.ts';
import type { ServiceId } from './names.ts';
import { createProblem, type Problem } from './problem.ts';
import type { World } from './world.ts';

/** Services that are named in one Problem. */
const maxNamed = 3;

/** Looks at every instance. Services that are called in plaintext ask for no name. */
export function sidecarConflicts({
  mesh,
  services,
  endpoints,
}: Pick<World, 'mesh' | 'services' | 'endpoints'>): readonly Problem[] {
  if (mesh.certificates !== true) return [];
  const first = new Map<string, ServiceId>();
  const others = new Map<ServiceId, { readonly with: Set<ServiceId>; readonly at: string }>();
  for (const service of services.values()) {
    if (effectiveMtls(service, mesh) === 'off') continue;
    for (const { proxy } of endpoints.get(service.id) ?? []) {
      if (proxy === undefined) continue;
      const place = `${proxy.address}:${proxy.port}`;
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
