// The mirror of a worker against the views of the main thread, over every order of deliveries.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { typeUrls } from '../../../../src/resources/type-urls.ts';
import { propertyRuns } from '../../../support/property-runs.ts';
import { createStaticViews, resource } from '../../../support/static-views.ts';
import {
  type Channel,
  type Contents,
  createHandViews,
  createSimulatedChannel,
  seen,
  settle,
} from './simulated-channel.ts';

const kinds = (channel: Channel): string[] => channel.said.map(({ kind }) => kind);

describe('a mirrored view', () => {
  it('is told once for all streams of the worker, with shared bytes', async () => {
    const views = createHandViews();
    views.publish('web', { a: '1', b: '1' });
    views.publishEndpoints({ a: 'x' });
    const channel = createSimulatedChannel(views);
    const one = channel.open('web');
    const two = channel.open('web');
    await settle(channel);
    expect(kinds(channel)).toEqual(['endpoints', 'resources', 'view', 'opened', 'opened']);
    expect(seen(one.subscription?.view() ?? views.view('none'))).toEqual(seen(views.view('web')));
    expect(two.subscription?.view().get(typeUrls.cluster, 'a')).toBe(
      one.subscription?.view().get(typeUrls.cluster, 'a'),
    );
    expect(one.subscription?.view().get(typeUrls.cluster, 'a')?.bytes.buffer).toBeInstanceOf(SharedArrayBuffer);
  });

  it('tells a resource that two views share once', async () => {
    const views = createHandViews();
    views.publish('web', { a: '1', b: '1' });
    views.publish('api', { a: '1', b: '2' });
    const channel = createSimulatedChannel(views);
    channel.open('web');
    channel.open('api');
    await settle(channel);
    const added = channel.said.flatMap((message) => (message.kind === 'resources' ? message.added : []));
    expect(added.map(({ name }) => name).sort()).toEqual(['a', 'a', 'a', 'b', 'b', 'b', 'b', 'b', 'b']);
  });

  it('changes by what changed, and every stream of it is told in one message', async () => {
    const views = createHandViews();
    views.publish('web', { a: '1', b: '1' });
    const channel = createSimulatedChannel(views);
    const streams = [channel.open('web'), channel.open('web')];
    await settle(channel);
    channel.said.length = 0;
    views.publish('web', { a: '1', b: '2', c: '1' });
    await settle(channel);
    expect(kinds(channel)).toEqual(['resources', 'view', 'forget', 'changed']);
    expect(channel.said.at(-1)).toMatchObject({ streams: [1, 2] });
    expect(channel.due).toEqual([1, 2]);
    for (const { held } of streams) expect(held).toEqual(seen(views.view('web')));
  });

  it('is dropped with its last stream, and so are resources that no other view has', async () => {
    const views = createHandViews();
    views.publish('web', { a: '1', b: '1' });
    views.publish('api', { a: '1' });
    const channel = createSimulatedChannel(views);
    const streams = [channel.open('web'), channel.open('web'), channel.open('api')];
    await settle(channel);
    channel.said.length = 0;
    for (const stream of streams.slice(0, 2)) channel.close(stream);
    await settle(channel);
    expect(channel.said).toMatchObject([
      { kind: 'drop', view: 'web' },
      { kind: 'forget', ids: { length: 3 } },
    ]);
    expect(views.streams.size).toBe(1);
  });

  it('is refused as the provider refuses it', async () => {
    const channel = createSimulatedChannel(createHandViews());
    const stream = channel.open('refused');
    await settle(channel);
    expect(stream.refused).toBe('not synced yet');
    expect(channel.streams).toEqual([]);
  });

  it('tells no endpoints while nobody uses them, and all that differ once somebody does', async () => {
    const views = createHandViews();
    views.publishEndpoints({ a: '1', b: '1' });
    const channel = createSimulatedChannel(views);
    const first = channel.open('web');
    await settle(channel);
    channel.close(first);
    await settle(channel);
    channel.said.length = 0;
    views.publishEndpoints({ a: '2', b: '1', c: '1' });
    views.publishEndpoints({ a: '2', c: '2' });
    await settle(channel);
    expect(channel.said).toEqual([]);
    const later = channel.open('web');
    await settle(channel);
    expect(channel.said[0]).toMatchObject({ kind: 'endpoints', set: [{ name: 'a' }, { name: 'c' }], removed: ['b'] });
    expect(later.held).toEqual(seen(views.view('web')));
  });

  it('marks a stream behind until the worker has taken the change', async () => {
    const views = createHandViews();
    views.publish('web', { a: '1' });
    const channel = createSimulatedChannel(views);
    const { id } = channel.open('web');
    await settle(channel);
    expect(channel.publisher.behind(id, 1)).toBe(false);
    views.publish('web', { a: '2' });
    expect(channel.publisher.behind(id, 1)).toBe(true);
    expect(channel.publisher.behind(id, 2)).toBe(false);
  });

  it('finds a virtual host by every host it serves, as the view does', async () => {
    const host = (content: string, ...aliases: readonly string[]) =>
      resource(typeUrls.virtualHost, 'r/shop', { content, aliases });
    const views = createStaticViews([host('1', 'r/a', 'r/b')]);
    const channel = createSimulatedChannel(views);
    const stream = channel.open('any');
    await settle(channel);
    const found = (name: string) => stream.subscription?.view().get(typeUrls.virtualHost, name)?.name;
    const names = () => [...(stream.subscription?.view().names(typeUrls.virtualHost) ?? [])];
    expect(['r/shop', 'r/a', 'r/b'].map(found)).toEqual(['r/shop', 'r/shop', 'r/shop']);
    expect(names()).toEqual(['r/shop']);
    views.publish([host('2', 'r/b', 'r/c')]);
    await settle(channel);
    expect(['r/shop', 'r/a', 'r/b', 'r/c'].map(found)).toEqual(['r/shop', undefined, 'r/shop', 'r/shop']);
    views.publish([]);
    await settle(channel);
    expect(['r/shop', 'r/b', 'r/c'].map(found)).toEqual([undefined, undefined, undefined]);
    expect(names()).toEqual([]);
  });

  it('ends the worker, and nothing else, when a change cannot be told', async () => {
    const views = createHandViews();
    const channel = createSimulatedChannel(views);
    channel.open('web');
    await settle(channel);
    const broken = new Error('no such view');
    views.view('web').get = () => {
      throw broken;
    };
    views.view('web').names = () => {
      throw broken;
    };
    const [stream] = views.streams.values();
    stream?.onChange([{ type: typeUrls.cluster, name: 'a' }]);
    views.publishEndpoints({ a: '1' });
    expect(channel.faults).toEqual([broken]);
  });

  it('closes everything when the worker has died', async () => {
    const views = createHandViews();
    const channel = createSimulatedChannel(views);
    channel.open('web');
    channel.open('api');
    await settle(channel);
    expect(views.streams.size).toBe(2);
    channel.publisher.end();
    expect(views.streams.size).toBe(0);
  });
});

