// The contract of an object store (src/model/source.ts), as tests over any rig.
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { ObjectSnapshot } from '../../src/model/snapshot.ts';
import type { ObjectStore } from '../../src/model/source.ts';
import { assertNoLeaks } from '../support/leaks.ts';
import { describeWith, eventually, eventuallyPasses } from '../support/real-parts.ts';
import type { ObjectRig, ObjectRigSetup } from './source-rig.ts';

interface Watched {
  readonly store: ObjectStore;
  readonly all: ObjectSnapshot[];
  last(): ObjectSnapshot | undefined;
  end(): Promise<void>;
}

function watch(store: ObjectStore): Watched {
  const abort = new AbortController();
  const all: ObjectSnapshot[] = [];
  const done = store.run(abort.signal, (snapshot) => all.push(snapshot));
  return {
    store,
    all,
    last: () => all.at(-1),
    async end() {
      abort.abort();
      await done;
    },
  };
}

const texts = (snapshot: ObjectSnapshot | undefined): Record<string, string> =>
  Object.fromEntries([...(snapshot?.documents ?? [])].map(([path, document]) => [path, document.text]));

export function objectStoreConformance(setup: ObjectRigSetup): void {
  const wait = { deadlineMs: setup.deadlineMs ?? 10_000 };
  const limit = 4 * wait.deadlineMs + 30_000;

  describeWith(setup.parts, `${setup.name} as an object store`, () => {
    assertNoLeaks();
    let rig: ObjectRig;
    let watched: Watched | undefined;
    const start = (): Watched => {
      watched = watch(rig.store());
      return watched;
    };
    const complete = (running: Watched): Promise<ObjectSnapshot> =>
      eventually(() => (running.last()?.complete === true ? running.last() : undefined), wait);

    beforeEach(async () => {
      rig = await setup.start();
    });
    afterEach(async () => {
      await watched?.end();
      watched = undefined;
      await rig.stop();
    });

    it(
      'is complete and empty over an empty place, then sees the first document',
      async () => {
        const running = start();
        const first = await complete(running);
        expect(first.documents.size).toBe(0);
        expect(first.degraded).toBeUndefined();
        await rig.write('shop.yaml', 'kind: A\n');
        await eventuallyPasses(() => expect(texts(running.last())).toEqual({ 'shop.yaml': 'kind: A\n' }), wait);
      },
      limit,
    );

    it(
      'sees documents of others: written, changed, erased; the rest stays the same object',
      async () => {
        await rig.write('a.yaml', 'kind: A\n# grüße\n');
        await rig.write('b.yaml', 'kind: B\n');
        const running = start();
        const first = await complete(running);
        expect(texts(first)).toEqual({ 'a.yaml': 'kind: A\n# grüße\n', 'b.yaml': 'kind: B\n' });
        await rig.write('b.yaml', 'kind: B2\n');
        await eventuallyPasses(() => expect(texts(running.last())['b.yaml']).toBe('kind: B2\n'), wait);
        expect(running.last()?.documents.get('a.yaml')).toBe(first.documents.get('a.yaml'));
        await rig.erase('b.yaml');
        await eventuallyPasses(() => expect(texts(running.last())).toEqual({ 'a.yaml': 'kind: A\n# grüße\n' }), wait);
        for (let i = 1; i < running.all.length; i++) {
          const [previous, next] = running.all.slice(i - 1, i + 1) as [ObjectSnapshot, ObjectSnapshot];
          expect([next.complete, next.degraded, texts(next)]).not.toEqual([
            previous.complete,
            previous.degraded,
            texts(previous),
          ]);
        }
      },
      limit,
    );

    it(
      'stores and removes what it is told, and sees it itself',
      async () => {
        const running = start();
        await complete(running);
        await running.store.put({ path: 'route-shop.yaml', text: 'kind: Route\n' });
        await eventuallyPasses(
          () => expect(texts(running.last())).toEqual({ 'route-shop.yaml': 'kind: Route\n' }),
          wait,
        );
        await running.store.put({ path: 'route-shop.yaml', text: 'kind: Route\n# 2\n' });
        await running.store.put({ path: 'other.yaml', text: '' });
        await eventuallyPasses(
          () => expect(texts(running.last())).toEqual({ 'route-shop.yaml': 'kind: Route\n# 2\n', 'other.yaml': '' }),
          wait,
        );
        await running.store.remove('route-shop.yaml');
        await eventuallyPasses(() => expect(texts(running.last())).toEqual({ 'other.yaml': '' }), wait);
        await running.store.remove('route-shop.yaml');
        const other = rig.store();
        const abort = new AbortController();
        const seen: ObjectSnapshot[] = [];
        const done = other.run(abort.signal, (snapshot) => seen.push(snapshot));
        await eventuallyPasses(() => expect(texts(seen.at(-1))).toEqual({ 'other.yaml': '' }), wait);
        abort.abort();
        await done;
      },
      limit,
    );

    if (setup.traits.created)
      it(
        'tells the order of creation, which a change keeps',
        async () => {
          await rig.write('z.yaml', 'kind: Z\n');
          await rig.write('a.yaml', 'kind: A\n');
          const running = start();
          await complete(running);
          const created = (path: string): number => running.last()?.documents.get(path)?.created ?? Number.NaN;
          const z = created('z.yaml');
          expect(z).toBeLessThan(created('a.yaml'));
          await rig.write('z.yaml', 'kind: Z2\n');
          await eventuallyPasses(() => expect(texts(running.last())['z.yaml']).toBe('kind: Z2\n'), wait);
          expect(created('z.yaml')).toBe(z);
        },
        limit,
      );

    if (setup.traits.outage)
      it(
        'keeps last good while its place is gone, refuses writes with an AppError, and recovers',
        async () => {
          await rig.write('a.yaml', 'kind: A\n');
          const running = start();
          const first = await complete(running);
          await rig.down();
          await eventuallyPasses(() => expect(running.last()?.degraded?.kind).toBe('unreachable'), wait);
          expect(running.last()?.documents.get('a.yaml')).toBe(first.documents.get('a.yaml'));
          await expect(running.store.put({ path: 'b.yaml', text: 'x' })).rejects.toMatchObject({ name: 'AppError' });
          await rig.up();
          await rig.write('c.yaml', 'kind: C\n');
          await eventuallyPasses(
            () => expect(texts(running.last())).toEqual({ 'a.yaml': 'kind: A\n', 'c.yaml': 'kind: C\n' }),
            wait,
          );
          await eventuallyPasses(() => expect(running.last()?.degraded).toBeUndefined(), wait);
        },
        limit,
      );
  });
}
