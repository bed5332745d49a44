// Which credentials hold no more: a list in the store, read by every replica. It must not know what a credential is, but its
// kind and id. Invariants: a revocation that was once known is never forgotten before its time, also while the store cannot
// be asked; before the list was read for the first time nothing is known to hold.
import { createHash } from 'node:crypto';
import { isNamed, type RevocableKind } from '../model/revocable.ts';
import type { Store } from '../model/store.ts';
import type { Clock } from '../util/clock.ts';
import { AppError, errorText } from '../util/errors.ts';
import type { Logger } from '../util/log.ts';
import type { Metrics } from '../util/metrics.ts';
import type { RevocationSource, RevokedListener } from './contract.ts';
import { decodeRecord, encodeRecord, moment, type StoredRecord } from './stored-json.ts';

export interface RevocationDeps {
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Metrics;
}

export interface RevocationOptions {
  /** How often the list is read. Default 10 s: with it a stream is closed well within 60 s. */
  readonly everyMs?: number;
}

export interface Revocations extends RevocationSource {
  /** Reads the list for the first time. Rejects as the store does. */
  open(): Promise<void>;
  /**
   * Undefined: the list has not been read yet, so nobody can say. `sinceMs`: when its family
   * began; what nodes and identities began with after their revocation holds.
   */
  isRevoked(kind: RevocableKind, id: string, sinceMs?: number): boolean | undefined;
  /** Until the credential would have ended by itself. Rejects with CH1834 where the id cannot be one, or as the store does. */
  revoke(kind: RevocableKind, id: string, untilMs: number): Promise<void>;
  list(): readonly Revocation[];
  /** Keeps reading the list until aborted. */
  run(signal: AbortSignal): Promise<void>;
}

export interface Revocation {
  readonly kind: string;
  readonly id: string;
  readonly untilMs: number;
  /** Of a node or an identity: what began until then holds no more. */
  readonly beforeMs?: number;
}

const prefix = 'revoked/';
/** A `jti` of ours, a serial, the accessor of an ACL token, a hash: what a key of the store may hold. */
const idForm = /^[0-9a-z][0-9a-z._-]{0,127}$/;
const forever = 8.64e15;
const maxName = 512;

export function createRevocations(deps: RevocationDeps, options: RevocationOptions = {}): Revocations {
  const { store, clock, log, metrics } = deps;
  const audit = log.child('audit');
  const { everyMs = 10_000 } = options;
  const listeners = new Set<RevokedListener>();
  const size = metrics.gauge('identity_revocations', 'Credentials on the list of revocations');
  let known: ReadonlyMap<string, Revocation> = new Map();
  let read = false;

  /** Takes a list over, keeps what is not in it and has not ended, and tells what is new. */
  function adopt(list: ReadonlyMap<string, Revocation>): void {
    const fresh = [...list].filter(([key, now]) => isNews(known.get(key), now)).map(([, { id }]) => id);
    const kept = [...known].filter(([, { untilMs }]) => untilMs > clock.wall());
    known = new Map([...kept, ...list]);
    size.set({}, known.size);
    if (fresh.length === 0) return;
    const ids = new Set(fresh);
    for (const listener of listeners) listener(ids);
  }

  async function refresh(): Promise<void> {
    const next = new Map<string, Revocation>();
    for (const [key, { value, revision }] of await store.list(prefix)) {
      const [kind = '', id = ''] = key.slice(prefix.length).split('/');
      // What cannot be read is somebody's will to revoke all the same.
      const record = decodeRecord(value);
      const untilMs = moment(record?.['untilMs']) ?? forever;
      if (untilMs > clock.wall()) next.set(key, { kind, untilMs, ...(isNamed(kind) ? named(record, id) : { id }) });
      else await store.delete(key, { revision });
    }
    read = true;
    adopt(next);
  }

  async function write(key: string, untilMs: number, more: Pick<Revocation, 'beforeMs'> & { name?: string }) {
    for (;;) {
      const entry = await store.get(key);
      const earlier = entry === undefined ? 0 : (moment(decodeRecord(entry.value)?.['untilMs']) ?? forever);
      if (earlier >= untilMs && more.beforeMs === undefined) return earlier;
      const until = Math.max(earlier === forever ? 0 : earlier, untilMs);
      const record = encodeRecord({ version: 1, untilMs: until, ...more });
      const done = await store.put(key, record, entry === undefined ? 'absent' : { revision: entry.revision });
      if (done !== undefined) return until;
    }
  }

  return {
    open: refresh,
    isRevoked(kind, id, sinceMs) {
      if (!read) return undefined;
      const found = known.get(keyOf(kind, id));
      if (found === undefined) return false;
      // Of whom it is not known since when, it is taken for older.
      return found.beforeMs === undefined || sinceMs === undefined || sinceMs <= found.beforeMs;
    },
    async revoke(kind, id, untilMs) {
      const usable = isNamed(kind) ? id !== '' && id.length <= maxName : idForm.test(id);
      if (!usable) throw new AppError('CH1834', `${JSON.stringify(id)} is not the id of a credential`);
      const key = keyOf(kind, id);
      const since = isNamed(kind) ? { beforeMs: Math.ceil(clock.wall()) } : {};
      const until = await write(
        key,
        Math.min(Math.ceil(untilMs), forever),
        isNamed(kind) ? { ...since, name: id } : {},
      );
      audit.info('a credential was revoked', { credential: kind, id, untilMs: until });
      adopt(new Map([[key, { kind, id, untilMs: until, ...since }]]));
    },
    list: () => [...known.values()],
    onRevoked(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    async run(signal) {
      while (!signal.aborted) {
        await clock.sleep(everyMs, signal);
        if (signal.aborted) return;
        await refresh().catch((error: unknown) => {
          log.warn('the list of revoked credentials cannot be read, what is known stays', { error: errorText(error) });
        });
      }
    },
  };
}

/** Nodes and identities have any text for a name: in the key stands its hash. */
function keyOf(kind: RevocableKind, id: string): string {
  return `${prefix}${kind}/${isNamed(kind) ? createHash('sha256').update(id).digest('hex') : id}`;
}

/** Again what is known, or a node that is revoked once more. */
function isNews(before: Revocation | undefined, { beforeMs }: Revocation): boolean {
  return before === undefined || (beforeMs !== undefined && beforeMs > (before.beforeMs ?? forever));
}

/** Without a readable time all of it is meant. */
function named(record: StoredRecord | undefined, hash: string): Pick<Revocation, 'id' | 'beforeMs'> {
  const name = record?.['name'];
  const beforeMs = moment(record?.['beforeMs']);
  return { id: typeof name === 'string' ? name : hash, ...(beforeMs === undefined ? {} : { beforeMs }) };
}