const viewName = fc.constantFrom('web', 'api', 'edge');
const contents = fc.dictionary(
  fc.constantFrom('a', 'b', 'c', 'd'),
  fc.constantFrom('1', '2'),
) as fc.Arbitrary<Contents>;
const action = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('open' as const),
      view: fc.oneof(viewName, viewName, fc.constant('refused')),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('close' as const), which: fc.nat(20) }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('publish' as const), view: viewName, contents }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('endpoints' as const), contents }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('move' as const), which: fc.nat(20), view: viewName }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('end-turn' as const) }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('to-worker' as const) }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('to-main' as const) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('settle' as const) }) },
);

describe('whatever the order of deliveries', () => {
  it('every stream ends with its view, was told of every difference, and nothing is kept for nobody', {
    timeout: 120_000,
  }, async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(action, { minLength: 10, maxLength: 60, size: 'max' }), async (actions) => {
        const views = createHandViews();
        const channel = createSimulatedChannel(views);
        for (const step of actions) {
          if (step.do === 'open') channel.open(step.view);
          else if (step.do === 'close') {
            const stream = channel.streams[step.which % Math.max(1, channel.streams.length)];
            if (stream !== undefined) channel.close(stream);
          } else if (step.do === 'publish') views.publish(step.view, step.contents);
          else if (step.do === 'endpoints') views.publishEndpoints(step.contents);
          else if (step.do === 'move') {
            const ids = [...views.streams.keys()];
            views.move(ids[step.which % Math.max(1, ids.length)] ?? 0, step.view);
          } else if (step.do === 'end-turn') channel.endTurn();
          else if (step.do === 'to-worker') channel.deliverToWorker();
          else if (step.do === 'to-main') channel.deliverToMain();
          else await settle(channel);
          // What was answered is seen before anything else arrives, as between two messages of a thread.
          for (let turn = 0; turn < 5; turn++) await Promise.resolve();
        }
        await settle(channel);
        expect(channel.streams.length).toBe(views.streams.size);
        for (const stream of channel.streams) {
          const main = views.streams.get(stream.id);
          const wanted = seen(views.view(main?.view ?? ''));
          expect(seen(stream.subscription?.view() ?? views.view('nothing'))).toEqual(wanted);
          expect(stream.held).toEqual(wanted);
        }
        for (const stream of [...channel.streams]) channel.close(stream);
        await settle(channel);
        const told = new Set<number>();
        const kept = new Set<string>();
        for (const message of channel.said) {
          if (message.kind === 'resources') for (const { id } of message.added) told.add(id);
          if (message.kind === 'forget') for (const id of message.ids) expect(told.delete(id)).toBe(true);
          if (message.kind === 'view') kept.add(message.view);
          if (message.kind === 'drop') expect(kept.delete(message.view)).toBe(true);
        }
        expect([...told, ...kept]).toEqual([]);
        expect(views.streams.size).toBe(0);
        expect(channel.faults).toEqual([]);
      }),
      { numRuns: propertyRuns(100) },
    );
  });
});
