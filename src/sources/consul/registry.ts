// Consul as a registry: the list of services and the health of each, followed by one blocking query a name, as one snapshot.
// It must not know Envoy or objects. What may be dialled, and how healthy it is, is decided in rows.ts; how a key is
// followed, in blocking-query.ts. Invariant: an event is emitted in the turn its answer arrives in; nothing waits here.
import { isDeepStrictEqual } from 'node:util';
import { defined } from '../../model/defined.ts';
import type { Problem } from '../../model/problem.ts';
import { shared } from '../../model/sharing.ts';
import type { RegistrySnapshot } from '../../model/snapshot.ts';
import type { RegistrySource } from '../../model/source.ts';
import type { ConsulAccess } from '../../util/consul/access.ts';
import { type Answer, unreadable } from '../../util/consul/answer.ts';
import { type Consistency, createConsulClient } from '../../util/consul/client.ts';
import { type AppError, errorText } from '../../util/errors.ts';
import type { SourceDeps } from '../source-deps.ts';
import { type BlockingQuery, createBlockingQuery } from './blocking-query.ts';
import { degradedBy } from './degraded.ts';
import { createIntentionsFollower } from './intentions-follower.ts';
import { isRecord } from './json-reader.ts';
import { createNames } from './names.ts';
import { createReader } from './reader.ts';
import { parseRows } from './rows.ts';
import { createServiceTable } from './service-table.ts';
import { defaultTiming, listTiming } from './timing.ts';

export interface ConsulRegistryOptions extends ConsulAccess {
  /** Name of the source. */
  readonly name: string;
  readonly consistency?: Consistency;
  /** Only instances with this tag. */
  readonly tag?: string;
  /** Only these services (and their sidecars); absent: all but Consul's own. */
  readonly services?: readonly string[];
  /** Which of TaggedAddresses to dial, e.g. `wan`. */
  readonly taggedAddress?: string;
  /** Reads the service-intentions too; they are a part of every snapshot. */
  readonly intentions?: boolean;
  /** What holds between two of which no intention speaks; default `deny`. */
  readonly intentionsDefault?: 'allow' | 'deny';
  /** Longest wait of a blocking query; default 60 s, at most 10 min (Consul's own bound). */
  readonly waitMs?: number;
  /** Time between whole re-reads of a key; default 5 min, spread by a quarter. */
  readonly resyncMs?: number;
  /** Requests open at once; default 176, below Consul's limit of 200 connections a client. */
  readonly maxConnections?: number;
  /** How long after a reconnect an answer must hold to be believed; default 3 s (an agent that restarts tells the truth of its checks only after its first sync, seen within 1.5 s). */
  readonly confirmMs?: number;
}

/** How long a service that cannot be read keeps the first snapshot from being complete. */
const graceMs = 30_000;
/** Wait of each query where there are more names than connections, so that all get their turn. */
const crowdedWaitMs = 1000;

/**
 * Degraded states: `unreachable` while the list of services cannot be read (last good is kept); `suspect` from the first
 * answer after any failure, or after the index went backwards with other content, until a later answer confirmed it;
 * `partial` when rows may be missing: filtered by ACLs, no leader, a service that cannot be read, unreadable rows.
 */
