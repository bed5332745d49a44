import { describe, expect, it } from 'vitest';
import { createPipeline } from '../../../src/control/pipeline.ts';
import { createWorldBuilder } from '../../../src/model/next-world.ts';
import type { ObjectSnapshot, RegistrySnapshot } from '../../../src/model/snapshot.ts';
import type { World } from '../../../src/model/world.ts';
import { silentLogger } from '../../../src/util/log.ts';
import { createFakeClock } from '../../support/fake-clock.ts';
import { testInstance, testService, testWorld } from '../../support/worlds.ts';

const registry = (revision: string, complete = true): RegistrySnapshot => ({
  source: 'consul',
  kind: 'consul',
  revision,
  complete,
  services: new Map([['api', { name: 'api', instances: [testInstance(revision)] }]]),
  problems: [],
});

const objects = (complete = true): ObjectSnapshot => ({
  source: 'files',
  revision: '1',
  complete,
  documents: new Map(),
});

/** Structure changes with every snapshot when `structural`, endpoints only otherwise. */
function rig(structural: boolean, trouble: { at?: 'world' | 'structure' } = {}) {
  const clock = createFakeClock();
  const worlds: World[] = [];
  const structures: number[] = [];
  const reads: Promise<void>[] = [];
  let world: World | undefined;
  const pipeline = createPipeline(
    {
      clock,
      log: silentLogger,
      buildSeconds: { observe: () => {} },
      next({ registries }) {
        const instances = registries.flatMap(({ services }) => services.get('api')?.instances ?? []);
        const next = testWorld({ api: instances }, { revision: (world?.revision ?? 0) + 1 });
        const same = world !== undefined && !structural;
        world = {
          ...next,
          services: same ? (world?.services ?? next.services) : new Map([['api' as never, testService('api')]]),
          routes: world?.routes ?? next.routes,
          gateways: world?.gateways ?? next.gateways,
          mesh: world?.mesh ?? next.mesh,
        };
        return world;
      },
      reading: () => reads[0],
      endpointFacts: () => worlds,
      onWorld: (next) => {
        if (trouble.at === 'world') throw new Error('no view');
        worlds.push(next);
      },
      onStructure: () => {
        if (trouble.at === 'structure') throw new Error('no view');
        structures.push(clock.now());
      },
    },
    { registries: ['consul'], objects: ['files'], holdMs: 30_000 },
  );
  return { clock, pipeline, worlds, structures, reads };
}

