// Consul's KV as store: consistent reads, and transactions that compare the index of one key.
// Three habits of Consul (seen on 1.22) decide the form of the requests. `DELETE ?cas=` also answers true where the key is
// gone already, so a deletion is a transaction that checks the index first. A write of an equal value leaves the index as it
// is, so each write carries a number of its own in Flags. A list shows nobody without rights that something is missing,
// so an empty one is believed only of a token that may read there.
// It must not know what the values mean. Invariant: a conflict is only what Consul called one.
import { randomInt } from 'node:crypto';
import type { StoreEntry } from '../model/store.ts';
import type { Clock } from '../util/clock.ts';
import type { ConsulAccess } from '../util/consul/access.ts';
import { type Answer, unreadable } from '../util/consul/answer.ts';
import { createConsulClient } from '../util/consul/client.ts';
import { AppError, errorText } from '../util/errors.ts';
import { type Driver, DriverError, type Fault } from './driver.ts';

export interface ConsulStoreOptions extends ConsulAccess {
  /** What every key begins with, e.g. `chancery/trust/`. Consul's keys begin without a slash: one is dropped. */
  readonly prefix: string;
}

const maxSockets = 8;
const conflicts = /index is stale|current modify index|doesn't exist/;
const revisionForm = /^[1-9]\d*$/;

export function createConsulDriver(clock: Clock, options: ConsulStoreOptions): Driver {
  const prefix = options.prefix.replace(/^\/+/, '');
  const client = createConsulClient(clock, options, maxSockets);

  async function read(key: string, query: Readonly<Record<string, string>> = {}): Promise<Answer> {
    const what = `kv/${key}`;
    const answer = await client.read(
      { what, path: '/kv/{key}', params: { key }, query, consistency: 'consistent', absent: true },
      new AbortController().signal,
    );
    // Anything may answer 404 to anything; Consul's carries an index.
    if (answer.index === undefined) throw unreadable(what, 'the answer has no X-Consul-Index');
    return answer;
  }

  /** The index of the key after the change, or before its deletion; undefined for a conflict. */
  async function change(key: string, operations: readonly Operation[]): Promise<string | undefined> {
    const what = `txn of kv/${key}`;
    const body = JSON.stringify(operations.map((operation) => ({ KV: { ...operation, Key: key } })));
    const answer = await client.write({ what, method: 'PUT', path: '/txn', params: {}, body, conflict: true });
    const { Results: results, Errors: errors } = (answer ?? {}) as TransactionAnswer;
    // A deletion has no result of its own: the last is that of the check before it.
    const index = Array.isArray(results) ? results.at(-1)?.KV?.ModifyIndex : undefined;
    if (typeof index === 'number' && index > 0) return String(index);
    const said = Array.isArray(errors) ? errors.map(({ What }) => String(What)) : [];
    if (said.length === 0) throw unreadable(what, 'it is no answer to a transaction');
    if (said.every((text) => conflicts.test(text))) return undefined;
    const code = said.some((text) => /permission denied/i.test(text)) ? 'CH1822' : 'CH1821';
    throw new DriverError({ code, reason: said.join('; ').slice(0, 300) });
  }

  return {
    async get(key) {
      const { status, body } = await read(prefix + key);
      if (status === 404) return undefined;
      const [entry] = entriesOf(body, key);
      if (entry === undefined) throw unreadable(`kv/${prefix}${key}`, 'it is no list of one key');
      return entry.entry;
    },
    async list(below) {
      const answer = await read(prefix + below, { recurse: '1' });
      const entries = answer.status === 404 ? [] : entriesOf(answer.body, below);
      if (answer.filtered)
        throw new DriverError({ code: 'CH1822', reason: `the token may not read all keys below ${prefix}${below}` });
      // Refused with 403 where the token may not read.
      if (entries.length === 0) await read(prefix + below);
      return new Map(entries.map(({ key, entry }) => [key.slice(prefix.length), entry]));
    },
    put(key, value, expect) {
      if (expect !== undefined && !revisionForm.test(expect)) return Promise.resolve(undefined);
      const set = { Value: Buffer.from(value).toString('base64'), Flags: randomInt(1, 2 ** 48 - 1) };
      return change(prefix + key, [{ Verb: 'cas', Index: Number(expect ?? 0), ...set }]);
    },
    async delete(key, revision) {
      if (!revisionForm.test(revision)) return false;
      const index = { Index: Number(revision) };
      const done = await change(prefix + key, [
        { Verb: 'check-index', ...index },
        { Verb: 'delete-cas', ...index },
      ]);
      return done !== undefined;
    },
    fault,
    close: () => client.close(),
  };
}

interface Operation {
  readonly Verb: 'cas' | 'check-index' | 'delete-cas';
  readonly Index: number;
  readonly Value?: string;
  readonly Flags?: number;
}

interface TransactionAnswer {
  readonly Results?: readonly { readonly KV?: { readonly ModifyIndex?: unknown } }[] | null;
  readonly Errors?: readonly { readonly What?: unknown }[] | null;
}

/** Rows of an answer of the KV; a value of no bytes is null. `asked` is for the message. */
function entriesOf(body: unknown, asked: string): readonly { readonly key: string; readonly entry: StoreEntry }[] {
  if (!Array.isArray(body)) throw unreadable(`kv ${asked}`, 'the answer is not a list');
  return body.map(
    (row: { readonly Key?: unknown; readonly Value?: unknown; readonly ModifyIndex?: unknown } | null) => {
      const { Key: key, Value: value, ModifyIndex: index } = row ?? {};
      if (typeof key !== 'string' || typeof index !== 'number' || !(typeof value === 'string' || value === null))
        throw unreadable(`kv ${asked}`, 'an entry has no Key, Value or ModifyIndex');
      return { key, entry: { value: new Uint8Array(Buffer.from(value ?? '', 'base64')), revision: String(index) } };
    },
  );
}

function fault(error: unknown): Fault {
  if (!(error instanceof AppError)) return { code: 'CH1821', reason: errorText(error) };
  const code = error.code === 'CH1310' ? 'CH1822' : error.code === 'CH1313' ? 'CH1825' : 'CH1821';
  return { code, reason: error.message.replace(/^\[\w+\] /, ''), cause: error.cause };
}
