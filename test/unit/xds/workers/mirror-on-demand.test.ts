// What is made when asked for, through the mirror of a worker: known before it is asked of the view, and kept up to date.
import { describe, expect, it } from 'vitest';
import type { ResourceRef, View } from '../../../../src/resources/resource.ts';
import { typeUrls } from '../../../../src/resources/type-urls.ts';
import type { ViewProvider } from '../../../../src/xds/contract.ts';
import { resource } from '../../../support/static-views.ts';
import { type Channel, createSimulatedChannel, settle, type WorkerStream } from './simulated-channel.ts';

const { listener } = typeUrls;

/** One view, whose listeners are made for every name but those in `missing`. */
function createMaker(): ViewProvider & { publish(content: string, missing?: readonly string[], id?: string): void } {
  let current: View = view('1', [], 'v');
  const told = new Map<number, (refs: readonly ResourceRef[]) => void>();
  function view(content: string, missing: readonly string[], id: string): View {
    const get: View['get'] = (type, name) =>
      type === listener && !missing.includes(name) ? resource(listener, name, { content }) : undefined;
    return { id, onDemand: listener, get, names: () => [] };
  }
  return {
    publish(content, missing = [], id = 'v') {
      current = view(content, missing, id);
      const refs = [{ type: listener, name: '*' }];
      for (const onChange of told.values()) onChange(refs);
    },
    onEndpoints: () => () => {},
    open(client, onChange) {
      told.set(client.streamId, onChange);
      return { view: () => current, close: () => void told.delete(client.streamId) };
    },
  };
}

async function prepared(channel: Channel, stream: WorkerStream, names: readonly string[]): Promise<void> {
  const coming = stream.subscription?.prepare?.(listener, names);
  expect(coming).toBeInstanceOf(Promise);
  await settle(channel);
  await coming;
}

const content = (stream: WorkerStream, name: string): string | undefined =>
  stream.subscription?.view().get(listener, name)?.bytes.toString();

describe('names made on demand, mirrored', () => {
  it('are known once they were prepared, and need not be prepared again', async () => {
    const maker = createMaker();
    maker.publish('1', ['nobody']);
    const channel = createSimulatedChannel(maker);
    const stream = channel.open('v');
    await settle(channel);
    expect(stream.subscription?.prepare?.(typeUrls.cluster, ['cart'])).toBeUndefined();
    await prepared(channel, stream, ['cart', 'nobody']);
    expect(content(stream, 'cart')).toBe('cart:1');
    expect(content(stream, 'nobody')).toBeUndefined();
    expect(content(stream, 'web')).toBeUndefined();
    expect(stream.subscription?.prepare?.(listener, ['nobody', 'cart'])).toBeUndefined();
    maker.publish('2');
    await settle(channel);
    expect(content(stream, 'cart')).toBe('cart:2');
    expect(content(stream, 'nobody')).toBe('nobody:2');
    expect(content(stream, 'web')).toBeUndefined();
    maker.publish('2', ['cart']);
    await settle(channel);
    expect(content(stream, 'cart')).toBeUndefined();
  });

  it('are had by each of two streams that ask at once', async () => {
    const channel = createSimulatedChannel(createMaker());
    const [one, two] = [channel.open('v'), channel.open('v')];
    await settle(channel);
    const both = [one, two].map((stream) => stream.subscription?.prepare?.(listener, ['cart']));
    await settle(channel);
    for (const prepared of both) await prepared;
    for (const stream of [one, two]) expect(content(stream, 'cart')).toBe('cart:1');
  });

  it('have a change that was published while they were on their way', async () => {
    const maker = createMaker();
    const channel = createSimulatedChannel(maker);
    const stream = channel.open('v');
    await settle(channel);
    const coming = stream.subscription?.prepare?.(listener, ['cart']);
    channel.endTurn();
    channel.deliverToMain();
    maker.publish('2');
    await settle(channel);
    await coming;
    expect(content(stream, 'cart')).toBe('cart:2');
  });

  it('go along to another view, and leave nothing behind', async () => {
    const maker = createMaker();
    const channel = createSimulatedChannel(maker);
    const stream = channel.open('v');
    await settle(channel);
    await prepared(channel, stream, ['cart']);
    maker.publish('2', [], 'other');
    await settle(channel);
    expect(stream.subscription?.view().id).toBe('other');
    expect(content(stream, 'cart')).toBe('cart:2');
    channel.close(stream);
    await settle(channel);
    const added = channel.said.flatMap((message) => (message.kind === 'resources' ? message.added : []));
    const forgotten = channel.said.flatMap((message) => (message.kind === 'forget' ? message.ids : []));
    expect(forgotten.sort()).toEqual(added.map(({ id }) => id).sort());
  });

  it('stay as long as a stream wants them, and go with the last', async () => {
    const maker = createMaker();
    const channel = createSimulatedChannel(maker);
    const [one, two] = [channel.open('v'), channel.open('v')];
    await settle(channel);
    await prepared(channel, one, ['cart', 'web']);
    await prepared(channel, two, ['cart']);
    channel.close(one);
    await settle(channel);
    maker.publish('2');
    await settle(channel);
    expect([content(two, 'cart'), content(two, 'web')]).toEqual(['cart:2', undefined]);
    await prepared(channel, two, ['web']);
    expect(content(two, 'web')).toBe('web:2');
  });

  it('that one client asks for without end cost the others nothing', async () => {
    const channel = createSimulatedChannel(createMaker());
    const [greedy, other] = [channel.open('v'), channel.open('v')];
    await settle(channel);
    const many = (round: number): string[] => Array.from({ length: 70_000 }, (_, index) => `junk-${round}-${index}`);
    await prepared(channel, greedy, many(1));
    expect(greedy.subscription?.prepare?.(listener, many(2))).toBeUndefined();
    await prepared(channel, other, ['cart']);
    expect(content(other, 'cart')).toBe('cart:1');
    const told = channel.said.reduce((sum, message) => sum + (message.kind === 'view' ? message.set.length : 0), 0);
    expect(told).toBeLessThanOrEqual(2_001);
  });
});
