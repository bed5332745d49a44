// Instances registered in etcd, in one of four layouts (layouts.ts), mirrored by keyspace.ts.
// It must not know Envoy. Invariant: a value that cannot be read costs nothing but a Problem: what its key gave last stays.
import { createProblem, type Problem } from '../../model/problem.ts';
import type { RegistrySnapshot } from '../../model/snapshot.ts';
import type { RegistrySource } from '../../model/source.ts';
import type { EtcdAccess } from '../../util/etcd/access.ts';
import { createRegistryEmitter } from '../emitter.ts';
import { createServiceTable } from '../service-table.ts';
import type { SourceDeps } from '../source-deps.ts';
import { type KeyspaceOptions, type KeyspaceState, runKeyspace } from './keyspace.ts';
import { type EtcdLayout, readKey } from './layouts.ts';

export interface EtcdRegistryOptions extends EtcdAccess, Pick<KeyspaceOptions, 'confirmMs' | 'relistMs' | 'probeMs'> {
  readonly name: string;
  /** Keys that start with it are instances. */
  readonly prefix: string;
  readonly layout: EtcdLayout;
  /** Warns of services whose keys have no lease. Default: for `naming` and `go-micro`, whose libraries always attach one. */
  readonly leaseWarnings?: boolean;
}

export function createEtcdRegistry(deps: SourceDeps, options: EtcdRegistryOptions): RegistrySource {
  return {
    name: options.name,
    kind: 'etcd',
    run(signal, emit) {
      const pass = createRegistryEmitter(emit);
      const reader = createKeyReader(options);
      return runKeyspace(
        deps,
        { ...options, access: options },
        {
          signal,
          tell(state) {
            const snapshot: RegistrySnapshot = {
              source: options.name,
              kind: 'etcd',
              revision: state.revision,
              complete: state.complete,
              ...reader.next(state),
              ...(state.degraded === undefined ? {} : { degraded: state.degraded }),
            };
            pass(snapshot);
          },
        },
      );
    },
  };
}

/** Most Problems told at once: a prefix full of something else is one mistake. */
const maxProblems = 50;

export interface KeyReader {
  next(state: Pick<KeyspaceState, 'entries' | 'changed'>): Pick<RegistrySnapshot, 'services' | 'problems'>;
}

/** Keys to services over time. Costs what changed. */
export function createKeyReader(options: Omit<EtcdRegistryOptions, 'endpoints'>): KeyReader {
  const { name: source, prefix, layout } = options;
  const leaseWarnings = options.leaseWarnings ?? (layout === 'naming' || layout === 'go-micro');
  const table = createServiceTable();
  /** Rows of the table by key. */
  const rowsOf = new Map<string, readonly string[]>();
  const faults = new Map<string, Problem>();
  const others = new Set<string>();
  /** Keys without a lease, by service. */
  const leaseless = new Map<string, Set<string>>();
  const leaselessService = new Map<string, string>();
  let problemsChanged = false;
  let problems: readonly Problem[] = [];

  function at(key: string, service = ''): Problem['at'] {
    return { source, file: prefix + key, line: 1, column: 1, object: service === '' ? '' : `service ${service}` };
  }

  function forget(key: string): void {
    for (const row of rowsOf.get(key) ?? []) table.remove(row);
    rowsOf.delete(key);
  }

  /** The service of a key without a lease; undefined: it has one, or is gone. */
  function noteLease(key: string, service: string | undefined): void {
    const old = leaselessService.get(key);
    if (old === service) return;
    problemsChanged = true;
    if (old !== undefined) {
      const keys = leaseless.get(old);
      keys?.delete(key);
      if (keys?.size === 0) leaseless.delete(old);
      leaselessService.delete(key);
    }
    if (service === undefined) return;
    leaselessService.set(key, service);
    leaseless.set(service, (leaseless.get(service) ?? new Set()).add(key));
  }

  function read(key: string, entries: KeyspaceState['entries']): void {
    if (faults.delete(key) || others.delete(key)) problemsChanged = true;
    const entry = entries.get(key);
    if (entry === undefined) {
      noteLease(key, undefined);
      forget(key);
      return;
    }
    const meaning = readKey(layout, { source, prefix, key, value: entry.value });
    switch (meaning.kind) {
      case 'instances': {
        const rows = meaning.instances.map((_, index) => `${key}\0${index}`);
        for (const row of rowsOf.get(key) ?? []) if (!rows.includes(row)) table.remove(row);
        meaning.instances.forEach((instance, index) => {
          table.put(rows[index] ?? key, meaning.service, instance);
        });
        rowsOf.set(key, rows);
        noteLease(key, leaseWarnings && !entry.leased ? meaning.service : undefined);
        return;
      }
      case 'fault': {
        noteLease(key, undefined);
        const kept = rowsOf.has(key) ? '; its last good instance stays' : '';
        const message = `the value of "${prefix}${key}" cannot be read: ${meaning.reason}${kept}`;
        problemsChanged = true;
        faults.set(key, createProblem('CH1330', at(key, meaning.service), message));
        return;
      }
      case 'other':
        problemsChanged = true;
        others.add(key);
        noteLease(key, undefined);
        forget(key);
        return;
      case 'none':
        noteLease(key, undefined);
        forget(key);
        return;
    }
  }

  function collect(): readonly Problem[] {
    const list = [...faults.keys()].sort().flatMap((key) => faults.get(key) ?? []);
    const [first] = [...others].sort();
    if (first !== undefined) {
      const more = others.size === 1 ? '' : ` and ${others.size - 1} more`;
      const message = `"${prefix}${first}"${more}: no instance in the layout "${layout}"`;
      list.push(createProblem('CH1331', at(first), message, { severity: 'warning' }));
    }
    for (const [service, keys] of [...leaseless].sort(([a], [b]) => (a < b ? -1 : 1))) {
      const [key = ''] = [...keys].sort();
      const message = `${keys.size} of its keys ${keys.size === 1 ? 'has' : 'have'} no lease, so an instance that dies stays`;
      list.push(createProblem('CH1332', at(key, service), message, { severity: 'warning' }));
      if (list.length >= maxProblems) break;
    }
    return list.slice(0, maxProblems);
  }

  return {
    next({ entries, changed }) {
      for (const key of changed) read(key, entries);
      if (problemsChanged) problems = collect();
      problemsChanged = false;
      return { services: table.services(), problems };
    },
  };
}
