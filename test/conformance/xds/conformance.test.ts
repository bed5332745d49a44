// One suite over every variant, through real gRPC on loopback, with messages made and read by the protobuf library.
import { connect as connectHttp2 } from 'node:http2';
import { Client, credentials, status } from '@grpc/grpc-js';
import { describe, expect, it } from 'vitest';
import type { Resource } from '../../../src/resources/resource.ts';
import { typeUrls } from '../../../src/resources/type-urls.ts';
import type { XdsTransport } from '../../../src/xds/grpc/server.ts';
import { eventually } from '../../support/eventually.ts';
import { createStaticViews, resource } from '../../support/static-views.ts';
import type { Channel } from './envoy-world.ts';
import { connect, type GrpcClient, methodPath, protos, requestNames } from './grpc-client.ts';
import { runServer as runServerWith } from './running-server.ts';

const { cluster: CDS, endpoints: EDS, listener: LDS } = typeUrls;
const channels: readonly Channel[] = [
  { variant: 'sotw', aggregated: true },
  { variant: 'delta', aggregated: true },
  { variant: 'sotw', aggregated: false },
  { variant: 'delta', aggregated: false },
];
/** Neither worker threads nor what speaks gRPC change anything that a client can see. */
const setups: readonly (Channel & { readonly workers: number; readonly transport: XdsTransport })[] = [
  ...channels.map((channel) => ({ ...channel, workers: 0, transport: 'grpc-js' as const })),
  ...channels.map((channel) => ({ ...channel, workers: 0, transport: 'http2' as const })),
  { variant: 'delta', aggregated: true, workers: 2, transport: 'http2' },
  { variant: 'sotw', aggregated: false, workers: 2, transport: 'grpc-js' },
];
const cluster = (name: string, content = '1'): Resource => resource(CDS, name, { content });

