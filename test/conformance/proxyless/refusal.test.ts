// What a gRPC library refuses is told in its own words, and costs only what it refused.
import { describe, expect, it } from 'vitest';
import { type TypeUrl, typeUrls } from '../../../src/resources/type-urls.ts';
import { grpcBootstrap } from '../../../src/translate/proxyless/bootstrap.ts';
import { createTranslator } from '../../../src/translate/translate.ts';
import { startGrpcBackend } from '../../support/grpc-backends.ts';
import { startGrpcClient } from '../../support/grpc-client.ts';
import { describeWithGo, grpcGoBuildMs, grpcGoClient } from '../../support/grpc-go.ts';
import { testProtos } from '../../support/protos.ts';
import { eventuallyPasses } from '../../support/real-parts.ts';
import { createStaticViews, resource } from '../../support/static-views.ts';
import { testInstance, testWorld } from '../../support/worlds.ts';
import { runServer } from '../xds/running-server.ts';

/** A cluster of a type that only Envoy has, and a listener without any use. */
const refused: readonly (readonly [TypeUrl, string, object])[] = [
  [typeUrls.cluster, 'bad', { name: 'bad', type: 'ORIGINAL_DST', lbPolicy: 'CLUSTER_PROVIDED', connectTimeout: '1s' }],
  [typeUrls.listener, 'empty', { name: 'empty' }],
];

async function refuses(program: string | undefined, words: readonly RegExp[]): Promise<void> {
  await using backend = await startGrpcBackend('cart-1');
  const world = testWorld({ bad: [], cart: [testInstance('cart-1', { port: backend.port })] });
  const translator = createTranslator({ protos: testProtos() });
  const content = translator.view(world, { role: 'proxyless' });
  const good = [...content.resources.values(), translator.endpoints(world)]
    .flatMap((map) => [...map.values()])
    .filter(({ type, name }) => type !== typeUrls.cluster || name !== 'bad');
  const listeners = ['bad', 'cart'].flatMap((name) => content.onDemand?.get(name) ?? []);
  const bad = refused.map(([type, name, json]) => resource(type, name, { bytes: testProtos().encode(type, json) }));
  await using server = await runServer(createStaticViews([...good, ...listeners, ...bad]));
  const xds = { address: '127.0.0.1', port: server.port };
  await using client = await startGrpcClient(JSON.stringify(grpcBootstrap({ node: 'caller-1', xds })), program);
  expect(await client.call('xds:///cart', { deadlineMs: 8000 })).toMatchObject({ seen: { 'cart-1': 1 } });
  const failing = ['bad', 'empty'].map((name) => client.call(`xds:///${name}`, { deadlineMs: 1000 }));
  await eventuallyPasses(() => {
    const told = server.events.flatMap((event) => (event.kind === 'nack' ? [event.message] : []));
    for (const word of words) expect(told.join('\n')).toMatch(word);
  });
  for (const { seen } of await Promise.all(failing)) expect(seen).toEqual({});
  expect(await client.call('xds:///cart', { count: 5 })).toMatchObject({ seen: { 'cart-1': 5 }, failed: {} });
}

describe('a refusal by grpc-js', () => {
  it('is told, and the rest is used', async () => {
    await refuses(undefined, [/Unsupported type ORIGINAL_DST/, /No api_listener/]);
  });
});

describeWithGo('a refusal by grpc-go', () => {
  it(
    'is told, and the rest is used',
    async () => {
      await refuses(await grpcGoClient(), [/unexpected lbPolicy CLUSTER_PROVIDED/, /no address field/]);
    },
    grpcGoBuildMs,
  );
});