describe('pipeline', () => {
  it('publishes nothing before every source has reported whole', async () => {
    const { clock, pipeline, worlds } = rig(true);
    pipeline.registry(registry('1'));
    await clock.settle();
    expect(pipeline.waitingFor()).toEqual(['files']);
    pipeline.objects(objects(false));
    await clock.settle();
    expect(worlds).toEqual([]);
    pipeline.objects(objects());
    await clock.settle();
    expect(pipeline.waitingFor()).toEqual([]);
    expect(worlds.length).toBe(1);
  });

  it('makes one World of all changes of one turn', async () => {
    const { clock, pipeline, worlds } = rig(true);
    pipeline.objects(objects());
    for (const revision of ['1', '2', '3']) pipeline.registry(registry(revision));
    await clock.settle();
    expect(worlds.length).toBe(1);
    expect(worlds[0]?.endpoints.get('api' as never)?.[0]?.id).toBe('3');
  });

  it('publishes structure on the leading edge and coalesces what follows at once', async () => {
    const { clock, pipeline, structures } = rig(true);
    pipeline.objects(objects());
    pipeline.registry(registry('1'));
    await clock.settle();
    expect(structures).toEqual([0]);
    for (const revision of ['2', '3', '4']) {
      pipeline.registry(registry(revision));
      await clock.settle();
    }
    expect(structures).toEqual([0]);
    await clock.advanceAsync(10);
    expect(structures).toEqual([0, 2]);
    await clock.advanceAsync(1000);
    pipeline.registry(registry('5'));
    await clock.settle();
    expect(structures.length).toBe(3);
  });

  it.each([
    ['Mesh', 'kind: Mesh\nmetadata: {name: default}\nspec: {mtls: permissive}'],
    ['Service', 'kind: Service\nmetadata: {name: api}\nspec: {}'],
    ['Route', 'kind: Route\nmetadata: {name: one}\nspec: {hosts: [a], rules: [{respond: {status: 200}}]}'],
    ['Gateway', 'kind: Gateway\nmetadata: {name: edge}\nspec: {listeners: [{name: http, port: 1, protocol: http}]}'],
    ['Authorization', 'kind: Authorization\nmetadata: {name: api}\nspec: {service: api, deny: [{from: ["*"]}]}'],
  ])('publishes structure for a %s alone that comes and goes', async (_kind, text) => {
    const clock = createFakeClock();
    const builder = createWorldBuilder({ certificates: true });
    let structures = 0;
    const pipeline = createPipeline(
      {
        ...{ clock, log: silentLogger, buildSeconds: { observe: () => {} }, endpointFacts: () => builder },
        ...{ next: (input) => builder.next(input), onWorld: () => {}, onStructure: () => void structures++ },
      },
      { registries: ['consul'], objects: ['files'], holdMs: 30_000 },
    );
    pipeline.registry(registry('1'));
    const document = { path: 'one.yaml', text: `apiVersion: chancery/v1\n${text}\n` };
    for (const documents of [[], [document], []]) {
      pipeline.objects({ ...objects(), documents: new Map(documents.map((one) => [one.path, one])) });
      await clock.advanceAsync(1000);
    }
    expect(structures).toBe(3);
  });

  it('never waits with endpoints and builds no structure for them', async () => {
    const { clock, pipeline, worlds, structures } = rig(false);
    pipeline.objects(objects());
    for (const revision of ['1', '2', '3']) {
      pipeline.registry(registry(revision));
      await clock.settle();
    }
    expect(worlds.length).toBe(3);
    expect(structures).toEqual([0]);
  });

  it.each(['world', 'structure'] as const)(
    'outlives a %s that fails, says so, and publishes the next one whole',
    async (at) => {
      const trouble: { at?: 'world' | 'structure' } = {};
      const { clock, pipeline, structures } = rig(at === 'structure', trouble);
      pipeline.objects(objects());
      pipeline.registry(registry('1'));
      await clock.settle();
      trouble.at = at;
      pipeline.registry(registry('2'));
      await clock.advanceAsync(1000);
      if (at === 'world') {
        expect(pipeline.holds().map(({ reason }) => reason)).toEqual([expect.stringContaining('no view')]);
        expect(pipeline.publishedRevision()).toBe(1);
      }
      delete trouble.at;
      pipeline.registry(registry('3'));
      await clock.advanceAsync(1000);
      expect(pipeline.holds()).toEqual([]);
      expect(structures.length).toBe(2);
      expect(pipeline.publishedRevision()).toBe(3);
    },
  );

  it.each(['onWorld', 'onStructure'] as const)(
    'says that %s failed until the same state is published',
    async (part) => {
      const clock = createFakeClock();
      const builder = createWorldBuilder({ certificates: true });
      let broken = false;
      const breakable = (of: typeof part) => () => {
        if (broken && of === part) throw new Error('no view');
      };
      const pipeline = createPipeline(
        {
          ...{ clock, log: silentLogger, buildSeconds: { observe: () => {} }, endpointFacts: () => builder },
          ...{
            next: (input) => builder.next(input),
            onWorld: breakable('onWorld'),
            onStructure: breakable('onStructure'),
          },
        },
        { registries: ['consul'], objects: ['files'], holdMs: 30_000 },
      );
      pipeline.registry(registry('1'));
      pipeline.objects(objects());
      await clock.advanceAsync(1000);
      broken = true;
      const text = 'apiVersion: chancery/v1\nkind: Service\nmetadata: {name: api}\nspec: {}\n';
      const documents = new Map([['a.yaml', { path: 'a.yaml', text }]]);
      for (let times = 0; times < 2; times++) {
        pipeline.objects({ ...objects(), documents });
        await clock.advanceAsync(1000);
        expect(pipeline.holds().map(({ reason }) => reason)).toEqual([expect.stringContaining('no view')]);
        expect(pipeline.publishedRevision()).toBe(1);
      }
      broken = false;
      pipeline.again();
      await clock.advanceAsync(1000);
      expect(pipeline.holds()).toEqual([]);
      expect(pipeline.publishedRevision()).toBe(2);
    },
  );

  it('keeps the last good objects while their store is degraded', async () => {
    const { clock, pipeline } = rig(true);
    const documents = new Map([['a.yaml', { path: 'a.yaml', text: 'x: 1' }]]);
    pipeline.registry(registry('1'));
    pipeline.objects({ ...objects(), documents });
    await clock.settle();
    pipeline.objects({ ...objects(), degraded: { kind: 'unreachable', reason: 'gone' } });
    await clock.settle();
    expect(pipeline.latestObjects()[0]?.documents).toBe(documents);
    expect(pipeline.latestObjects()[0]?.degraded?.reason).toBe('gone');
  });

  it.each(['partial', 'suspect'] as const)('takes what a %s object store has and keeps what it lacks', async (kind) => {
    const { clock, pipeline } = rig(true);
    const document = (path: string, text: string) => [path, { path, text }] as const;
    pipeline.registry(registry('1'));
    pipeline.objects({ ...objects(), documents: new Map([document('a.yaml', 'x: 1'), document('b.yaml', 'x: 1')]) });
    await clock.settle();
    const documents = new Map([document('a.yaml', 'x: 2'), document('c.yaml', 'x: 3')]);
    pipeline.objects({ ...objects(), documents, degraded: { kind, reason: 'file "b.yaml" cannot be read' } });
    await clock.settle();
    const served = [...(pipeline.latestObjects()[0]?.documents.values() ?? [])].map(({ path, text }) => path + text);
    expect(served.sort()).toEqual(['a.yamlx: 2', 'b.yamlx: 1', 'c.yamlx: 3']);
    pipeline.objects({ ...objects(), documents });
    await clock.settle();
    expect(pipeline.latestObjects()[0]?.documents).toBe(documents);
  });

  it('publishes no state whose files are being read for the first time', async () => {
    const { clock, pipeline, worlds, reads } = rig(false);
    const read = Promise.withResolvers<void>();
    reads.push(read.promise);
    pipeline.objects(objects());
    pipeline.registry(registry('1'));
    await clock.settle();
    expect([worlds.length, pipeline.world()]).toEqual([0, undefined]);
    reads.length = 0;
    read.resolve();
    await clock.settle();
    expect(worlds.length).toBe(1);
    pipeline.again();
    await clock.settle();
    expect(worlds.length).toBe(2);
  });

  it('takes a suspicious answer for what it is when its window ends', async () => {
    const { clock, pipeline, worlds } = rig(false);
    pipeline.objects(objects());
    pipeline.registry(registry('1'));
    await clock.settle();
    pipeline.registry({ ...registry('2'), services: new Map(), degraded: { kind: 'suspect', reason: 'reconnected' } });
    await clock.settle();
    expect(pipeline.holds().map(({ source }) => source)).toEqual(['consul']);
    expect(worlds.at(-1)?.endpoints.get('api' as never)?.length).toBe(1);
    await clock.advanceAsync(30_002);
    expect(pipeline.holds()).toEqual([]);
    expect(worlds.at(-1)?.endpoints.get('api' as never)).toEqual([]);
    pipeline.stop();
    expect(clock.pending()).toBe(0);
  });
});
