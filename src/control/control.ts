// Control: runs the sources, turns their snapshots into published views, and keeps account of what proxies took or refused.
// It wires floor 2 together and owns no rule of theirs: sources read, translate translates, xds speaks.
// Invariant: inert until `run`; every read is of a whole published state.

import { createWorldBuilder, type WorldInput } from '../model/next-world.ts';
import type { Problem } from '../model/problem.ts';
import { createSidecarConflicts } from '../model/sidecar-conflicts.ts';
import type { ObjectSnapshot } from '../model/snapshot.ts';
import type { ObjectSource, ObjectStore, RegistrySource } from '../model/source.ts';
import type { World } from '../model/world.ts';
import { typeUrls } from '../resources/type-urls.ts';
import type { Translator } from '../translate/contract.ts';
import type { Clock } from '../util/clock.ts';
import type { Logger } from '../util/log.ts';
import type { Metrics } from '../util/metrics.ts';
import { runAll } from '../util/tasks.ts';
import type { ViewProvider } from '../xds/contract.ts';
import { changeLines, movedServices } from './changes.ts';
import { createClients } from './clients.ts';
import type { Control, ControlEvent } from './contract.ts';
import type { EdgeCertificates } from './edge-certificates.ts';
import { identify, keepingWayIn } from './identify.ts';
import type { KeyFiles } from './key-files.ts';
import { createLedger, type Settled } from './ledger.ts';
import { createLoads } from './loads.ts';
import { createMeasures } from './measures.ts';
import { createObjects } from './objects.ts';
import { createPipeline } from './pipeline.ts';
import { createProblemLog } from './problem-log.ts';
import { createRejections } from './rejections.ts';
import type { Secrets } from './secrets.ts';
import { statusReport } from './status.ts';
import { createViews, type Views } from './views.ts';

export interface ControlDeps {
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly translator: Translator;
  /** In order of precedence. */
  readonly registries: readonly RegistrySource[];
  readonly objectSources: readonly ObjectSource[];
  /** One of `objectSources`; absent: objects are read-only. */
  readonly store?: ObjectStore;
  /** Who callers are; absent: nobody is asked for a credential. */
  readonly authenticator?: Pick<Required<ViewProvider>, 'authenticate' | 'onRevoked'>;
  /** Certificates for proxies; absent: all traffic is in plaintext. */
  readonly secrets?: Secrets;
  /** What edges show to their clients; with `secrets` only. */
  readonly edge?: EdgeCertificates;
  /** What is waited for before `run` begins, beside the sources. */
  readonly awaits?: () => readonly string[];
  /** The files of keys that Authorizations name; absent: none is read. */
  readonly keyFiles?: KeyFiles;
}

export interface ControlOptions {
  /** Longest time a suspicious answer of a registry is held back (`guard.hold`), milliseconds. */
  readonly holdMs: number;
  /** Of who issues the certificates. */
  readonly trustDomain?: string;
}

const noLabels = {};
/** How long `apply` waits for its own write to come back from the store. */
const settleDeadlineMs = 3_000;

