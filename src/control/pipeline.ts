// From snapshots to published views: keeps the latest of every source, guards them, builds the World, and publishes.
// Endpoints go at once; structure on the leading edge, then at most once in a window that follows the cost of a build.
// It knows no registry and no stream. Invariant: nothing is published before every source has reported whole once.

import type { WorldInput } from '../model/next-world.ts';
import type { ObjectSnapshot, RegistrySnapshot } from '../model/snapshot.ts';
import type { World } from '../model/world.ts';
import type { Clock, Timer } from '../util/clock.ts';
import type { Logger } from '../util/log.ts';
import type { Histogram } from '../util/metrics.ts';
import { type GuardState, guard } from './guard.ts';

export interface PipelineDeps {
  readonly clock: Clock;
  readonly log: Logger;
  readonly buildSeconds: Histogram;
  /** Pure; the same object back when nothing changed. */
  readonly next: (input: WorldInput) => World;
  /** While files that it names are read for the first time; until then it is not published. Never rejects. */
  readonly reading?: (world: World) => Promise<void> | undefined;
  /** Another object whenever views depend on what changed in the endpoints. */
  readonly endpointFacts: (world: World) => object;
  /** Called for every new World, before structure is published. `at`: monotonic milliseconds of the event behind it. */
  readonly onWorld: (world: World, before: World | undefined, at: number) => void;
  /** Publish everything but endpoints. */
  readonly onStructure: (world: World, at: number) => void;
}

export interface PipelineOptions {
  /** Names in order of precedence: earlier registries win conflicts. */
  readonly registries: readonly string[];
  readonly objects: readonly string[];
  readonly holdMs: number;
}

export interface Hold {
  readonly source: string;
  readonly reason: string;
  /** Monotonic milliseconds; undefined: until the source answers whole again. */
  readonly untilMs?: number;
}

export interface Pipeline {
  registry(snapshot: RegistrySnapshot): void;
  objects(snapshot: ObjectSnapshot): void;
  /** Something else that `next` works from is another. */
  again(): void;
  world(): World | undefined;
  /** Revision of the last World that is published whole, structure included; 0 before the first. */
  publishedRevision(): number;
  /** Sources that have not reported whole yet. */
  waitingFor(): readonly string[];
  holds(): readonly Hold[];
  latestObjects(): readonly ObjectSnapshot[];
  latestRegistries(): readonly RegistrySnapshot[];
  /** The registries as the World sees them, after the guard. */
  servedRegistries(): readonly RegistrySnapshot[];
  stop(): void;
}

/** Smallest and largest time between two structural builds, milliseconds. */
const minWindowMs = 2;
const maxWindowMs = 100;

