// Which credentials hold no more: a list in the store, read by every replica. It must not know what a credential is, but its
// kind and id. Invariants: a revocation that was once known is never forgotten before its time, also while the store cannot
// be asked; before the list was read for the first time nothing is known to hold.
import type { Store } from '../model/store.ts';
import type { Clock } from '../util/clock.ts';
import { AppError, errorText } from '../util/errors.ts';
import type { Logger } from '../util/log.ts';
import type { Metrics } from '../util/metrics.ts';
import type { CredentialKind, RevocationSource, RevokedListener } from './contract.ts';
import { decodeRecord, encodeRecord, moment } from './stored-json.ts';

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
  /** Undefined: the list has not been read yet, so nobody can say. */
  isRevoked(kind: CredentialKind, id: string): boolean | undefined;
  /** Until the credential would have ended by itself. Rejects with CH1834 where the id cannot be one, or as the store does. */
  revoke(kind: CredentialKind, id: string, untilMs: number): Promise<void>;
  list(): readonly Revocation[];
  /** Keeps reading the list until aborted. */
  run(signal: AbortSignal): Promise<void>;
}

export interface Revocation {
  readonly kind: string;
  readonly id: string;
  readonly untilMs: number;
}

const prefix = 'revoked/';
/** A `jti` of ours, a serial, the accessor of an ACL token, a hash: what a key of the store may hold. */
const idForm = /^[0-9a-z][0-9a-z._-]{0,127}$/;
const forever = 8.64e15;

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
    const fresh = [...list].filter(([key]) => !known.has(key)).map(([, { id }]) => id);
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
      const untilMs = moment(decodeRecord(value)?.['untilMs']) ?? forever;
      if (untilMs > clock.wall()) next.set(key, { kind, id, untilMs });
      else await store.delete(key, { revision });
    }
    read = true;
    adopt(next);
  }

  async function write(key: string, untilMs: number): Promise<number> {
    for (;;) {
      const entry = await store.get(key);
      const earlier = entry === undefined ? 0 : (moment(decodeRecord(entry.value)?.['untilMs']) ?? forever);
      if (earlier >= untilMs) return earlier;
      const record = encodeRecord({ version: 1, untilMs });
      const done = await store.put(key, record, entry === undefined ? 'absent' : { revision: entry.revision });
      if (done !== undefined) return untilMs;
    }
  }

  return {
    open: refresh,
    isRevoked: (kind, id) => (read ? known.has(`${prefix}${kind}/${id}`) : undefined),
    async revoke(kind, id, untilMs) {
      if (!idForm.test(id)) throw new AppError('CH1834', `${JSON.stringify(id)} is not the id of a credential`);
      const key = `${prefix}${kind}/${id}`;
      const until = await write(key, Math.min(Math.ceil(untilMs), forever));
      audit.info('a credential was revoked', { credential: kind, id, untilMs: until });
      adopt(new Map([[key, { kind, id, untilMs: until }]]));
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
