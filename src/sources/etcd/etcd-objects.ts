// Objects as keys under a prefix of etcd, read and written. Parsed in model, never here.
// Invariant: a document's `created` is its key's create revision: the order in which keys came to be, which a change keeps.
import type { ObjectDocument, ObjectSnapshot } from '../../model/snapshot.ts';
import type { ObjectStore } from '../../model/source.ts';
import { AppError } from '../../util/errors.ts';
import { type EtcdAccess, openClient, plainReason } from '../../util/etcd/access.ts';
import { createObjectEmitter } from '../emitter.ts';
import type { SourceDeps } from '../source-deps.ts';
import { type KeyspaceOptions, type KeyspaceState, runKeyspace } from './keyspace.ts';

export interface EtcdObjectsOptions extends EtcdAccess, Pick<KeyspaceOptions, 'confirmMs' | 'relistMs' | 'probeMs'> {
  readonly name: string;
  /** Keys that start with it are documents; the rest of the key is the path. */
  readonly prefix: string;
}

export function createEtcdObjects(deps: SourceDeps, options: EtcdObjectsOptions): ObjectStore {
  const { name, prefix } = options;

  /** One transaction on a client of its own: writes are rare, and must not wait for the session of the watch. */
  async function write(path: string, operation: 'put' | 'delete', text = ''): Promise<void> {
    if (path === '' || path.includes('\0')) throw new AppError('CH1321', `the path "${path}" is refused: it is empty`);
    const key = Buffer.from(prefix + path);
    const client = await openClient(options, deps.clock);
    try {
      if (operation === 'delete') await client.kv.deleteRange({ key });
      else {
        const value = Buffer.from(text);
        // Equal text makes no new revision, and wakes nobody.
        await client.kv.txn({
          compare: [{ key, result: 'Equal', target: 'Value', value }],
          success: [],
          failure: [{ request_put: { key, value } }],
        });
      }
    } catch (error) {
      const reason = plainReason(error, options.endpoints);
      throw new AppError('CH1333', `etcd did not ${operation} "${prefix}${path}": ${reason}`, {
        cause: error,
        retryable: true,
      });
    } finally {
      client.close();
    }
  }

  return {
    name,
    run(signal, emit) {
      const pass = createObjectEmitter(emit);
      const next = createDocuments();
      return runKeyspace(
        deps,
        { ...options, access: options },
        {
          signal,
          tell(state) {
            const snapshot: ObjectSnapshot = {
              source: name,
              revision: state.revision,
              complete: state.complete,
              documents: next(state),
              ...(state.degraded === undefined ? {} : { degraded: state.degraded }),
            };
            pass(snapshot);
          },
        },
      );
    },
    put: (document) => write(document.path, 'put', document.text),
    remove: (path) => write(path, 'delete'),
  };
}

/** Keys to documents, sharing what did not change. */
function createDocuments(): (state: KeyspaceState) => ReadonlyMap<string, ObjectDocument> {
  let documents: ReadonlyMap<string, ObjectDocument> = new Map();
  return ({ entries, changed }) => {
    const next = new Map(documents);
    let news = false;
    for (const path of changed) {
      const entry = entries.get(path);
      const old = documents.get(path);
      const created = entry === undefined ? undefined : Number(entry.created);
      if (entry?.value === old?.text && created === old?.created) continue;
      news = true;
      if (entry === undefined || created === undefined) next.delete(path);
      else next.set(path, { path, text: entry.value, created });
    }
    if (news) documents = new Map([...next].sort(([a], [b]) => (a < b ? -1 : 1)));
    return documents;
  };
}
