// The contract of a registry source (src/model/source.ts), as tests over any rig.
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { Instance } from '../../src/model/instance.ts';
import type { RegistrySnapshot } from '../../src/model/snapshot.ts';
import type { RegistrySource } from '../../src/model/source.ts';
import { assertNoLeaks } from '../support/leaks.ts';
import { describeWith, eventually, eventuallyPasses } from '../support/real-parts.ts';
import type { RegistryRig, RegistryRigSetup, RigInstance } from './source-rig.ts';

interface Watched {
  readonly all: RegistrySnapshot[];
  last(): RegistrySnapshot | undefined;
  /** Aborts and waits for `run` to return. */
  end(): Promise<void>;
}

/** Runs a source and records what it emits. */
export function watch(source: RegistrySource): Watched {
  const abort = new AbortController();
  const all: RegistrySnapshot[] = [];
  const done = source.run(abort.signal, (snapshot) => all.push(snapshot));
  return {
    all,
    last: () => all.at(-1),
    async end() {
      abort.abort();
      await done;
    },
  };
}

/** Instances of a service by `address:port`, which every registry can express. */
function at(snapshot: RegistrySnapshot | undefined, service: string): Map<string, Instance> {
  const instances = snapshot?.services.get(service)?.instances ?? [];
  return new Map(instances.map((instance) => [`${instance.address}:${instance.port}`, instance]));
}

function content(snapshot: RegistrySnapshot): unknown {
  const { complete, degraded, services, problems } = snapshot;
  return { complete, degraded, services: [...services].sort(([a], [b]) => (a < b ? -1 : 1)), problems };
}

const web1: RigInstance = { service: 'web', id: 'web-1', address: '127.0.0.11', port: 8001 };
const web2: RigInstance = { service: 'web', id: 'web-2', address: '127.0.0.12', port: 8002 };
const api1: RigInstance = { service: 'api', id: 'api-1', address: '127.0.0.21', port: 9001 };