export function createControl(deps: ControlDeps, options: ControlOptions): Control {
  const { clock, translator } = deps;
  const log = deps.log.child('control');
  const measures = createMeasures(deps.metrics);
  const { trustDomain } = options;
  const certificates = deps.secrets !== undefined && (trustDomain === undefined || { trustDomain });
  const builder = createWorldBuilder({ certificates });
  const keySets = (): Pick<WorldInput, 'keySets'> =>
    deps.keyFiles === undefined ? {} : { keySets: deps.keyFiles.keySets() };
  const ledger = createLedger(clock);
  const loads = createLoads();
  const clients = createClients();
  const listeners = new Set<(event: ControlEvent) => void>();
  const endpointListeners = new Set<(names: readonly string[]) => void>();
  const objectListeners = new Set<(snapshot: ObjectSnapshot) => void>();
  const rejections = createRejections(log, clock);
  let views: Views | undefined;
  let publishedAt = 0;

  const tell = (event: ControlEvent): void => {
    for (const listener of listeners) listener(event);
  };

  const problemLog = createProblemLog(log, (problem) => tell({ kind: 'problem', problem }));

  const pipeline = createPipeline(
    {
      clock,
      log,
      buildSeconds: measures.buildSeconds,
      next: (input) => builder.next({ ...input, ...keySets() }),
      reading: (world) => deps.keyFiles?.follow(world.authorizations),
      endpointFacts: translator.endpointFacts,
      onWorld,
      onStructure,
    },
    {
      registries: deps.registries.map(({ name }) => name),
      objects: deps.objectSources.map(({ name }) => name),
      holdMs: options.holdMs,
    },
  );

  function onWorld(world: World, before: World | undefined, at: number): void {
    measures.world();
    publishedAt = at;
    const moved = movedServices(before, world);
    const changes = changeLines(before, world, moved);
    log.info('world changed', { revision: world.revision, changes });
    tell({ kind: 'world', revision: world.revision, atMs: clock.wall(), changes });
    problemLog.add(world.problems);
    deps.edge?.follow(world);
    if (views === undefined) {
      views = createViews(translator, world, deps.secrets, deps.edge);
      return;
    }
    const endpoints = views.publishEndpoints(world);
    if (endpoints.length > 0) for (const listener of endpointListeners) listener(endpoints);
    const roles = before?.services !== world.services || before?.gateways !== world.gateways;
    const concerned = roles ? [...clients.all()] : moved.flatMap((service) => [...clients.sidecarsOf(service)]);
    for (const one of concerned) {
      const profile = identify(one.client, world);
      // What it owns does not change while its stream lives.
      if (!('refused' in profile)) clients.move(one, keepingWayIn(one.open.profile, profile));
    }
  }

  function onStructure(world: World, at: number): void {
    publishedAt = at;
    if (views === undefined) return;
    views.publishContent(world);
    loads.keep(inSomeView);
    problemLog.all(allProblems());
  }

  function inSomeView(cluster: string): boolean {
    for (const { content } of views?.contents() ?? [])
      if (content.resources.get(typeUrls.cluster)?.has(cluster) === true) return true;
    return false;
  }

  function settled(done: Settled | undefined): void {
    if (done === undefined) return;
    const { record, afterMs } = done;
    measures.propagationSeconds.observe(noLabels, afterMs / 1000);
    tell({ kind: 'acked', node: record.client.nodeId, revision: record.revision, afterMs });
  }

  const sidecarConflicts = createSidecarConflicts();

  function allProblems(): readonly Problem[] {
    const found = new Map<string, Problem>();
    const add = (problem: Problem): void => {
      const { source, file, line, column, object } = problem.at;
      // By its place too: two files that make one mistake are two to mend.
      found.set([problem.code, source, file, line, column, object, problem.path, problem.message].join('\0'), problem);
    };
    for (const snapshot of pipeline.latestRegistries()) for (const problem of snapshot.problems) add(problem);
    const world = pipeline.world();
    if (world !== undefined) for (const problem of [...world.problems, ...sidecarConflicts(world)]) add(problem);
    for (const problem of deps.edge?.problems() ?? []) add(problem);
    for (const problem of deps.keyFiles?.problems() ?? []) add(problem);
    for (const { content } of views?.contents() ?? []) for (const problem of content.problems) add(problem);
    return [...found.values()];
  }

  async function awaitObjects(seen: (snapshot: ObjectSnapshot) => boolean): Promise<void> {
    const store = deps.store?.name;
    const here = (): boolean =>
      pipeline.latestObjects().some((snapshot) => snapshot.source === store && seen(snapshot));
    if (here()) return;
    await new Promise<void>((resolve) => {
      const done = (): void => {
        timer.cancel();
        objectListeners.delete(listener);
        resolve();
      };
      const timer = clock.after(settleDeadlineMs, done);
      const listener = (): void => {
        if (here()) done();
      };
      objectListeners.add(listener);
    });
  }

  const objects = createObjects({
    store: deps.store,
    snapshots: () => pipeline.latestObjects(),
    evaluate: (snapshots) =>
      createWorldBuilder({ certificates }).next({
        ...{ registries: pipeline.servedRegistries(), objects: snapshots },
        ...keySets(),
      }),
    settled: awaitObjects,
  });

  deps.edge?.onChange(() => problemLog.all(allProblems()));
  deps.keyFiles?.onChange(() => {
    problemLog.all(allProblems());
    pipeline.again();
  });

  return {
    async run(signal) {
      await runAll(signal, [
        ...deps.registries.map((source) => (inner: AbortSignal) => source.run(inner, onRegistry)),
        ...deps.objectSources.map((source) => (inner: AbortSignal) => source.run(inner, onObjects)),
      ]);
      pipeline.stop();

      function onRegistry(snapshot: Parameters<typeof pipeline.registry>[0]): void {
        pipeline.registry(snapshot);
        const { source: name, kind, revision, complete, degraded } = snapshot;
        tell({
          kind: 'source',
          state: { name, kind, revision, complete, ...(degraded === undefined ? {} : { degraded }) },
        });
      }
      function onObjects(snapshot: ObjectSnapshot): void {
        pipeline.objects(snapshot);
        for (const listener of objectListeners) listener(snapshot);
      }
    },

    status: () =>
      statusReport({
        clock,
        world: pipeline.world(),
        publishedRevision: pipeline.publishedRevision(),
        waitingFor: [...(deps.awaits?.() ?? []), ...pipeline.waitingFor()],
        ledger,
        viewOf: (streamId) => clients.get(streamId)?.open,
        rejections: rejections.latest,
        problems: allProblems(),
        holds: pipeline.holds(),
      }),

    world: () => pipeline.world(),

    load: () => loads.report(),

    certificates: () =>
      [...clients.all()].flatMap(({ client, open }) => {
        const issued = open.issued();
        return issued === undefined ? [] : [{ node: client.nodeId, ...issued }];
      }),

    viewOf(node) {
      for (const { client, open } of clients.all()) if (client.nodeId === node) return open.view;
      return undefined;
    },

    open(client, onChange) {
      const world = pipeline.world();
      if (world === undefined || views === undefined) {
        return { refused: 'unavailable', message: `not synced yet: waiting for ${pipeline.waitingFor().join(', ')}` };
      }
      const profile = identify(client, world);
      if ('refused' in profile) return profile;
      const open = views.open(profile, onChange);
      clients.add({ client, open });
      problemLog.add(open.problems);
      return {
        view: () => open.view,
        close() {
          clients.remove(client.streamId);
          open.close();
        },
      };
    },

    ...deps.authenticator,

    onEndpoints(listener) {
      endpointListeners.add(listener);
      return () => endpointListeners.delete(listener);
    },

    xdsEvent(event) {
      if (event.kind === 'due') {
        ledger.published(event.streamId, { atMs: publishedAt, revision: pipeline.publishedRevision() });
        return;
      }
      if (event.kind === 'load') {
        const view = clients.get(event.streamId)?.open.view;
        loads.take(event.streamId, event.clusters, (cluster) => view?.get(typeUrls.cluster, cluster) !== undefined);
        return;
      }
      if (event.kind === 'load-end') {
        loads.end(event.streamId);
        return;
      }
      measures.event(event);
      if (event.kind === 'nack') {
        const from = clients.get(event.streamId);
        if (from !== undefined) tell({ kind: 'rejected', rejection: rejections.take(event, from) });
      }
      const closing = event.kind === 'close' ? ledger.stream(event.streamId)?.client.nodeId : undefined;
      settled(ledger.take(event, pipeline.publishedRevision()));
      if (event.kind === 'open')
        tell({ kind: 'proxy', node: event.client.nodeId, state: 'pending', atMs: clock.wall() });
      if (closing !== undefined && !ledger.online(closing))
        tell({ kind: 'proxy', node: closing, state: 'offline', atMs: clock.wall() });
    },

    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },

    objects: objects.list,
    apply: objects.apply,
    remove: objects.remove,
  };
}