describe.each(setups)('$variant, aggregated: $aggregated, workers: $workers, $transport', (setup) => {
  const { workers, transport, ...channel } = setup;
  const runServer: typeof runServerWith = (views, options, deps) =>
    runServerWith(views, { workers, transport, ...options }, deps);
  const sotw = channel.variant === 'sotw';
  const subscribe = (names: readonly string[], rest: object = {}): object =>
    sotw ? { resource_names: names, ...rest } : { resource_names_subscribe: names, ...rest };
  /** An ACK; SotW repeats its names. */
  const ack = (nonce: string, names: readonly string[] = []): object =>
    sotw ? { response_nonce: nonce, resource_names: names } : { response_nonce: nonce };
  const contents = (answer: Awaited<ReturnType<GrpcClient['next']>>): string[] =>
    answer.resources.map(({ content }) => content);
  const ads = channel.aggregated;

  it('R1, R3, R10, R23, R28: first answer, silence after the ACK, change, removal', async () => {
    const views = createStaticViews([cluster('a'), cluster('b')]);
    await using server = await runServer(views, { limits: { separateBreakMs: 1 } });
    await using client = connect({ port: server.port, channel, type: CDS });
    client.send({ ...subscribe([]), type_url: CDS });
    const first = await client.next();
    expect(first).toMatchObject({ type: CDS, identifier: 'test-replica' });
    expect(first.resources.every(({ typeUrl }) => typeUrl === CDS)).toBe(true);
    expect(contents(first)).toEqual(['a:1', 'b:1']);
    client.send({ ...ack(first.nonce), type_url: CDS });
    await eventually(() => server.events.some(({ kind }) => kind === 'ack'));
    views.publish([cluster('a'), cluster('b', '2')]);
    const second = await client.next();
    expect(contents(second)).toEqual(sotw ? ['a:1', 'b:2'] : ['b:2']);
    expect(second.nonce).not.toBe(first.nonce);
    client.send({ ...ack(second.nonce), type_url: CDS });
    await eventually(() => server.events.filter(({ kind }) => kind === 'ack').length === 2);
    views.publish([cluster('b', '2')]);
    const third = await client.next();
    expect(contents(third)).toEqual(sotw ? ['b:2'] : []);
    expect(third.removed).toEqual(sotw ? [] : ['a']);
    expect(client.waiting()).toBe(0);
  });

  it('R2: the type is implicit on a separate stream and required on ADS', async () => {
    await using server = await runServer(createStaticViews([cluster('a')]));
    await using client = connect({ port: server.port, channel, type: CDS });
    client.send(subscribe([]));
    if (ads) expect((await client.ended()).code).toBe(status.INVALID_ARGUMENT);
    else expect(contents(await client.next())).toEqual(['a:1']);
  });

  it('R2: a separate stream carries its own type only, ADS ignores types that are not served', async () => {
    await using server = await runServer(createStaticViews([cluster('a')]));
    await using client = connect({ port: server.port, channel, type: CDS });
    client.send({ ...subscribe([]), type_url: 'type.googleapis.com/envoy.some.v3.Other' });
    if (!ads) {
      expect((await client.ended()).code).toBe(status.INVALID_ARGUMENT);
      return;
    }
    client.send({ ...subscribe([]), type_url: CDS });
    expect(contents(await client.next())).toEqual(['a:1']);
  });

  it.each([
    ['no node', undefined],
    ['no node id', { cluster: 'x' }],
  ])('R5: %s in the first message ends the stream', async (_, node) => {
    await using server = await runServer(createStaticViews([cluster('a')]));
    await using client = connect({ port: server.port, channel, type: CDS, node: node ?? {} });
    client.send({ ...subscribe([]), type_url: CDS });
    expect(await client.ended()).toMatchObject({ code: status.INVALID_ARGUMENT });
  });

  it('R5: the node counts for the whole stream', async () => {
    const views = createStaticViews([cluster('a')]);
    await using server = await runServer(views);
    const metadata = { fields: undefined, list: [1, 'x', { deep: true }] };
    const node = { id: 'n', cluster: 'c', metadata: { list: metadata.list }, locality: { zone: 'z' } };
    await using client = connect({ port: server.port, channel, type: CDS, node });
    client.send({ ...subscribe([]), type_url: CDS });
    const { nonce } = await client.next();
    client.send({ ...ack(nonce), type_url: CDS });
    await eventually(() => server.events.some(({ kind }) => kind === 'ack'));
    const [opened] = [...views.clients];
    expect(opened).toMatchObject({
      nodeId: 'n',
      nodeCluster: 'c',
      metadata: { list: [1, 'x', { deep: true }] },
      locality: { zone: 'z' },
    });
    expect(opened?.peer).toMatch(/^127\.0\.0\.1:\d+$/);
  });

  it('R42: a server that is not ready says UNAVAILABLE, and serves once it is', async () => {
    const views = createStaticViews([cluster('a')]);
    views.refuse({ refused: 'unavailable', message: 'not synced yet' });
    await using server = await runServer(views);
    await using early = connect({ port: server.port, channel, type: CDS });
    early.send({ ...subscribe([]), type_url: CDS });
    expect(await early.ended()).toMatchObject({ code: status.UNAVAILABLE, details: 'not synced yet' });
    views.refuse(undefined);
    await using later = connect({ port: server.port, channel, type: CDS });
    later.send({ ...subscribe([]), type_url: CDS });
    expect(contents(await later.next())).toEqual(['a:1']);
  });

  it("F4: a rejection is told with the client's words, ends nothing and is not repeated", async () => {
    const views = createStaticViews([cluster('a')]);
    await using server = await runServer(views);
    await using client = connect({ port: server.port, channel, type: CDS });
    client.send({ ...subscribe([]), type_url: CDS });
    const { nonce } = await client.next();
    client.send({ ...ack(nonce), type_url: CDS, error_detail: { code: 3, message: 'cluster a: no' } });
    const told = await eventually(() => server.events.find((event) => event.kind === 'nack'));
    expect(told).toMatchObject({ type: CDS, nonce, message: 'cluster a: no' });
    expect([...told.resources]).toEqual([['a', cluster('a').version]]);
    views.publish([cluster('a', '2')]);
    expect(contents(await client.next())).toEqual(['a:2']);
    expect(server.events.filter(({ kind }) => kind === 'sent')).toHaveLength(2);
  });

  it('R40: endpoints of an unknown cluster are answered', async () => {
    await using server = await runServer(createStaticViews([]));
    await using client = connect({ port: server.port, channel, type: EDS });
    client.send({ ...subscribe(['x']), type_url: EDS });
    const answer = await client.next();
    if (sotw) expect(contents(answer)).toEqual(['\n\x01x']);
    else expect(answer.removed).toEqual(['x']);
  });

  it('R6, R7, R38, R41, F8: another replica with equal content sends nothing again', async () => {
    const all = [cluster('a'), cluster('b')];
    await using one = await runServer(createStaticViews(all), {}, { seed: 1 });
    await using before = connect({ port: one.port, channel, type: CDS });
    before.send({ ...subscribe([]), type_url: CDS });
    const first = await before.next();
    const views = createStaticViews(all);
    await using two = await runServer(views, {}, { seed: 2 });
    await using client = connect({ port: two.port, channel, type: CDS });
    const resumed = sotw
      ? { version_info: first.version, response_nonce: first.nonce }
      : { initial_resource_versions: Object.fromEntries(first.resources.map(({ name, version }) => [name, version])) };
    client.send({ ...subscribe([]), ...resumed, type_url: CDS });
    await eventually(() => two.events.some(({ kind }) => kind === 'subscribe'));
    views.publish([cluster('a'), cluster('b', '2')]);
    expect(contents(await client.next())).toEqual(sotw ? ['a:1', 'b:2'] : ['b:2']);
    await eventually(() => two.events.some(({ kind }) => kind === 'sent'));
    expect(two.events.filter(({ kind }) => kind === 'sent')).toHaveLength(1);
  });

  it('F9: bytes that are no message end that stream and no other', async () => {
    const views = createStaticViews([cluster('a')]);
    await using server = await runServer(views);
    await using good = connect({ port: server.port, channel, type: CDS });
    good.send({ ...subscribe([]), type_url: CDS });
    const { nonce } = await good.next();
    good.send({ ...ack(nonce), type_url: CDS });
    await using bad = connect({ port: server.port, channel, type: CDS });
    bad.sendBytes(Buffer.from([0x12, 0xff, 0xff, 0xff, 0xff, 0x0f, 1, 2, 3]));
    expect((await bad.ended()).code).toBe(status.INVALID_ARGUMENT);
    await eventually(() => server.events.some(({ kind }) => kind === 'ack'));
    views.publish([cluster('a', '2')]);
    expect(contents(await good.next())).toEqual(['a:2']);
  });

  it('F11: a client that reads nothing is cut off; others are served meanwhile', async () => {
    const big = 'x'.repeat(50_000);
    const many = (round: number): Resource[] =>
      Array.from({ length: 20 }, (_, index) => cluster(`c${index}`, `${round}${big}`));
    const views = createStaticViews(many(0));
    await using server = await runServer(views, { blockedMs: 700 });
    // HTTP/2 by hand, as a gRPC client would read: this one opens a stream and never reads from it.
    const session = connectHttp2(`http://127.0.0.1:${server.port}`);
    const request = protos.encode(requestNames[channel.variant], { node: { id: 'slow' }, type_url: CDS });
    const frame = Buffer.alloc(5);
    frame.writeUInt32BE(request.length, 1);
    const headers = { ':method': 'POST', ':path': methodPath(channel, CDS), 'content-type': 'application/grpc' };
    const stream = session.request({ ...headers, te: 'trailers' });
    let cut = false;
    session.on('close', () => {
      cut = true;
    });
    for (const end of [session, stream]) end.on('error', () => {});
    stream.write(Buffer.concat([frame, request]));
    await eventually(() => server.events.some(({ kind }) => kind === 'sent'));
    views.publish(many(1));
    await using good = connect({ port: server.port, channel, type: CDS });
    good.send({ ...subscribe([]), type_url: CDS });
    expect((await good.next()).resources).toHaveLength(20);
    const closed = await eventually(() => server.events.find((event) => event.kind === 'close'));
    expect(closed.reason).toContain('has taken nothing');
    expect([...views.clients].map(({ nodeId }) => nodeId)).toEqual(['client']);
    // Of the changes while it was blocked nothing was sent, and nothing kept but marks.
    const opened = server.events.filter((event) => event.kind === 'open');
    const slow = opened.find(({ client }) => client.nodeId === 'slow')?.client.streamId;
    expect(server.events.filter((event) => event.kind === 'sent' && event.streamId === slow)).toHaveLength(1);
    // Its connection too: what HTTP/2 holds for it would be kept as long as it likes.
    await eventually(() => cut);
    session.destroy();
  });

  it('F11: a stream that never says anything does not stay', async () => {
    await using server = await runServer(createStaticViews([]), { openMs: 50 });
    await using silent = connect({ port: server.port, channel, type: CDS });
    expect((await silent.ended()).code).toBe(status.DEADLINE_EXCEEDED);
    expect(server.events).toEqual([]);
  });

  it('F12: nothing of a stream is left when it has ended', async () => {
    const views = createStaticViews([cluster('a')]);
    await using server = await runServer(views);
    const client = connect({ port: server.port, channel, type: CDS });
    client.send({ ...subscribe([]), type_url: CDS });
    await client.next();
    expect(views.clients.size).toBe(1);
    client.call.end();
    expect((await client.ended()).code).toBe(status.OK);
    expect(views.clients.size).toBe(0);
    await client[Symbol.asyncDispose]();
  });

  it('a stop tells clients UNAVAILABLE and returns', async () => {
    const server = await runServer(createStaticViews([cluster('a')]));
    await using client = connect({ port: server.port, channel, type: LDS });
    client.send({ ...subscribe([]), type_url: LDS });
    await client.next();
    await server.stop();
    expect(await client.ended()).toMatchObject({ code: status.UNAVAILABLE });
  });
});

