// Worker threads over real sockets: how connections are dealt out, what one change reaches, and what a dead worker costs.
import { readFileSync } from 'node:fs';
import type { Worker } from 'node:worker_threads';
import { status } from '@grpc/grpc-js';
import { describe, expect, it } from 'vitest';
import { typeUrls } from '../../../src/resources/type-urls.ts';
import { silentLogger } from '../../../src/util/log.ts';
import type { Labels, Metrics } from '../../../src/util/metrics.ts';
import { eventually } from '../../support/eventually.ts';
import { createStaticViews, resource } from '../../support/static-views.ts';
import type { Channel } from './envoy-world.ts';
import { connect, type GrpcClient, protos } from './grpc-client.ts';
import { type RunningServer, runServer } from './running-server.ts';
import { call } from './service-client.ts';

const { cluster: CDS, endpoints: EDS } = typeUrls;
const channel: Channel = { variant: 'delta', aggregated: true };

/** Threads started while it is in use, in order. */
function watchThreads(): Disposable & { readonly threads: readonly Worker[] } {
  const threads: Worker[] = [];
  const add = (worker: Worker): void => void threads.push(worker);
  process.on('worker', add);
  return { threads, [Symbol.dispose]: () => void process.off('worker', add) };
}

/** The worker of a stream: its number says it. */
const workerOf = (streamId: number): number => streamId % 2;

function opened({ events }: RunningServer): Map<string, number> {
  return new Map(
    events.flatMap((event) => (event.kind === 'open' ? [[event.client.nodeId, event.client.streamId]] : [])),
  );
}

/** Connects until both workers have at least `each` streams; returns the clients by worker. */
async function spread(server: RunningServer, each: number): Promise<readonly GrpcClient[][]> {
  const byWorker: GrpcClient[][] = [[], []];
  for (let index = 0; index < 200 && byWorker.some((clients) => clients.length < each); index++) {
    const node = { id: `node-${index}`, cluster: 'test' };
    const client = connect({ port: server.port, channel, type: CDS, node });
    client.send({ type_url: CDS });
    const { nonce } = await client.next();
    client.send({ type_url: CDS, response_nonce: nonce });
    const id = await eventually(() => opened(server).get(node.id));
    byWorker[workerOf(id)]?.push(client);
  }
  return byWorker;
}

async function closeAll(clients: readonly (readonly GrpcClient[])[]): Promise<void> {
  await Promise.all(clients.flat().map((client) => client[Symbol.asyncDispose]()));
}

