// Services whose instances are what DNS says. Each name is asked again after its time to live, and at least every interval.
// A server that fails says nothing: last good stays. A name that is gone says empty, and is asked again before that is
// believed. It must not know Envoy. Invariant: what was not answered is never told as gone.
import { Resolver } from 'node:dns/promises';
import { createProblem, type Problem } from '../../model/problem.ts';
import type { Degraded, RegistrySnapshot } from '../../model/snapshot.ts';
import type { RegistrySource } from '../../model/source.ts';
import { runAll } from '../../util/tasks.ts';
import { createRegistryEmitter } from '../emitter.ts';
import { createServiceTable } from '../service-table.ts';
import type { SourceDeps } from '../source-deps.ts';
import { instanceOfEndpoint } from './dns-answers.ts';
import { type DnsResolver, type DnsService, type Lookup, lookUp, questionOf } from './lookup.ts';

export interface DnsRegistryOptions {
  readonly name: string;
  readonly services: readonly DnsService[];
  /** Longest time between two look-ups of a name. */
  readonly intervalMs: number;
  /** `IP` or `IP:PORT`; the system's if absent. */
  readonly servers?: readonly string[];
  /** Between an answer that takes everything away and the one that confirms it; default 1 s. */
  readonly confirmMs?: number;
  /** Instead of the real one. */
  readonly resolver?: DnsResolver;
}

/** A name with a shorter time to live is asked this often at most. */
const shortestMs = 1000;
const queryTimeoutMs = 1000;

interface NameState {
  /** A usable answer came at least once. */
  answered: boolean;
  /** Why the last look-up, or a part of it, told nothing. */
  failure?: string;
  /** Everything of this name vanished with the last answer. */
  suspect: boolean;
  problem?: Problem;
}

export function createDnsRegistry(deps: SourceDeps, options: DnsRegistryOptions): RegistrySource {
  const { clock, random } = deps;
  const { name, services, intervalMs, confirmMs = 1000 } = options;
  return {
    name,
    kind: 'dns',
    async run(signal, emit) {
      const resolver = options.resolver ?? createResolver(options.servers);
      const pass = createRegistryEmitter(emit);
      const table = createServiceTable();
      const nothing: RegistrySnapshot['services'] = new Map();
      const states = services.map((): NameState => ({ answered: false, suspect: false }));
      const stop = (): void => resolver.cancel();
      table.names(new Set(services.map((service) => service.name)));
      let revision = 0;

      function say(): void {
        const complete = states.some(({ answered }) => answered);
        const degraded = degradedOf(services, states);
        const snapshot: RegistrySnapshot = {
          source: name,
          kind: 'dns',
          revision: String(++revision),
          complete,
          services: complete ? table.services() : nothing,
          problems: states.flatMap(({ problem }) => problem ?? []),
          ...(degraded === undefined ? {} : { degraded }),
        };
        pass(snapshot);
      }

      /** Asks once; returns the milliseconds until the next time. */
      async function refresh(index: number): Promise<number> {
        const service = services[index];
        const state = states[index];
        if (service === undefined || state === undefined) throw new RangeError(`no service ${index}`);
        const lookup = await lookUp(resolver, service);
        if (signal.aborted) return 0;
        const prefix = `${index}\0`;
        const before = [...table.rows()].filter((row) => row.startsWith(prefix));
        const { answer } = lookup;
        if (answer.kind === 'failed') {
          state.failure = answer.reason;
          return jittered(intervalMs);
        }
        const first = !state.answered;
        state.answered = true;
        setFailure(state, lookup);
        setProblem(state, { service, lookup, source: name });
        const records = answer.kind === 'records' ? answer.records : [];
        const rows = new Map(
          records.map((endpoint) => {
            const instance = instanceOfEndpoint(endpoint, `${name}/${service.name}`);
            return [`${prefix}${instance.id}`, instance] as const;
          }),
        );
        for (const row of before) {
          const old = table.get(row);
          if (old === undefined || rows.has(row)) continue;
          const reason = lookup.unanswered.get(questionOf(old.metadata['target'] ?? service.host, old.address));
          if (reason === undefined) table.remove(row);
          else state.failure ??= `${old.address}: ${reason}; it stays`;
        }
        for (const [row, instance] of rows) table.put(row, service.name, instance);
        const vanished = records.length === 0 && before.length > 0 && state.failure === undefined && !first;
        state.suspect = vanished;
        if (vanished) return confirmMs;
        const ttlMs = lookup.ttlMs ?? 0;
        return jittered(
          ttlMs > 0 ? Math.max(Math.min(ttlMs, intervalMs), Math.min(shortestMs, intervalMs)) : intervalMs,
        );
      }

      const jittered = (ms: number): number => ms * (0.9 + random() * 0.2);

      signal.addEventListener('abort', stop, { once: true });
      try {
        const waits = await Promise.all(services.map((_, index) => refresh(index)));
        if (signal.aborted) return;
        say();
        await runAll(
          signal,
          services.map((_, index) => async (shared) => {
            await clock.sleep(waits[index] ?? intervalMs, shared);
            while (!shared.aborted) {
              const waitMs = await refresh(index);
              if (shared.aborted) return;
              say();
              await clock.sleep(waitMs, shared);
            }
          }),
        );
      } finally {
        signal.removeEventListener('abort', stop);
      }
    },
  };
}

function createResolver(servers: readonly string[] | undefined): DnsResolver {
  const resolver = new Resolver({ timeout: queryTimeoutMs, tries: 2 });
  if (servers !== undefined) resolver.setServers(servers);
  return resolver;
}

function setFailure(state: NameState, lookup: Lookup): void {
  const [target] = lookup.failedTargets;
  if (target === undefined) delete state.failure;
  else state.failure = `target "${target[0]}": ${target[1]}`;
}

function setProblem(state: NameState, about: { service: DnsService; lookup: Lookup; source: string }): void {
  const { service, lookup, source } = about;
  delete state.problem;
  const [name] = lookup.absent;
  if (name === undefined) return;
  const at = { source, file: service.host, line: 1, column: 1, object: `service ${service.name}` };
  const role = name === service.host ? 'name' : 'SRV target';
  state.problem = createProblem('CH1340', at, `the ${role} "${name}" does not exist`, { severity: 'warning' });
}

function degradedOf(services: readonly DnsService[], states: readonly NameState[]): Degraded | undefined {
  const failed = states.flatMap(({ failure }, index) =>
    failure === undefined ? [] : [`"${services[index]?.host}": ${failure}`],
  );
  const [first] = failed;
  if (first !== undefined) {
    const more = failed.length === 1 ? '' : ` (and ${failed.length - 1} more)`;
    return { kind: failed.length === states.length ? 'unreachable' : 'partial', reason: first + more };
  }
  const gone = services.filter((_, index) => states[index]?.suspect === true).map(({ host }) => `"${host}"`);
  if (gone.length === 0) return undefined;
  return { kind: 'suspect', reason: `all addresses of ${gone.join(', ')} vanished; asking again` };
}