describe.each([
  { workers: 0, transport: 'grpc-js' as const },
  { workers: 0, transport: 'http2' as const },
  { workers: 2, transport: 'http2' as const },
])('the server, workers: $workers, $transport', ({ workers, transport }) => {
  const runServer: typeof runServerWith = (views, options, deps) =>
    runServerWith(views, { workers, transport, ...options }, deps);

  it('listens in plaintext on loopback only, unless told', async () => {
    const views = createStaticViews();
    await expect(runServer(views, { address: '0.0.0.0' })).rejects.toMatchObject({ code: 'CH1501' });
    const warnings: string[] = [];
    const log = { debug() {}, info() {}, warn: (message: string) => warnings.push(message), error() {} };
    const logger = { ...log, child: () => logger };
    await using server = await runServer(views, { address: '0.0.0.0', insecure: true }, { log: logger });
    await using client = connect({ port: server.port, channel: { variant: 'delta', aggregated: true }, type: CDS });
    client.send({ type_url: CDS });
    await client.next();
    expect(warnings).toEqual(['a proxy connected in plaintext']);
  });
  it('names the address it cannot have', async () => {
    await using server = await runServer(createStaticViews());
    await expect(runServer(createStaticViews(), { port: server.port })).rejects.toMatchObject({ code: 'CH1502' });
  });
  it('answers gRPC health checks', async () => {
    await using server = await runServer(createStaticViews());
    const client = new Client(`127.0.0.1:${server.port}`, credentials.createInsecure());
    const asIs = (bytes: Buffer): Buffer => bytes;
    const answer = await new Promise<Buffer | undefined>((resolve, reject) => {
      client.makeUnaryRequest('/grpc.health.v1.Health/Check', asIs, asIs, Buffer.alloc(0), (error, value) =>
        error === null ? resolve(value) : reject(error),
      );
    });
    expect([...(answer ?? [])]).toEqual([0x08, 0x01]);
    client.close();
  });
  it('tells who watches its health that it stops', async () => {
    const server = await runServer(createStaticViews());
    const client = new Client(`127.0.0.1:${server.port}`, credentials.createInsecure());
    const asIs = (bytes: Buffer): Buffer => bytes;
    const told: number[] = [];
    const watch = client.makeServerStreamRequest('/grpc.health.v1.Health/Watch', asIs, asIs, Buffer.alloc(0));
    watch.on('data', (bytes: Buffer) => told.push(bytes[1] ?? 0)).on('error', () => {});
    await eventually(() => told.length === 1);
    await server.stop();
    await eventually(() => told.length === 2);
    expect(told).toEqual([1, 2]);
    client.close();
  });
});