export function createConsulRegistry(deps: SourceDeps, options: ConsulRegistryOptions): RegistrySource {
  const { name } = options;
  const log = deps.log.child(`consul-${name}`);
  return {
    name,
    kind: 'consul',
    async run(signal, emit) {
      const maxConnections = options.maxConnections ?? 176;
      const client = createConsulClient(deps.clock, options, maxConnections + (options.intentions ? 1 : 0));
      const reader = createReader({ ...deps, log }, { client, source: name, maxConnections });
      const table = createServiceTable();
      const consistency = options.consistency ?? 'default';
      const given = {
        confirmMs: options.confirmMs ?? defaultTiming.confirmMs,
        resyncMs: options.resyncMs ?? defaultTiming.resyncMs,
      };
      const longWaitMs = (): number => Math.min(options.waitMs ?? 60_000, 600_000);
      const waitMs = (): number => (reader.crowded(names.all().length) ? crowdedWaitMs : longWaitMs());
      const startedAt = deps.clock.now();
      let last: RegistrySnapshot | undefined;
      let complete = false;

      function follow(what: string, path: string, take: (answer: Answer) => boolean, service?: string): BlockingQuery {
        let failing = false;
        const query: BlockingQuery = createBlockingQuery(deps, {
          read: (params, inner) =>
            reader.read(
              {
                what,
                path,
                always: service === undefined,
                ...(service === undefined ? {} : { params: { service } }),
                consistency: params.full && consistency === 'stale' ? 'default' : consistency,
                ...(params.blocking === undefined ? {} : { blocking: params.blocking }),
              },
              inner,
            ),
          take,
          settled: () => {
            if (failing && query.failure === undefined) retryOthers();
            failing = query.failure !== undefined;
            publish();
          },
          diverged: () => reader.diverged(),
          waitMs: service === undefined ? longWaitMs : waitMs,
          timing:
            service === undefined
              ? { ...listTiming, ...given }
              : { ...defaultTiming, maxBackoffMs: 10 * defaultTiming.maxBackoffMs, ...given },
        });
        return query;
      }

      /** Consul answers again: nobody has to sit out a back-off. */
      function retryOthers(): void {
        const others = intentions === undefined ? [] : [intentions.query];
        for (const query of [list, ...others, ...names.all()]) if (query.failure !== undefined) query.retryNow();
      }

      function takeList(answer: Answer): boolean {
        if (!isRecord(answer.body)) throw unreadable('catalog/services', 'the answer is not an object');
        const { added, removed } = names.set(wanted(answer.body, options));
        for (const gone of removed) table.delete(gone);
        // The list wakes for every registration; which service it was, it does not say.
        reader.hurry();
        return added.length > 0 || removed.length > 0;
      }

      function takeRows(service: string, answer: Answer): boolean {
        const what = `health/service/${service}`;
        if (!Array.isArray(answer.body)) throw unreadable(what, 'the answer is not a list');
        return table.set(service, parseRows(answer.body, { ...options, source: name, service }));
      }

      const list = follow('catalog/services', '/catalog/services', takeList);
      const names = createNames(signal, (service) =>
        follow(
          `health/service/${service}`,
          '/health/service/{service}',
          (answer) => takeRows(service, answer),
          service,
        ),
      );

      const { intentionsDefault: fallback = 'deny', namespace, partition } = options;
      const intentions = options.intentions
        ? createIntentionsFollower({ ...defined({ namespace, partition }), source: name, fallback }, follow)
        : undefined;

      function isComplete(): boolean {
        if (list.trust === 'new' || (intentions !== undefined && intentions.current() === undefined)) return false;
        const late = deps.clock.now() - startedAt >= graceMs;
        return names.all().every(({ trust, failure }) => trust !== 'new' || (late && failure !== undefined));
      }

      function publish(): void {
        if (signal.aborted) return;
        complete ||= isComplete();
        const said = intentions?.current();
        // A failure of theirs is no reason to doubt the rows, but there is nothing to serve before they were read.
        const untold = list.failure === undefined ? (intentions?.problems() ?? []) : [];
        const degraded =
          degradedBy({ list, services: names.all(), torn: table.torn() }) ??
          (complete ? undefined : waiting(intentions?.query.failure));
        const problems = [...table.problems(), ...(said?.problems ?? []), ...untold];
        const snapshot: RegistrySnapshot = {
          source: name,
          kind: 'consul',
          revision: String(Math.max(0, ...[list, ...names.all()].map((query) => query.last?.index ?? 0))),
          complete,
          ...(degraded === undefined ? {} : { degraded }),
          services: complete ? table.services() : new Map(),
          problems: complete ? shared<readonly Problem[]>(last?.problems, problems) : [],
          ...(complete && said !== undefined ? { intentions: said.intentions } : {}),
        };
        if (last !== undefined && equal(last, snapshot)) return;
        if (last === undefined && !complete && degraded === undefined) return;
        if (!isDeepStrictEqual(last?.degraded, degraded)) tellDegraded(degraded);
        last = snapshot;
        emit(snapshot);
      }

      function tellDegraded(degraded: RegistrySnapshot['degraded']): void {
        if (degraded === undefined) log.info('the registry is whole again');
        else log.warn(`the registry is degraded: ${degraded.reason}`, { kind: degraded.kind });
      }

      try {
        await names.run(async (inner) => void (await Promise.all([list.run(inner), intentions?.query.run(inner)])));
      } finally {
        client.close();
      }
    },
  };
}

function waiting(failure: AppError | undefined): RegistrySnapshot['degraded'] {
  return failure === undefined ? undefined : { kind: 'partial', reason: errorText(failure) };
}

function equal(a: RegistrySnapshot, b: RegistrySnapshot): boolean {
  return (
    a.complete === b.complete &&
    (a.services === b.services || (a.services.size === 0 && b.services.size === 0)) &&
    a.intentions === b.intentions &&
    (a.problems === b.problems || (a.problems.length === 0 && b.problems.length === 0)) &&
    isDeepStrictEqual(a.degraded, b.degraded)
  );
}

/** The names to watch, of the map of names to tags that the catalog gives. */
function wanted(catalog: Readonly<Record<string, unknown>>, options: ConsulRegistryOptions): Set<string> {
  const { tag, services } = options;
  const tagged = (name: string): boolean => {
    const tags = catalog[name];
    return tag === undefined || (Array.isArray(tags) && tags.includes(tag));
  };
  const chosen = (name: string): boolean =>
    (services === undefined ? name !== 'consul' : services.includes(name)) && tagged(name);
  const names = new Set<string>();
  for (const name of Object.keys(catalog)) {
    // Sidecars may lack the tag of their instance; Consul names those it makes itself after their service.
    const parent = name.endsWith('-sidecar-proxy') ? name.slice(0, -'-sidecar-proxy'.length) : name;
    if (name !== '' && (chosen(name) || (parent !== name && chosen(parent)))) names.add(name);
  }
  return names;
}
