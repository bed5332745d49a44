// What every store has in common, over a driver that does as the test says.
import { describe, expect, it } from 'vitest';
import { type Driver, DriverError } from '../../../src/store/driver.ts';
import { createGuardedStore } from '../../../src/store/guard.ts';
import { createFakeClock } from '../../support/fake-clock.ts';

const never = (): Promise<never> => new Promise(() => {});

function guarded(parts: Partial<Driver>) {
  const clock = createFakeClock();
  let opened = 0;
  let closed = 0;
  const driver: Driver = {
    get: never,
    list: never,
    put: never,
    delete: never,
    fault: (error) =>
      error instanceof DriverError ? error.fault : { code: 'CH1821', reason: `in words: ${(error as Error).message}` },
    close: () => {
      closed++;
    },
    ...parts,
  };
  const store = createGuardedStore(clock, {
    kind: 'etcd',
    place: 'http://there',
    deadlineMs: 5000,
    open: async () => {
      opened++;
      return driver;
    },
  });
  return { clock, store, opened: () => opened, closed: () => closed };
}

describe('the guard of a store', () => {
  it('opens it at the first call, once, and not for what is refused anyway', async () => {
    const { store, opened } = guarded({ get: async () => undefined });
    await expect(store.get('NO')).rejects.toMatchObject({ code: 'CH1823' });
    expect(opened()).toBe(0);
    await Promise.all([store.get('a'), store.get('b')]);
    expect(opened()).toBe(1);
  });

  it('ends every call at its deadline, and leaves no timer behind', async () => {
    const { clock, store } = guarded({});
    const calls = [
      store.get('a'),
      store.list('a/'),
      store.put('a', new Uint8Array(), 'absent'),
      store.delete('a', { revision: '1' }),
    ].map((call) =>
      call.then(
        () => 'an answer',
        (error: Error) => error.message,
      ),
    );
    let settled = 0;
    for (const call of calls) void call.then(() => settled++);
    await clock.advanceAsync(4999);
    expect(settled).toBe(0);
    await clock.advanceAsync(1);
    expect(await Promise.all(calls)).toEqual([
      '[CH1821] the etcd store (http://there) failed at "get a": no answer in 5 s',
      '[CH1821] the etcd store (http://there) failed at "list a/": no answer in 5 s',
      '[CH1821] the etcd store (http://there) failed at "put a": no answer in 5 s; whether it was done is not known',
      '[CH1821] the etcd store (http://there) failed at "delete a": no answer in 5 s; whether it was done is not known',
    ]);
    expect(clock.pending()).toBe(0);
  });

  it('says what failed in the words of the driver, with its code, and whether another try can help', async () => {
    const { clock, store } = guarded({
      get: () => Promise.reject(new Error('cut')),
      put: () => Promise.reject(new DriverError({ code: 'CH1822', reason: 'no rights', hint: 'Ask for some.' })),
    });
    await expect(store.get('a')).rejects.toMatchObject({
      message: '[CH1821] the etcd store (http://there) failed at "get a": in words: cut',
      retryable: true,
    });
    await expect(store.put('a', new Uint8Array(), 'absent')).rejects.toMatchObject({
      message: '[CH1822] the etcd store (http://there) failed at "put a": no rights',
      hint: 'Ask for some.',
      retryable: false,
    });
    expect(clock.pending()).toBe(0);
  });

  it('tries again to open what could not be opened', async () => {
    let tries = 0;
    const store = createGuardedStore(createFakeClock(), {
      kind: 'etcd',
      place: 'there',
      deadlineMs: 5000,
      open: async () => {
        tries++;
        throw new Error('no such module');
      },
    });
    await expect(store.get('a')).rejects.toMatchObject({ code: 'CH1821' });
    await expect(store.get('a')).rejects.toThrow('no such module');
    expect(tries).toBe(2);
  });

  it('sorts lists by their keys, whatever the order of the driver, and asks for whole folders', async () => {
    const asked: string[] = [];
    const entry = { value: new Uint8Array(), revision: '1' };
    const { store } = guarded({
      list: async (prefix) => {
        asked.push(prefix);
        return new Map(['a/c', 'a/b/1', 'a/b', 'a/b-1'].map((key) => [key, entry]));
      },
    });
    expect([...(await store.list('a')).keys()]).toEqual(['a/b', 'a/b-1', 'a/b/1', 'a/c']);
    await store.list('a/');
    await store.list('');
    expect(asked).toEqual(['a/', 'a/', '']);
  });

  it('closes what was opened, and asks nothing afterwards', async () => {
    const { store, closed, opened } = guarded({ get: async () => undefined });
    await store.get('a');
    store.close();
    await expect(store.get('a')).rejects.toThrow('it was closed');
    expect([opened(), closed()]).toEqual([1, 1]);
    const unused = guarded({});
    unused.store.close();
    await expect(unused.store.get('a')).rejects.toThrow('it was closed');
    expect(unused.opened()).toBe(0);
  });
});