export function createPipeline(deps: PipelineDeps, options: PipelineOptions): Pipeline {
  const { clock } = deps;
  const guards = new Map<string, GuardState>();
  const rawRegistries = new Map<string, RegistrySnapshot>();
  const goodObjects = new Map<string, ObjectSnapshot>();
  const expiry = new Map<string, Timer>();
  let world: World | undefined;
  /** The last one that `onWorld` took without failing. */
  let taken: World | undefined;
  let facts: object | undefined;
  let publishedRevision = 0;
  let fault: string | undefined;
  let turnAt: number | undefined;
  let structureTimer: Timer | undefined;
  let structureAt: number | undefined;
  let quietUntilMs = Number.NEGATIVE_INFINITY;

  function waitingFor(): string[] {
    return [
      ...options.registries.filter((name) => guards.get(name)?.served.complete !== true),
      ...options.objects.filter((name) => goodObjects.get(name)?.complete !== true),
    ];
  }

  const servedRegistries = (): RegistrySnapshot[] =>
    options.registries.flatMap((name) => guards.get(name)?.served ?? []);

  /**
   * What one World makes fail must not end the process, and with it every stream: the last good state stays, and the next
   * World, or this one at the next word of a source, is published whole, whatever was published of this one. Until then the
   * fault stands.
   */
  function fenced(work: () => void): void {
    try {
      work();
    } catch (error) {
      facts = undefined;
      fault = `internal error, the last good state is served: ${error instanceof Error ? error.message : String(error)}`;
      deps.log.error('a state could not be published', { err: error });
    }
  }

  /** All changes of one turn become one World. */
  function activate(): void {
    if (turnAt !== undefined) return;
    turnAt = clock.now();
    queueMicrotask(() => {
      const at = turnAt ?? clock.now();
      turnAt = undefined;
      fenced(() => build(at));
    });
  }

  function build(at: number): void {
    if (waitingFor().length > 0) return;
    const before = world;
    const next = deps.next({
      registries: servedRegistries(),
      objects: options.objects.flatMap((name) => goodObjects.get(name) ?? []),
    });
    if (next === before && fault === undefined) return;
    const reading = deps.reading?.(next);
    if (reading !== undefined) {
      void reading.then(activate);
      return;
    }
    world = next;
    if (next !== taken) deps.onWorld(next, taken, at);
    taken = next;
    const beforeFacts = facts;
    facts = deps.endpointFacts(next);
    if (before === undefined || beforeFacts !== facts || structural(before, next)) structure(at);
    else if (structureAt === undefined) publishedRevision = next.revision;
  }

  function structure(at: number): void {
    structureAt ??= at;
    if (structureTimer !== undefined) return;
    const wait = quietUntilMs - clock.now();
    if (wait <= 0) publish();
    else structureTimer = clock.after(wait, () => fenced(publish));
  }

  function publish(): void {
    structureTimer = undefined;
    const at = structureAt ?? clock.now();
    structureAt = undefined;
    if (world === undefined) return;
    const start = clock.now();
    try {
      deps.onStructure(world, at);
      publishedRevision = world.revision;
      fault = undefined;
    } finally {
      const took = clock.now() - start;
      deps.buildSeconds.observe({}, took / 1000);
      quietUntilMs = clock.now() + Math.min(maxWindowMs, Math.max(minWindowMs, 2 * took));
    }
  }

  function feed(snapshot: RegistrySnapshot): void {
    const before = guards.get(snapshot.source);
    const state = guard(before, { snapshot, nowMs: clock.now(), holdMs: options.holdMs });
    guards.set(snapshot.source, state);
    if (state.held !== undefined && state.held !== before?.held)
      deps.log.warn('registry answer held back', { source: snapshot.source, reason: state.held });
    if (state.held === undefined && before?.held !== undefined)
      deps.log.info('registry answer released', { source: snapshot.source });
    if (state.suspectUntilMs !== before?.suspectUntilMs) {
      expiry.get(snapshot.source)?.cancel();
      expiry.delete(snapshot.source);
      if (state.suspectUntilMs !== undefined) {
        const wait = state.suspectUntilMs - clock.now() + 1;
        expiry.set(
          snapshot.source,
          clock.after(wait, () => reconsider(snapshot.source)),
        );
      }
    }
    activate();
  }

  /** The window of suspicion ended: the last answer counts as it is. */
  function reconsider(source: string): void {
    const last = rawRegistries.get(source);
    if (last !== undefined) feed(last);
  }

  return {
    registry(snapshot) {
      rawRegistries.set(snapshot.source, snapshot);
      feed(snapshot);
    },
    objects(snapshot) {
      goodObjects.set(snapshot.source, trusted(goodObjects.get(snapshot.source), snapshot));
      activate();
    },
    again: activate,
    world: () => world,
    publishedRevision: () => publishedRevision,
    waitingFor,
    holds: () => [
      ...(fault === undefined ? [] : [{ source: 'control', reason: fault }]),
      ...[...guards].flatMap(([source, state]) =>
        state.held === undefined
          ? []
          : [
              {
                source,
                reason: state.held,
                ...(state.suspectUntilMs === undefined ? {} : { untilMs: state.suspectUntilMs }),
              },
            ],
      ),
    ],
    latestObjects: () => options.objects.flatMap((name) => goodObjects.get(name) ?? []),
    servedRegistries,
    latestRegistries: () => options.registries.flatMap((name) => rawRegistries.get(name) ?? []),
    stop() {
      structureTimer?.cancel();
      for (const timer of expiry.values()) timer.cancel();
    },
  };
}

/** What is served of an object source: of a doubtful answer what is there is taken, and what is missing is kept. */
function trusted(good: ObjectSnapshot | undefined, snapshot: ObjectSnapshot): ObjectSnapshot {
  if (good?.complete !== true || (snapshot.complete && snapshot.degraded === undefined)) return snapshot;
  const nothingNew = !snapshot.complete || snapshot.degraded?.kind === 'unreachable';
  const documents = nothingNew ? good.documents : new Map([...good.documents, ...snapshot.documents]);
  return { ...snapshot, complete: true, documents };
}

/** Everything of a World that views are made of, but instances. A part that is missing here would be served at the next change of another. */
const structure = {
  mesh: true,
  services: true,
  routes: true,
  gateways: true,
  authorizations: true,
  certificates: true,
} as const satisfies Record<
  Exclude<keyof World, 'revision' | 'endpoints' | 'upstreams' | 'problems' | 'sources'>,
  true
>;
const structureParts = Object.keys(structure) as readonly (keyof typeof structure)[];

/** True when more than instances differs. */
function structural(before: World, after: World): boolean {
  return structureParts.some((part) => before[part] !== after[part]);
}
