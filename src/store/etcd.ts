// etcd as store: linearizable reads, and transactions that compare the revision of one key.
// It must not know what the values mean. Invariant: what may have been applied is never sent a second time.
import type { Etcd3, ICompare, IRequestOp } from 'etcd3';
import type { StoreEntry } from '../model/store.ts';
import type { Clock } from '../util/clock.ts';
import { errorText } from '../util/errors.ts';
import { type EtcdAccess, openClient, plainReason } from '../util/etcd/access.ts';
import { prefixRange, type RawKeyValue, readRange } from '../util/etcd/key-range.ts';
import type { Driver } from './driver.ts';

export interface EtcdStoreOptions extends EtcdAccess {
  /** What every key begins with, e.g. `/chancery/trust/`. */
  readonly prefix: string;
}

/** A client of one member, and how many calls it has open: it is closed after the last of them. */
interface Session {
  readonly client: Promise<Etcd3>;
  calls: number;
  dropped: boolean;
}

/** Revisions as etcd gives them; 0 would mean "absent" in a comparison. */
const revisionForm = /^[1-9]\d*$/;
/** Texts of etcd 3.x; `user name is empty` is what a caller without credentials is told. */
const refusal = /permission denied|authentication failed|invalid auth token|auth store|user name is empty/i;

export function createEtcdDriver(clock: Clock, options: EtcdStoreOptions): Driver {
  const { prefix, endpoints } = options;
  const keyOf = (key: string): Buffer => Buffer.from(prefix + key);
  let member = 0;
  let current: Session | undefined;

  /** Members are asked one at a time: a client of all would pick a dead one again and again. */
  function open(): Session {
    const endpoint = endpoints[member % endpoints.length] ?? '';
    current ??= { client: openClient({ ...options, endpoints: [endpoint] }, clock), calls: 0, dropped: false };
    return current;
  }

  function close(session: Session): void {
    session.client.then(
      (client) => client.close(),
      () => undefined,
    );
  }

  /** The next call goes to the next member, with credentials read anew. */
  function drop(session: Session): void {
    if (session.dropped) return;
    session.dropped = true;
    if (session.calls === 0) close(session);
    if (current !== session) return;
    current = undefined;
    member++;
  }

  async function ask<T>(changes: boolean, work: (client: Etcd3) => Promise<T>): Promise<T> {
    for (let left = endpoints.length; ; left--) {
      const session = open();
      session.calls++;
      try {
        return await work(await session.client);
      } catch (error) {
        drop(session);
        if (left === 0 || !mayRepeat(error, changes)) throw error;
      } finally {
        session.calls--;
        if (session.dropped && session.calls === 0) close(session);
      }
    }
  }

  /** The store's revision after the change; undefined if the comparison failed. */
  async function change(compare: ICompare, operation: IRequestOp): Promise<string | undefined> {
    const answer = await ask(true, (client) => client.kv.txn({ compare: [compare], success: [operation] }));
    return answer.succeeded ? answer.header.revision : undefined;
  }

  return {
    async get(key) {
      const answer = await ask(false, (client) => client.kv.range({ key: keyOf(key) }));
      const [found] = answer.kvs;
      return found === undefined ? undefined : entryOf(found);
    },
    async list(below) {
      const { entries } = await ask(false, (client) => readRange(client, prefixRange(prefix + below), 100));
      return new Map(entries.map((raw) => [raw.key.toString('utf8').slice(prefix.length), entryOf(raw)]));
    },
    async put(key, value, expect) {
      if (expect !== undefined && !revisionForm.test(expect)) return undefined;
      const at = keyOf(key);
      const compare: ICompare =
        expect === undefined
          ? { key: at, target: 'Create', result: 'Equal', create_revision: '0' }
          : { key: at, target: 'Mod', result: 'Equal', mod_revision: expect };
      return await change(compare, { request_put: { key: at, value: Buffer.from(value) } });
    },
    async delete(key, revision) {
      if (!revisionForm.test(revision)) return false;
      const at = keyOf(key);
      const done = await change(
        { key: at, target: 'Mod', result: 'Equal', mod_revision: revision },
        { request_delete_range: { key: at } },
      );
      return done !== undefined;
    },
    fault(error) {
      // No cause: gRPC's own text names its target as configured, with what stands before an `@`.
      const reason = plainReason(error, endpoints);
      const refused = refusal.test(errorText(error)) || isFileError(error);
      return { code: refused ? 'CH1822' : 'CH1821', reason };
    },
    close() {
      if (current !== undefined) drop(current);
    },
  };
}

const entryOf = ({ value, mod_revision }: RawKeyValue): StoreEntry => ({
  value: new Uint8Array(value),
  revision: mod_revision,
});

/** Of the files of credentials, which are read for each client. */
function isFileError(error: unknown): boolean {
  const { syscall, path } = error as NodeJS.ErrnoException;
  return path !== undefined && (syscall === 'open' || syscall === 'read');
}

/** Whether the call cannot have been applied: it only read, was never sent, or was refused for what the session showed. */
function mayRepeat(error: unknown, changes: boolean): boolean {
  const text = errorText(error);
  if (/authentication failed|invalid auth token|revision of auth store is old/i.test(text)) return true;
  if (/No connection established|Name resolution failed/i.test(text)) return true;
  return !changes && /UNAVAILABLE/.test(text);
}
