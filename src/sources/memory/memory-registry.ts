// A registry held in memory: what a test or a static configuration puts in is what it tells.
// It does no I/O. Invariant: an unchanged service is the same object in every snapshot; equal content is told once.
import { isDeepStrictEqual } from 'node:util';
import type { Instance } from '../../model/instance.ts';
import type { Degraded, RegistryService, RegistrySnapshot } from '../../model/snapshot.ts';
import type { RegistrySource } from '../../model/source.ts';
import type { SourceDeps } from '../source-deps.ts';

/** Everything but id, address and port may be left out. */
export type MemoryInstance = Partial<Omit<Instance, 'key'>> & Pick<Instance, 'id' | 'address' | 'port'>;

export interface MemoryRegistryOptions {
  readonly name: string;
  readonly services?: Readonly<Record<string, readonly MemoryInstance[]>>;
  /** False: it stays incomplete until `up`. Default true. */
  readonly up?: boolean;
}

/** A registry source whose registry is in the hand of the caller. Changes are told in the same turn. */
export interface MemoryRegistry extends RegistrySource {
  /** Adds or replaces one instance. */
  register(service: string, instance: MemoryInstance): void;
  deregister(service: string, id: string): void;
  /** Replaces all of one service; undefined removes it. */
  replace(
    service: string,
    instances: readonly MemoryInstance[] | undefined,
    extra?: Omit<RegistryService, 'name' | 'instances'>,
  ): void;
  /** As if the registry could not be reached: changes are kept back until `up`. */
  down(reason?: string): void;
  /** Reachable again; `degraded` stays until the next `up` or `down`. */
  up(degraded?: Degraded): void;
}

export function createMemoryRegistry(_deps: SourceDeps, options: MemoryRegistryOptions): MemoryRegistry {
  const { name } = options;
  /** Sorted by name whenever a snapshot is taken of it. */
  let held = new Map<string, RegistryService>();
  let sorted = true;
  const listeners = new Set<(snapshot: RegistrySnapshot) => void>();
  let revision = 0;
  let reachable = options.up ?? true;
  let degraded: Degraded | undefined;
  let last = snapshotOf(false, reachable ? undefined : unreachable());
  if (reachable) last = snapshotOf(true, undefined);

  for (const [service, instances] of Object.entries(options.services ?? {})) store(service, instances);
  publish();

  function unreachable(reason = 'the registry is down'): Degraded {
    return { kind: 'unreachable', reason };
  }

  function snapshotOf(complete: boolean, state: Degraded | undefined): RegistrySnapshot {
    if (!sorted) held = new Map([...held].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)));
    sorted = true;
    return {
      source: name,
      kind: 'memory',
      revision: String(revision),
      complete,
      ...(state === undefined ? {} : { degraded: state }),
      services: complete ? new Map(held) : new Map(),
      problems: [],
    };
  }

  function store(
    service: string,
    instances: readonly MemoryInstance[],
    extra: Omit<RegistryService, 'name' | 'instances'> = {},
  ): void {
    const before = held.get(service);
    const old = new Map(before?.instances.map((instance) => [instance.key, instance]));
    const now = instances.map((given): Instance => {
      const instance: Instance = {
        health: 'healthy',
        weight: 1,
        metadata: {},
        tags: [],
        ...given,
        key: `${name}/${service}/${given.id}`,
      };
      const same = old.get(instance.key);
      return same !== undefined && isDeepStrictEqual(same, instance) ? same : instance;
    });
    now.sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0));
    const built: RegistryService = { name: service, instances: now, ...extra };
    if (isDeepStrictEqual(before, built)) return;
    if (before === undefined) sorted = false;
    held.set(service, built);
  }

  function publish(): void {
    const state = reachable ? degraded : last.degraded;
    const next = reachable ? snapshotOf(true, state) : last;
    if (next === last || sameContent(last, next)) return;
    revision++;
    last = { ...next, revision: String(revision) };
    for (const listener of listeners) listener(last);
  }

  return {
    name,
    kind: 'memory',
    register(service, instance) {
      const others = (held.get(service)?.instances ?? []).filter(({ id }) => id !== instance.id);
      store(service, [...others, instance]);
      publish();
    },
    deregister(service, id) {
      const left = (held.get(service)?.instances ?? []).filter((instance) => instance.id !== id);
      if (left.length === 0) held.delete(service);
      else store(service, left);
      publish();
    },
    replace(service, instances, extra) {
      if (instances === undefined) held.delete(service);
      else store(service, instances, extra);
      publish();
    },
    down(reason) {
      reachable = false;
      degraded = undefined;
      const state = unreachable(reason);
      if (isDeepStrictEqual(last.degraded, state)) return;
      revision++;
      last = { ...last, revision: String(revision), degraded: state };
      for (const listener of listeners) listener(last);
    },
    up(state) {
      reachable = true;
      degraded = state;
      publish();
    },
    run(signal, emit) {
      if (signal.aborted) return Promise.resolve();
      listeners.add(emit);
      emit(reachable ? last : { ...last, complete: false, services: new Map() });
      return new Promise((resolve) => {
        signal.addEventListener(
          'abort',
          () => {
            listeners.delete(emit);
            resolve();
          },
          { once: true },
        );
      });
    },
  };
}

function sameContent(a: RegistrySnapshot, b: RegistrySnapshot): boolean {
  if (a.complete !== b.complete || a.services.size !== b.services.size) return false;
  for (const [key, service] of b.services) if (a.services.get(key) !== service) return false;
  return isDeepStrictEqual(a.degraded, b.degraded);
}