describe('worker threads', { timeout: 30_000 }, () => {
  it('tell a change of a view and of endpoints to every stream of every worker', async () => {
    const views = createStaticViews([resource(CDS, 'a', { content: '1' }), resource(EDS, 'a', { content: '1' })]);
    await using server = await runServer(views, { workers: 2 });
    const clients = await spread(server, 2);
    views.publish([resource(CDS, 'a', { content: '2' }), resource(EDS, 'a', { content: '1' })]);
    for (const client of clients.flat()) {
      const { resources, nonce } = await client.next();
      expect(resources.map(({ content }) => content)).toEqual(['a:2']);
      client.send({ type_url: CDS, response_nonce: nonce });
      client.send({ type_url: EDS, resource_names_subscribe: ['a'] });
      const endpoints = await client.next();
      expect(endpoints.resources.map(({ content }) => content)).toEqual(['a:1']);
      client.send({ type_url: EDS, response_nonce: endpoints.nonce });
    }
    const acks = (): number => server.events.filter((event) => event.kind === 'ack' && event.type === EDS).length;
    await eventually(() => acks() === clients.flat().length);
    views.publish([resource(CDS, 'a', { content: '2' }), resource(EDS, 'a', { content: '2' })]);
    for (const client of clients.flat())
      expect((await client.next()).resources.map(({ content }) => content)).toEqual(['a:2']);
    await closeAll(clients);
  });

  it('share connections evenly', async () => {
    await using server = await runServer(createStaticViews([resource(CDS, 'a')]), { workers: 2 });
    const clients = Array.from({ length: 100 }, (_, index) =>
      connect({ port: server.port, channel, type: CDS, node: { id: `node-${index}`, cluster: 'test' } }),
    );
    for (const client of clients) client.send({ type_url: CDS });
    await eventually(() => opened(server).size === clients.length);
    const first = [...opened(server).values()].filter((id) => workerOf(id) === 0).length;
    // Five standard deviations of a fair coin.
    expect(first).toBeGreaterThan(25);
    expect(first).toBeLessThan(75);
    await closeAll([clients]);
  });

  it('count the streams of one node together, whichever worker has them', async () => {
    await using server = await runServer(createStaticViews([resource(CDS, 'a')]), { workers: 2, maxStreamsPerNode: 5 });
    const clients = Array.from({ length: 8 }, () => connect({ port: server.port, channel, type: CDS }));
    for (const client of clients) client.send({ type_url: CDS });
    const outcomes = await Promise.all(
      clients.map((client) =>
        Promise.race([client.next().then(() => 'served'), client.ended().then(({ code }) => status[code])]),
      ),
    );
    expect(outcomes.filter((outcome) => outcome === 'served')).toHaveLength(5);
    expect(outcomes.filter((outcome) => outcome === 'RESOURCE_EXHAUSTED')).toHaveLength(3);
    await closeAll([clients]);
  });

  it('answer for each other: client status tells of all, whichever is asked', async () => {
    const named = (name: string, connectTimeout: string) =>
      resource(CDS, name, { bytes: protos.encode(CDS, { name, connectTimeout }) });
    await using server = await runServer(createStaticViews([named('a', '1s')]), { workers: 2 });
    const clients = await spread(server, 2);
    await eventually(() => server.events.filter(({ kind }) => kind === 'ack').length === clients.flat().length);
    const service = 'envoy.service.status.v3';
    for (let tool = 0; tool < 4; tool++) {
      await using asked = call(server.port, {
        path: `/${service}.ClientStatusDiscoveryService/StreamClientStatus`,
        request: `${service}.ClientStatusRequest`,
        response: `${service}.ClientStatusResponse`,
      });
      asked.send({ nodeMatchers: [{ nodeId: { prefix: 'node-' } }] });
      const { config } = (await asked.next()) as { config: { genericXdsConfigs: object[] }[] };
      expect(config).toHaveLength(clients.flat().length);
      for (const { genericXdsConfigs } of config)
        expect(genericXdsConfigs).toMatchObject([
          { name: 'a', configStatus: 'SYNCED', xdsConfig: { name: 'a', connectTimeout: '1s' } },
        ]);
    }
    await closeAll(clients);
  });

  it('pass load reports on, and ask the main thread what reflection shows', async () => {
    const views = createStaticViews([resource(CDS, 'a')]);
    const descriptors = async (): Promise<Uint8Array> =>
      readFileSync(new URL('../../../src/gen/envoy.binpb', import.meta.url));
    await using server = await runServer(views, { workers: 2 }, { descriptors });
    const load = 'envoy.service.load_stats.v3';
    await using proxy = call(server.port, {
      path: `/${load}.LoadReportingService/StreamLoadStats`,
      request: `${load}.LoadStatsRequest`,
      response: `${load}.LoadStatsResponse`,
    });
    proxy.send({ node: { id: 'web-1' } });
    expect(await proxy.next()).toMatchObject({ clusters: ['a'] });
    proxy.send({ clusterStats: [{ clusterName: 'a', totalDroppedRequests: '7', loadReportInterval: '1s' }] });
    const report = await eventually(() => server.events.find(({ kind }) => kind === 'load'));
    expect(report).toMatchObject({ clusters: [{ cluster: 'a', dropped: 7 }] });
    const reflection = 'grpc.reflection.v1';
    await using tool = call(server.port, {
      path: `/${reflection}.ServerReflection/ServerReflectionInfo`,
      request: `${reflection}.ServerReflectionRequest`,
      response: `${reflection}.ServerReflectionResponse`,
    });
    tool.send({ fileContainingSymbol: CDS.split('/')[1] });
    expect(await tool.next()).toHaveProperty('fileDescriptorResponse');
    proxy.half();
    await eventually(() => server.events.some(({ kind }) => kind === 'load-end') && views.clients.size === 0);
  });

  it('are missed when they die: their streams are told closed, others stay, and the thread comes again', async () => {
    using watch = watchThreads();
    const lines: string[] = [];
    const log = { ...silentLogger, error: (message: string) => void lines.push(message), child: () => log };
    const gauges = new Map<string, number>();
    const metrics: Metrics = {
      counter: () => ({ add() {} }),
      gauge: (name) => ({ set: (labels: Labels, value) => void gauges.set(`${name}${JSON.stringify(labels)}`, value) }),
      histogram: () => ({ observe() {} }),
    };
    const views = createStaticViews([resource(CDS, 'a', { content: '1' })]);
    await using server = await runServer(views, { workers: 2 }, { log, metrics });
    const clients = await spread(server, 2);
    const [gone = [], kept = []] = clients;
    expect(gauges.get('xds_streams{}')).toBe(gone.length + kept.length);
    await watch.threads[0]?.terminate();
    const closed = (): number => server.events.filter(({ kind }) => kind === 'close').length;
    await eventually(() => closed() === gone.length);
    expect(views.clients.size).toBe(kept.length);
    expect(lines).toEqual(['a worker thread ended; its proxies reconnect to the others']);
    for (const client of gone) await client.ended();
    views.publish([resource(CDS, 'a', { content: '2' })]);
    for (const client of kept) expect((await client.next()).resources.map(({ content }) => content)).toEqual(['a:2']);
    expect(gauges.get('xds_streams{}')).toBe(kept.length);
    await eventually(() => watch.threads.length === 3 && gauges.get('xds_workers{}') === 2);
    // A stream of the new thread has a number of its own, and what was published meanwhile.
    const before = new Set(opened(server).values());
    const newcomers: GrpcClient[] = [];
    const started = (): boolean => [...opened(server).values()].some((id) => workerOf(id) === 0 && !before.has(id));
    for (let index = 0; index < 100 && !started(); index++) {
      const client = connect({ port: server.port, channel, type: CDS, node: { id: `new-${index}`, cluster: 'test' } });
      newcomers.push(client);
      client.send({ type_url: CDS });
      expect((await client.next()).resources.map(({ content }) => content)).toEqual(['a:2']);
    }
    expect(started()).toBe(true);
    await closeAll([...clients, newcomers]);
  });
});
