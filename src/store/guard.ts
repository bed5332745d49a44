// What every store has in common: keys and values are checked before anything is asked, each call has a deadline, and what
// fails is told to people. It must not know kinds of stores.
// Invariant: a call settles within its deadline, and "absent" or "lost" is only said when the store said it.
import { type Store, storeKey } from '../model/store.ts';
import type { Clock } from '../util/clock.ts';
import { AppError, errorText } from '../util/errors.ts';
import { type Driver, DriverError, type Fault } from './driver.ts';

export interface ClosableStore extends Store {
  /** Ends its connections; what is asked afterwards is refused. */
  close(): void;
}

export interface GuardOptions {
  readonly kind: string;
  /** Where it is, for messages; without credentials. */
  readonly place: string;
  readonly deadlineMs: number;
  /** Called at the first use. */
  open(): Promise<Driver>;
}

export const maxKeyBytes = 512;
/** Longest part of a key between two `/`; file names end at 255 bytes. */
export const maxSegmentBytes = 200;
/** What every kind takes: etcd ends at 1.5 MiB a request, Consul at 512 KiB in base64. */
export const maxValueBytes = 128 << 10;

export function createGuardedStore(clock: Clock, options: GuardOptions): ClosableStore {
  const { kind, place, deadlineMs } = options;
  let opening: Promise<Driver> | undefined;
  let closed = false;

  function driver(): Promise<Driver> {
    opening ??= options.open().catch((error: unknown) => {
      opening = undefined;
      throw error;
    });
    return opening;
  }

  function failure(asked: Asked, fault: Fault): AppError {
    const doubt = asked.changes && fault.code === 'CH1821' ? '; whether it was done is not known' : '';
    const message = `the ${kind} store (${place}) failed at "${asked.what}": ${fault.reason}${doubt}`;
    return new AppError(fault.code, message, {
      retryable: fault.code === 'CH1821' && fault.lasting !== true,
      ...(fault.hint === undefined ? {} : { hint: fault.hint }),
      ...(fault.cause === undefined ? {} : { cause: fault.cause }),
    });
  }

  async function ask<T>(asked: Asked, work: (driver: Driver) => Promise<T>): Promise<T> {
    if (closed) throw failure({ ...asked, changes: false }, { code: 'CH1821', reason: 'it was closed' });
    const late = Promise.withResolvers<never>();
    const reason = `no answer in ${deadlineMs / 1000} s`;
    const timer = clock.after(deadlineMs, () => late.reject(new DriverError({ code: 'CH1821', reason })));
    const opened = driver();
    const answer = opened.then(work);
    // After the deadline nobody waits for it any more.
    answer.catch(() => undefined);
    try {
      return await Promise.race([answer, late.promise]);
    } catch (error) {
      if (error instanceof DriverError) throw failure(asked, error.fault);
      const fault = await opened.then(
        (one) => one.fault(error),
        () => ({ code: 'CH1821', reason: errorText(error) }) as const,
      );
      throw failure(asked, fault);
    } finally {
      timer.cancel();
    }
  }

  return {
    kind,
    async get(key) {
      checkKey(key);
      return await ask({ what: `get ${key}`, changes: false }, (one) => one.get(key));
    },
    async list(prefix) {
      const folder = prefix === '' || prefix.endsWith('/') ? prefix : `${prefix}/`;
      if (folder !== '') checkKey(folder.slice(0, -1));
      const entries = await ask({ what: `list ${folder}`, changes: false }, (one) => one.list(folder));
      return new Map([...entries].sort(([a], [b]) => (a < b ? -1 : 1)));
    },
    async put(key, value, expect) {
      checkKey(key);
      if (value.byteLength > maxValueBytes)
        throw new AppError('CH1824', `${key}: ${value.byteLength} bytes, more than ${maxValueBytes}`);
      const revision = expect === 'absent' ? undefined : expect.revision;
      return await ask({ what: `put ${key}`, changes: true }, (one) => one.put(key, value, revision));
    },
    async delete(key, { revision }) {
      checkKey(key);
      return await ask({ what: `delete ${key}`, changes: true }, (one) => one.delete(key, revision));
    },
    close() {
      closed = true;
      opening?.then(
        (one) => one.close(),
        () => undefined,
      );
    },
  };
}

interface Asked {
  readonly what: string;
  readonly changes: boolean;
}

function checkKey(key: string): void {
  const fits = storeKey.test(key) && key.length <= maxKeyBytes;
  if (fits && key.split('/').every((segment) => segment.length <= maxSegmentBytes)) return;
  throw new AppError('CH1823', `${JSON.stringify(key.slice(0, 80))} cannot be a key`);
}
