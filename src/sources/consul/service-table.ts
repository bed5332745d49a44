// The services of a registry, put together from the rows of each name: sidecars joined, unchanged objects kept.
// It must not know how rows are fetched. Invariant: an equal instance, service or problem list is the same object as before.
import { isDeepStrictEqual } from 'node:util';
import type { Instance } from '../../model/instance.ts';
import { createProblem, type Problem } from '../../model/problem.ts';
import type { DeclaredUpstream, RegistryService } from '../../model/snapshot.ts';
import type { ParsedRows } from './rows.ts';
import { matchSidecars, type Sidecar, withSidecar } from './sidecar.ts';

export interface ServiceTable {
  /** Replaces the rows of one name; true when that changed anything. */
  set(name: string, rows: ParsedRows): boolean;
  delete(name: string): boolean;
  /** True when rows of the name are held. */
  has(name: string): boolean;
  /** The same map as before when nothing changed. */
  services(): ReadonlyMap<string, RegistryService>;
  problems(): readonly Problem[];
  /** Names of which rows were left out because they could not be read. */
  torn(): readonly string[];
}

const noRows: ParsedRows = { instances: [], sidecars: [], problems: [], torn: false };

export function createServiceTable(): ServiceTable {
  const rowsOf = new Map<string, ParsedRows>();
  /** Sidecars by the service they stand before, then by the name they are registered under. */
  const sidecarsOf = new Map<string, Map<string, readonly Sidecar[]>>();
  const joinProblems = new Map<string, readonly Problem[]>();
  let services: ReadonlyMap<string, RegistryService> = new Map();
  let problems: readonly Problem[] = [];

  function indexSidecars(name: string, before: ParsedRows, after: ParsedRows): Set<string> {
    const destinations = new Set([...before.sidecars, ...after.sidecars].map(({ destination }) => destination));
    for (const destination of destinations) {
      const from = sidecarsOf.get(destination) ?? new Map<string, readonly Sidecar[]>();
      const now = after.sidecars.filter((sidecar) => sidecar.destination === destination);
      if (now.length === 0) from.delete(name);
      else from.set(name, now);
      if (from.size === 0) sidecarsOf.delete(destination);
      else sidecarsOf.set(destination, from);
    }
    return destinations;
  }

  function build(name: string): RegistryService | undefined {
    const rows = rowsOf.get(name);
    const before = services.get(name);
    joinProblems.delete(name);
    // A name that never held an instance (only sidecars, or nothing yet) is no service.
    if (rows === undefined || (rows.instances.length === 0 && (before === undefined || rows.sidecars.length > 0)))
      return undefined;
    const sidecars = [...(sidecarsOf.get(name)?.values() ?? [])].flat();
    const { matched, left } = matchSidecars(rows.instances, sidecars);
    if (left.length > 0 && rows.instances.length > 0) joinProblems.set(name, left.map(unmatched));
    const old = new Map(before?.instances.map((instance) => [instance.key, instance]));
    const upstreams = new Map<string, readonly DeclaredUpstream[]>();
    const instances = rows.instances.map((plain): Instance => {
      const sidecar = matched.get(plain);
      if (sidecar !== undefined && sidecar.upstreams.length > 0) upstreams.set(plain.instance.id, sidecar.upstreams);
      const instance = sidecar === undefined ? plain.instance : withSidecar(plain.instance, sidecar);
      const last = old.get(instance.key);
      return last !== undefined && isDeepStrictEqual(last, instance) ? last : instance;
    });
    instances.sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0));
    const built: RegistryService = { name, instances, ...(upstreams.size === 0 ? {} : { upstreams }) };
    return before !== undefined && same(before, built) ? before : built;
  }

  function refresh(names: Iterable<string>): boolean {
    let next: Map<string, RegistryService> | undefined;
    for (const name of names) {
      const built = build(name);
      if (built === services.get(name)) continue;
      next ??= new Map(services);
      if (built === undefined) next.delete(name);
      else next.set(name, built);
    }
    if (next !== undefined) services = next;
    return next !== undefined;
  }

  function refreshProblems(): boolean {
    const names = [...rowsOf.keys()].sort();
    const now = names.flatMap((name) => [...(rowsOf.get(name)?.problems ?? []), ...(joinProblems.get(name) ?? [])]);
    if (isDeepStrictEqual(now, problems)) return false;
    problems = now;
    return true;
  }

  function replace(name: string, rows: ParsedRows | undefined): boolean {
    const before = rowsOf.get(name) ?? noRows;
    if (rows === undefined) rowsOf.delete(name);
    else rowsOf.set(name, rows);
    const touched = indexSidecars(name, before, rows ?? noRows).add(name);
    const joined = [...touched].some((one) => joinProblems.has(one));
    const changed = refresh(touched);
    const telling = joined || before.problems.length > 0 || (rows?.problems.length ?? 0) > 0 || joinProblems.size > 0;
    return (telling && refreshProblems()) || changed;
  }

  return {
    set: (name, rows) => replace(name, rows),
    delete: (name) => replace(name, undefined),
    has: (name) => rowsOf.has(name),
    services: () => services,
    problems: () => problems,
    torn: () => [...rowsOf].filter(([, rows]) => rows.torn).map(([name]) => name),
  };
}

function same(a: RegistryService, b: RegistryService): boolean {
  return (
    a.instances.length === b.instances.length &&
    a.instances.every((instance, i) => instance === b.instances[i]) &&
    isDeepStrictEqual(a.upstreams, b.upstreams)
  );
}

function unmatched(sidecar: Sidecar): Problem {
  const which = sidecar.destinationId === '' ? '' : ` with the id "${sidecar.destinationId}"`;
  const message = `"${sidecar.id}" stands before no instance of "${sidecar.destination}"${which} on its node`;
  return createProblem('CH1318', sidecar.at, message, { severity: 'warning' });
}
