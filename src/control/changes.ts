// What differs between two Worlds, in words for `watch`, the demo and the history; and which services' endpoints moved.
// Pure; costs one identity comparison per service, route and gateway.
import type { Instance } from '../model/instance.ts';
import type { ServiceId } from '../model/names.ts';
import type { World } from '../model/world.ts';

const maxLines = 50;

/** Services whose instances differ. */
export function movedServices(before: World | undefined, after: World): readonly ServiceId[] {
  if (before === undefined) return [...after.endpoints.keys()];
  if (before.endpoints === after.endpoints) return [];
  const moved: ServiceId[] = [];
  let stayed = 0;
  for (const [id, instances] of after.endpoints) {
    const old = before.endpoints.get(id);
    if (old !== undefined) stayed++;
    if (old !== instances) moved.push(id);
  }
  if (stayed < before.endpoints.size)
    for (const id of before.endpoints.keys()) if (!after.endpoints.has(id)) moved.push(id);
  return moved;
}

function instanceLines(id: string, before: readonly Instance[], after: readonly Instance[]): string[] {
  const old = new Map(before.map((instance) => [instance.key, instance]));
  const lines: string[] = [];
  for (const instance of after) {
    const last = old.get(instance.key);
    old.delete(instance.key);
    const at = `${instance.address}:${instance.port}`;
    if (last === undefined) lines.push(`${id}: instance ${instance.id} added (${at}, ${instance.health})`);
    else if (last.health !== instance.health)
      lines.push(`${id}: instance ${instance.id} ${last.health} -> ${instance.health}`);
    else if (last.weight !== instance.weight)
      lines.push(`${id}: instance ${instance.id} weight ${last.weight} -> ${instance.weight}`);
    else if (last !== instance) lines.push(`${id}: instance ${instance.id} changed`);
  }
  for (const gone of old.values()) lines.push(`${id}: instance ${gone.id} removed`);
  return lines;
}

function mapLines(what: string, before: ReadonlyMap<string, unknown>, after: ReadonlyMap<string, unknown>): string[] {
  if (before === after) return [];
  const lines: string[] = [];
  for (const [key, value] of after) {
    if (!before.has(key)) lines.push(`${what} ${key} added`);
    else if (before.get(key) !== value) lines.push(`${what} ${key} changed`);
  }
  for (const key of before.keys()) if (!after.has(key)) lines.push(`${what} ${key} removed`);
  return lines;
}

/** One line a change, at most 50 and a line with the rest. */
export function changeLines(before: World | undefined, after: World, moved: readonly ServiceId[]): readonly string[] {
  if (before === undefined) return [`first state: ${after.services.size} services, ${after.routes.length} routes`];
  const routes = (world: World): Map<string, unknown> =>
    new Map(world.routes.map((route) => [`${route.namespace}/${route.name}`, route]));
  const lines = [
    ...(before.mesh === after.mesh ? [] : ['mesh settings changed']),
    ...mapLines('service', before.services, after.services),
    ...(before.routes === after.routes ? [] : mapLines('route', routes(before), routes(after))),
    ...mapLines('gateway', before.gateways, after.gateways),
    ...mapLines('authorizations of', before.authorizations, after.authorizations),
    ...mapLines('certificate', before.certificates, after.certificates),
    ...moved
      .slice(0, maxLines)
      .flatMap((id) => instanceLines(id, before.endpoints.get(id) ?? [], after.endpoints.get(id) ?? [])),
  ];
  return lines.length > maxLines ? [...lines.slice(0, maxLines), `and ${lines.length - maxLines} more`] : lines;
}
