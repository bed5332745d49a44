// Every type through real gRPC in every variant, with messages made and read by the protobuf library.
import { describe, expect, it } from 'vitest';
import { shortNames, typeUrls } from '../../../src/resources/type-urls.ts';
import { isFullType } from '../../../src/xds/type-state.ts';
import { eventually } from '../../support/eventually.ts';
import { createStaticViews, resource } from '../../support/static-views.ts';
import type { Channel } from './envoy-world.ts';
import { connect } from './grpc-client.ts';
import { runServer } from './running-server.ts';

const channels: readonly Channel[] = [
  { variant: 'sotw', aggregated: true },
  { variant: 'delta', aggregated: true },
  { variant: 'sotw', aggregated: false },
  { variant: 'delta', aggregated: false },
];

describe.each(channels)('$variant, aggregated: $aggregated', (channel) => {
  const sotw = channel.variant === 'sotw';
  const types = Object.values(typeUrls).filter((type) => !sotw || type !== typeUrls.virtualHost);
  it.each(types.map((type) => ({ type, short: shortNames[type] })))('R1, R18, R31: $short', async ({ type }) => {
    const of = (name: string, content: string) => resource(type, `main/${name}`, { content });
    const views = createStaticViews([of('a', '1'), of('b', '1')]);
    await using server = await runServer(views, { limits: { separateBreakMs: 1 } });
    await using client = connect({ port: server.port, channel, type });
    const names = ['main/a', 'main/none'];
    const asked = sotw ? { resource_names: names } : { resource_names_subscribe: names };
    client.send({ type_url: type, ...asked });
    const first = await client.next();
    expect(first).toMatchObject({ type, identifier: 'test-replica' });
    const contents = first.resources.map(({ content }) => content).filter((content) => content.includes(':'));
    expect(contents).toEqual(['main/a:1']);
    if (!sotw) expect(first.removed).toEqual(type === typeUrls.virtualHost ? [] : ['main/none']);
    const acked = (count: number): Promise<unknown> =>
      eventually(() => server.events.filter(({ kind }) => kind === 'ack').length === count);
    const ack = (nonce: string): void =>
      client.send({ type_url: type, response_nonce: nonce, ...(sotw ? { resource_names: names } : {}) });
    ack(first.nonce);
    await acked(1);
    views.publish([of('a', '2'), of('b', '2')]);
    const second = await client.next();
    expect(second.resources.map(({ content }) => content)).toEqual(['main/a:2']);
    ack(second.nonce);
    await acked(2);
    views.publish([of('b', '2')]);
    if (!sotw) expect((await client.next()).removed).toEqual(['main/a']);
    else if (isFullType(type)) expect((await client.next()).resources).toEqual([]);
    expect(client.waiting()).toBe(0);
    expect(server.events.filter(({ kind }) => kind === 'sent').length).toBe(sotw && !isFullType(type) ? 2 : 3);
  });
});

describe('what only one variant has', () => {
  it('R2: virtual hosts over a SotW stream are ignored, and the stream stays', async () => {
    const channel: Channel = { variant: 'sotw', aggregated: true };
    await using server = await runServer(createStaticViews([resource(typeUrls.cluster, 'a')]));
    await using client = connect({ port: server.port, channel, type: typeUrls.virtualHost });
    client.send({ type_url: typeUrls.virtualHost, resource_names: ['main/a'] });
    client.send({ type_url: typeUrls.cluster });
    expect((await client.next()).type).toBe(typeUrls.cluster);
  });
  it('R33: an alias comes back with its virtual host, an unresolved one without', async () => {
    const { virtualHost: VHDS } = typeUrls;
    const channel: Channel = { variant: 'delta', aggregated: false };
    const shop = resource(VHDS, 'main/shop', { content: '1', aliases: ['main/shop.example'] });
    await using server = await runServer(createStaticViews([shop]));
    await using client = connect({ port: server.port, channel, type: VHDS });
    client.send({ resource_names_subscribe: ['main/shop.example', 'main/none'] });
    const { resources } = await client.next();
    expect(resources.map(({ name, aliases, content }) => [name, aliases, content])).toEqual([
      ['main/none', ['main/none'], ''],
      ['main/shop', ['main/shop.example'], 'main/shop:1'],
    ]);
  });
});