export function registryConformance(setup: RegistryRigSetup): void {
  const { traits } = setup;
  const wait = { deadlineMs: setup.deadlineMs ?? 10_000 };
  const limit = 4 * wait.deadlineMs + 30_000;

  describeWith(setup.parts, `${setup.name} as a registry`, () => {
    assertNoLeaks();
    let rig: RegistryRig;
    let watched: Watched | undefined;
    const start = (): Watched => {
      watched = watch(rig.source());
      return watched;
    };
    const complete = (running: Watched): Promise<RegistrySnapshot> =>
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
      'gives the full state first, complete, with keys unique and sorted',
      async () => {
        for (const instance of [web1, web2, api1]) await rig.register(instance);
        const running = start();
        const first = await complete(running);
        expect([...at(first, 'web').keys()].sort()).toEqual(['127.0.0.11:8001', '127.0.0.12:8002']);
        expect([...at(first, 'api').keys()]).toEqual(['127.0.0.21:9001']);
        expect(first.degraded).toBeUndefined();
        expect(running.all.filter((snapshot) => !snapshot.complete && snapshot.services.size > 0)).toEqual([]);
        const keys = [...first.services.values()].flatMap((service) => service.instances.map(({ key }) => key));
        expect(new Set(keys).size).toBe(3);
        for (const service of first.services.values()) {
          expect(service.instances.map(({ key }) => key)).toEqual(service.instances.map(({ key }) => key).sort());
        }
        for (const instance of at(first, 'web').values()) {
          expect(instance).toMatchObject({ health: 'healthy', weight: 1 });
          expect(instance.id).not.toBe('');
        }
      },
      limit,
    );

    it(
      'follows additions, changes and removals, sharing what did not change',
      async () => {
        for (const instance of [web1, api1]) await rig.register(instance);
        const running = start();
        const first = await complete(running);
        await rig.register(web2);
        await eventually(() => at(running.last(), 'web').size === 2, wait);
        expect(running.last()?.services.get('api')).toBe(first.services.get('api'));
        const before = running.last();

        await rig.register({ ...web2, port: 8003 });
        await eventually(() => at(running.last(), 'web').has('127.0.0.12:8003'), wait);
        await eventually(() => at(running.last(), 'web').size === 2, wait);
        expect(at(running.last(), 'web').get('127.0.0.11:8001')).toBe(at(before, 'web').get('127.0.0.11:8001'));

        await rig.deregister('web', 'web-2');
        await eventually(() => at(running.last(), 'web').size === 1, wait);
        await rig.deregister('api', 'api-1');
        await eventually(() => at(running.last(), 'api').size === 0, wait);
        expect([...at(running.last(), 'web').keys()]).toEqual(['127.0.0.11:8001']);
        expect(running.last()?.problems).toEqual([]);
      },
      limit,
    );

    it(
      'never emits equal content twice in a row, even when an entry is written again unchanged',
      async () => {
        await rig.register(web1);
        const running = start();
        await complete(running);
        await rig.register(web1);
        await rig.register(web2);
        await eventually(() => at(running.last(), 'web').size === 2, wait);
        await rig.register(web2);
        await rig.register(api1);
        await eventually(() => at(running.last(), 'api').size === 1, wait);
        for (let i = 1; i < running.all.length; i++) {
          const [previous, next] = running.all.slice(i - 1, i + 1) as [RegistrySnapshot, RegistrySnapshot];
          expect(content(next)).not.toEqual(content(previous));
        }
      },
      limit,
    );

    it(
      'returns soon after it is aborted, and can be run anew by another source',
      async () => {
        await rig.register(web1);
        const running = start();
        await complete(running);
        await running.end();
        const count = running.all.length;
        await rig.register(web2);
        const second = start();
        expect(at(await complete(second), 'web').size).toBe(2);
        expect(running.all).toHaveLength(count);
      },
      limit,
    );

    if (traits.health)
      it(
        'follows health: warning, critical and back, without dropping the instance',
        async () => {
          await rig.register(web1);
          const running = start();
          await complete(running);
          for (const health of ['critical', 'warning', 'healthy'] as const) {
            await rig.register({ ...web1, health });
            await eventuallyPasses(
              () => expect(at(running.last(), 'web').get('127.0.0.11:8001')?.health).toBe(health),
              wait,
            );
          }
        },
        limit,
      );

    if (traits.weights)
      it(
        'follows weights, between 1 and 128',
        async () => {
          await rig.register({ ...web1, weight: 7 });
          const running = start();
          await complete(running);
          const weight = (): number | undefined => at(running.last(), 'web').get('127.0.0.11:8001')?.weight;
          expect(weight()).toBe(7);
          await rig.register({ ...web1, weight: 1000 });
          await eventuallyPasses(() => expect(weight()).toBe(128), wait);
        },
        limit,
      );

    if (traits.metadata)
      it(
        'carries metadata',
        async () => {
          await rig.register({ ...web1, metadata: { version: 'v2', team_name: 'x' } });
          const running = start();
          expect(at(await complete(running), 'web').get('127.0.0.11:8001')?.metadata).toMatchObject({
            version: 'v2',
            team_name: 'x',
          });
        },
        limit,
      );

    if (traits.outage) outage();
    if (traits.reset) reset();

    function outage(): void {
      it(
        'down at the start: says so, serves nothing, and recovers',
        async () => {
          await rig.register(web1);
          await rig.down();
          const running = start();
          const first = await eventually(() => running.last(), wait);
          expect(first).toMatchObject({ complete: false, degraded: { kind: 'unreachable' } });
          expect(first.services.size).toBe(0);
          expect(running.all.some((snapshot) => snapshot.complete)).toBe(false);
          await rig.up();
          await eventually(() => running.last()?.complete === true && at(running.last(), 'web').size === 1, wait);
        },
        limit,
      );

      it(
        'down later: keeps last good and says unreachable; back: takes up new changes and is whole again',
        async () => {
          for (const instance of [web1, api1]) await rig.register(instance);
          const running = start();
          const good = await complete(running);
          await rig.down();
          await eventuallyPasses(() => expect(running.last()?.degraded?.kind).toBe('unreachable'), wait);
          expect(running.last()?.complete).toBe(true);
          expect([...(running.last()?.services.keys() ?? [])].sort()).toEqual(['api', 'web']);
          expect(running.last()?.services.get('web')).toBe(good.services.get('web'));
          const seen = running.all.length;

          await rig.up();
          if (traits.suspectAfterOutage) {
            const back = await eventually(
              () => running.all.slice(seen).find(({ degraded }) => degraded?.kind !== 'unreachable'),
              wait,
            );
            expect(['suspect', 'partial']).toContain(back.degraded?.kind);
          }
          await rig.register(web2);
          await eventually(() => at(running.last(), 'web').has('127.0.0.12:8002'), wait);
          await eventuallyPasses(() => expect(running.last()?.degraded).toBeUndefined(), wait);
          expect(at(running.last(), 'web').size).toBe(2);
          expect(at(running.last(), 'api').size).toBe(1);
          noSilentLoss(running);
        },
        limit,
      );

      it(
        'aborted while the registry is down: returns',
        async () => {
          await rig.register(web1);
          const running = start();
          await complete(running);
          await rig.down();
          await eventuallyPasses(() => expect(running.last()?.degraded?.kind).toBe('unreachable'), wait);
          await running.end();
          await rig.up();
        },
        limit,
      );
    }

    function reset(): void {
      it(
        'back empty with a lower index: an empty answer is never told without doubt, and later changes arrive',
        async () => {
          for (const instance of [web1, web2, api1]) await rig.register(instance);
          const running = start();
          await complete(running);
          await rig.down();
          await rig.upEmpty?.();
          await eventually(() => running.last()?.degraded === undefined && running.last()?.services.size === 0, wait);
          noSilentLoss(running);
          await rig.register(api1);
          await eventually(() => at(running.last(), 'api').size === 1, wait);
        },
        limit,
      );
    }

    /** The first snapshot that lacks a service known before must be degraded. */
    function noSilentLoss(running: Watched): void {
      let known = new Set<string>();
      for (const snapshot of running.all) {
        const names = new Set([...snapshot.services.values()].filter((s) => s.instances.length > 0).map((s) => s.name));
        if ([...known].some((name) => !names.has(name))) expect(snapshot.degraded).toBeDefined();
        known = names;
      }
    }
  });
}
