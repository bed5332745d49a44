// A Consul KV prefix as object store: one document a key, followed by one blocking query over the prefix.
// It must not know YAML. Invariant: a write replaces one key atomically; a key that another program changed since we last
// saw it is replaced all the same: the last write wins.
import { isDeepStrictEqual } from 'node:util';
import type { ObjectDocument, ObjectSnapshot } from '../../model/snapshot.ts';
import type { ObjectStore } from '../../model/source.ts';
import type { ConsulAccess } from '../../util/consul/access.ts';
import { type Answer, unreadable } from '../../util/consul/answer.ts';
import { createConsulClient } from '../../util/consul/client.ts';
import { AppError } from '../../util/errors.ts';
import type { SourceDeps } from '../source-deps.ts';
import { type BlockingQuery, createBlockingQuery } from './blocking-query.ts';
import { degradedBy } from './degraded.ts';
import { ShapeError } from './json-reader.ts';
import { parseEntries, sentinel } from './kv-entries.ts';
import { createReader } from './reader.ts';
import { defaultTiming } from './timing.ts';

export interface ConsulObjectsOptions extends ConsulAccess {
  /** Name of the source. */
  readonly name: string;
  /** Keys below it are documents, e.g. `chancery/objects/`. A leading `/` is dropped, a trailing one added. */
  readonly prefix: string;
  /** Longest wait of the blocking query; default 60 s. */
  readonly waitMs?: number;
  readonly resyncMs?: number;
  readonly confirmMs?: number;
}

/** Writes reject with AppError. The snapshots' degraded states are those of `createConsulRegistry`. */
export function createConsulObjects(deps: SourceDeps, options: ConsulObjectsOptions): ObjectStore {
  const { name } = options;
  const prefix = `${options.prefix.replace(/^\/+|\/+$/g, '')}/`;
  const log = deps.log.child(`consul-${name}`);
  const client = createConsulClient(deps.clock, options, 8);
  const what = `kv/${prefix}`;

  async function put(path: string, text: string, query: Record<string, string> = {}): Promise<boolean> {
    const key = prefix + path;
    return (
      (await client.write({
        what: `kv/${key}`,
        method: 'PUT',
        path: '/kv/{key}',
        params: { key },
        query,
        body: text,
      })) === true
    );
  }

  return {
    name,
    async put(document) {
      if (document.path === '' || document.path === sentinel || document.path.endsWith('/')) {
        throw new AppError('CH1312', `"${document.path}" cannot be the path of a document`);
      }
      if (!(await put(document.path, document.text))) {
        throw new AppError('CH1312', `kv/${prefix}${document.path}: not written`, { retryable: true });
      }
    },
    async remove(path) {
      const key = prefix + path;
      await client.write({ what: `kv/${key}`, method: 'DELETE', path: '/kv/{key}', params: { key } });
    },
    async run(signal, emit) {
      const reader = createReader({ ...deps, log }, { client, source: name, maxConnections: 8 });
      let documents: ReadonlyMap<string, ObjectDocument> = new Map();
      let last: ObjectSnapshot | undefined;
      let sentinelTried = false;

      /** A prefix without keys wakes at every write anywhere in the KV: one key of ours gives it an index of its own. */
      async function placeSentinel(): Promise<void> {
        if (sentinelTried) return;
        sentinelTried = true;
        await put(sentinel, 'keeps this prefix in being; not an object\n', { cas: '0' }).catch((error: unknown) => {
          if (!(error instanceof AppError)) throw error;
          log.info(`no sentinel key below ${prefix}: ${error.message}; changes elsewhere in the KV wake this source`);
        });
      }

      function take(answer: Answer): boolean {
        const body = answer.status === 404 ? [] : answer.body;
        if (!Array.isArray(body)) throw unreadable(what, 'the answer is not a list');
        let now: ReadonlyMap<string, ObjectDocument>;
        try {
          now = parseEntries(body, prefix, documents);
        } catch (error) {
          if (error instanceof ShapeError) throw unreadable(what, error.message);
          throw error;
        }
        const same = now.size === documents.size && [...now].every(([path, one]) => documents.get(path) === one);
        if (!same) documents = now;
        return !same;
      }

      const query: BlockingQuery = createBlockingQuery(deps, {
        async read(params, inner) {
          const answer = await reader.read(
            {
              what,
              path: '/kv/{key}',
              params: { key: prefix },
              query: { recurse: '1' },
              consistency: 'default',
              absent: true,
              ...(params.blocking === undefined ? {} : { blocking: params.blocking }),
            },
            inner,
          );
          if (answer.status === 404) await placeSentinel();
          return answer;
        },
        take,
        settled: publish,
        diverged: () => reader.diverged(),
        waitMs: () => Math.min(options.waitMs ?? 60_000, 600_000),
        timing: {
          ...defaultTiming,
          confirmMs: options.confirmMs ?? defaultTiming.confirmMs,
          resyncMs: options.resyncMs ?? defaultTiming.resyncMs,
        },
      });

      function publish(): void {
        if (signal.aborted) return;
        const degraded = degradedBy({ list: query, services: [], torn: [] });
        const snapshot: ObjectSnapshot = {
          source: name,
          revision: String(query.last?.index ?? 0),
          complete: query.trust !== 'new',
          ...(degraded === undefined ? {} : { degraded }),
          documents,
        };
        const { complete } = snapshot;
        if (last?.complete === complete && last.documents === documents && isDeepStrictEqual(last.degraded, degraded)) {
          return;
        }
        if (degraded !== undefined)
          log.warn(`the object store is degraded: ${degraded.reason}`, { kind: degraded.kind });
        else if (last?.degraded !== undefined) log.info('the object store is whole again');
        last = snapshot;
        emit(snapshot);
      }

      try {
        await query.run(signal);
      } finally {
        client.close();
      }
    },
  };
}
