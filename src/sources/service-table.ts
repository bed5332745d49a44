// Registry rows (a key, an entry of a list, a DNS answer) kept as services with structural sharing.
// It must not know any registry. Invariant: an unchanged instance, service, and the whole map when nothing changed,
// are the same objects as before; the cost of a change is the services it touches.
import type { Instance } from '../model/instance.ts';
import type { RegistryService } from '../model/snapshot.ts';
import { canonicalJson } from '../util/hash.ts';

export interface ServiceTable {
  /** Sets a row; a row holds one instance of one service. */
  put(row: string, service: string, instance: Instance): void;
  /** The services that are known even without an instance; replaces those named before. */
  names(services: ReadonlySet<string>): void;
  remove(row: string): void;
  /** The row's instance as it is kept. */
  get(row: string): Instance | undefined;
  rows(): IterableIterator<string>;
  /** By name, sorted; instances sorted by key, of two with one key the first row's. */
  services(): ReadonlyMap<string, RegistryService>;
}

const order = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

export function createServiceTable(): ServiceTable {
  const rows = new Map<string, { readonly service: string; readonly instance: Instance }>();
  const byService = new Map<string, Map<string, Instance>>();
  let named: ReadonlySet<string> = new Set();
  const touched = new Set<string>();
  let services: ReadonlyMap<string, RegistryService> = new Map();

  function remove(row: string): void {
    const old = rows.get(row);
    if (old === undefined) return;
    rows.delete(row);
    const members = byService.get(old.service);
    members?.delete(row);
    if (members?.size === 0) byService.delete(old.service);
    touched.add(old.service);
  }

  function build(name: string): RegistryService | undefined {
    const members = byService.get(name);
    if (members === undefined) return named.has(name) ? { name, instances: [] } : undefined;
    const byKey = new Map<string, Instance>();
    for (const [, instance] of [...members].sort(([a], [b]) => order(a, b)))
      if (!byKey.has(instance.key)) byKey.set(instance.key, instance);
    return { name, instances: [...byKey.values()].sort((a, b) => order(a.key, b.key)) };
  }

  return {
    put(row, service, instance) {
      const old = rows.get(row);
      if (old?.service === service && sameInstance(old.instance, instance)) return;
      remove(row);
      rows.set(row, { service, instance });
      const members = byService.get(service) ?? new Map<string, Instance>();
      byService.set(service, members.set(row, instance));
      touched.add(service);
    },
    names(next) {
      for (const service of named.symmetricDifference(next)) touched.add(service);
      named = next;
    },
    remove,
    get: (row) => rows.get(row)?.instance,
    rows: () => rows.keys(),
    services() {
      if (touched.size === 0) return services;
      const next = new Map(services);
      let grown = false;
      for (const name of touched) {
        const old = next.get(name);
        const service = build(name);
        if (service === undefined) next.delete(name);
        else if (old === undefined || !sameList(old.instances, service.instances)) {
          grown ||= old === undefined;
          next.set(name, service);
        }
      }
      touched.clear();
      const same = next.size === services.size && [...next].every(([name, service]) => services.get(name) === service);
      if (!same) services = grown ? new Map([...next].sort(([a], [b]) => order(a, b))) : next;
      return services;
    },
  };
}

function sameInstance(a: Instance, b: Instance): boolean {
  return a === b || (a.key === b.key && canonicalJson(a) === canonicalJson(b));
}

function sameList(a: readonly Instance[], b: readonly Instance[]): boolean {
  return a.length === b.length && a.every((instance, index) => instance === b[index]);
}
