// R58: discovery by REST over real HTTP/1.1, and a real Envoy that gets everything by it.
import { once } from 'node:events';
import { request as httpRequest } from 'node:http';
import { connect as dial, type Socket } from 'node:net';
import { describe, expect, it } from 'vitest';
import type { Resource } from '../../../src/resources/resource.ts';
import { typeUrls } from '../../../src/resources/type-urls.ts';
import { restSources } from '../../../src/translate/rest-sources.ts';
import { noMetrics } from '../../../src/util/metrics.ts';
import { createSystemClock } from '../../../src/util/system-clock.ts';
import { startBackend } from '../../support/backends.ts';
import { ask } from '../../support/load.ts';
import { describeWith, eventually, freePort, startEnvoy } from '../../support/real-parts.ts';
import { createStaticViews, resource } from '../../support/static-views.ts';
import { world } from './envoy-world.ts';
import { protos } from './grpc-client.ts';
import { type RunningServer, runServer } from './running-server.ts';

const CDS = typeUrls.cluster;
const system = createSystemClock();
const json = async ({ type, bytes }: Resource): Promise<string> =>
  JSON.stringify(restSources(protos.decode(type, bytes)));
const cluster = (name: string, connectTimeout = '1s'): Resource =>
  resource(CDS, name, { bytes: protos.encode(CDS, { name, connectTimeout }) });
const node = { id: 'edge-1', cluster: 'edge', user_agent_name: 'envoy', metadata: { role: 'gateway' } };

interface Reply {
  readonly status: number;
  readonly body: Record<string, unknown>;
}

interface Asked {
  readonly path?: string;
  readonly method?: string;
  readonly headers?: Record<string, string>;
}

function post(port: number, body: object | string, { path = 'clusters', method = 'POST', headers = {} }: Asked = {}) {
  return new Promise<Reply>((resolve, reject) => {
    const sent = httpRequest({ port, method, headers, path: `/v3/discovery:${path}`, agent: false }, (response) => {
      const parts: Buffer[] = [];
      response.on('data', (part: Buffer) => parts.push(part));
      response.on('error', reject);
      response.on('end', () => {
        const text = Buffer.concat(parts).toString();
        resolve({ status: response.statusCode ?? 0, body: (text === '' ? {} : JSON.parse(text)) as Reply['body'] });
      });
    });
    sent.on('error', reject);
    sent.end(typeof body === 'string' ? body : JSON.stringify(body));
  });
}

const kinds = (server: RunningServer): string[] => server.events.map(({ kind }) => kind);

describe('R58: polls', () => {
  it('are answered at once when they know less, and held while nothing changes', async () => {
    const views = createStaticViews([cluster('a'), cluster('b')]);
    await using server = await runServer(views, {}, { json });
    const first = await post(server.port, { node });
    expect(first).toMatchObject({
      status: 200,
      body: {
        typeUrl: CDS,
        versionInfo: expect.stringMatching(/./),
        controlPlane: { identifier: 'test-replica' },
        resources: [
          { '@type': CDS, name: 'a', connectTimeout: '1s' },
          { '@type': CDS, name: 'b' },
        ],
      },
    });
    expect(first.body).not.toHaveProperty('nonce');
    const version_info = first.body['versionInfo'];
    const quick = { headers: { 'x-envoy-expected-rq-timeout-ms': '50' } };
    expect(await post(server.port, { node, version_info }, quick)).toEqual({ status: 304, body: {} });
    const held = post(
      server.port,
      { node, versionInfo: version_info },
      { headers: { 'x-envoy-expected-rq-timeout-ms': '20000' } },
    );
    await eventually(() => kinds(server).filter((kind) => kind === 'idle').length >= 2);
    views.publish([cluster('a', '2s'), cluster('b')]);
    expect((await held).body['resources']).toMatchObject([{ name: 'a', connectTimeout: '2s' }, { name: 'b' }]);
    // To control it is one proxy, which has acknowledged what it polled on with.
    expect(kinds(server)).toEqual(expect.arrayContaining(['open', 'subscribe', 'sent', 'ack', 'idle', 'due']));
    expect(kinds(server).filter((kind) => kind === 'open')).toHaveLength(1);
    expect(views.clients.size).toBe(1);
  });

  it('of names get those there are; empty endpoints for a cluster without; nothing for what does not exist yet', async () => {
    const endpoints = resource(typeUrls.endpoints, 'a', {
      bytes: protos.encode(typeUrls.endpoints, { clusterName: 'a', policy: { overprovisioningFactor: 100 } }),
    });
    const views = createStaticViews([endpoints]);
    await using server = await runServer(views, {}, { json });
    const both = await post(server.port, { node, resource_names: ['none', 'a'] }, { path: 'endpoints' });
    expect(both.body['resources']).toEqual([
      { '@type': typeUrls.endpoints, clusterName: 'a', policy: { overprovisioningFactor: 100 } },
      { '@type': typeUrls.endpoints, clusterName: 'none' },
    ]);
    const later = post(
      server.port,
      { node, resource_names: ['main'] },
      { path: 'routes', headers: { 'x-envoy-expected-rq-timeout-ms': '20000' } },
    );
    await eventually(() => server.events.some((event) => event.kind === 'subscribe' && event.type === typeUrls.routes));
    views.publish([
      endpoints,
      resource(typeUrls.routes, 'main', { bytes: protos.encode(typeUrls.routes, { name: 'main' }) }),
    ]);
    expect((await later).body['resources']).toEqual([{ '@type': typeUrls.routes, name: 'main' }]);
    expect((await post(server.port, { node, type_url: CDS }, { path: 'routes' })).status).toBe(400);
  });

  it('that refuse are believed, and not answered with the same again', async () => {
    await using server = await runServer(createStaticViews([cluster('a')]), {}, { json });
    await post(server.port, { node, version_info: 'old' });
    const quick = { headers: { 'x-envoy-expected-rq-timeout-ms': '50' } };
    const refusal = { node, version_info: 'old', error_detail: { code: 13, message: 'a: no good' } };
    expect((await post(server.port, refusal, quick)).status).toBe(304);
    expect(server.events.find(({ kind }) => kind === 'nack')).toMatchObject({ type: CDS, message: 'a: no good' });
    expect((await post(server.port, { node, version_info: 'old' }, quick)).status).toBe(304);
    // A client that has begun anew has refused nothing.
    expect((await post(server.port, { node }, quick)).status).toBe(200);
  });

  it('that never take what they get, without a word, are not answered with it for ever', async () => {
    await using server = await runServer(createStaticViews([cluster('a')]), {}, { json });
    const statuses: number[] = [];
    for (let poll = 0; poll < 5; poll++) {
      const headers = { 'x-envoy-expected-rq-timeout-ms': '50' };
      statuses.push((await post(server.port, { node, version_info: 'old' }, { headers })).status);
    }
    expect(statuses).toEqual([200, 200, 304, 304, 304]);
    expect(kinds(server).filter((kind) => kind === 'nack')).toHaveLength(1);
  });

  it('are refused as streams are', async () => {
    const views = createStaticViews([cluster('a')]);
    await using server = await runServer(views, {}, { json });
    for (const [refused, status] of [
      ['unauthenticated', 401],
      ['permission-denied', 403],
      ['unavailable', 503],
      ['resource-exhausted', 429],
      ['invalid-argument', 400],
    ] as const) {
      views.refuse({ refused, message: 'not you' });
      expect(await post(server.port, { node })).toEqual({ status, body: { message: 'not you' } });
    }
    views.refuse(undefined);
    expect((await post(server.port, { node })).status).toBe(200);
    expect(kinds(server)).toContain('open');
  });

  it('that are no polls get a status, and nothing else suffers', async () => {
    await using server = await runServer(createStaticViews([cluster('a')]), {}, { json });
    const deep = JSON.parse(`${'{"a":'.repeat(40)}1${'}'.repeat(40)}`) as object;
    for (const [body, asked, status] of [
      ['{', {}, 400],
      ['[]', {}, 400],
      [{}, {}, 400],
      [{ node: {} }, {}, 400],
      [{ node: { id: 'x'.repeat(600) } }, {}, 400],
      [{ node: { id: 'x', metadata: deep } }, {}, 400],
      [{ node, resource_names: 'a' }, {}, 400],
      [{ node, resource_names: [7] }, {}, 400],
      ['x'.repeat(2 * 1024 * 1024), {}, 413],
      [{ node }, { path: 'nothing' }, 404],
      [{ node }, { method: 'PUT' }, 405],
      [{ node }, {}, 200],
    ] as const) {
      // A body that is not read to its end may end the connection instead.
      const reply = await post(server.port, body, asked).catch(() => ({ status: 413 }));
      expect(reply.status).toBe(status);
    }
  });

  it('are answered by worker threads too', async () => {
    const views = createStaticViews([cluster('a')]);
    await using server = await runServer(views, { workers: 2 }, { json });
    const { body } = await post(server.port, { node });
    expect(body['resources']).toEqual([{ '@type': CDS, name: 'a', connectTimeout: '1s' }]);
    const headers = { 'x-envoy-expected-rq-timeout-ms': '20000' };
    const held = post(server.port, { node, version_info: body['versionInfo'] }, { headers });
    await eventually(() => kinds(server).includes('idle'));
    views.publish([cluster('a', '2s')]);
    expect((await held).body['resources']).toMatchObject([{ name: 'a', connectTimeout: '2s' }]);
  });

  it('may not wait without bound on one connection, and one that says nothing is cut', async () => {
    const views = createStaticViews([cluster('a')]);
    const clock = { ...system, after: (ms: number, fn: () => void) => system.after(Math.min(ms, 200), fn) };
    await using server = await runServer(views, {}, { json, clock });
    const { body } = await post(server.port, { node });
    const text = JSON.stringify({ node, version_info: body['versionInfo'] });
    const poll = `POST /v3/discovery:clusters HTTP/1.1\r\nhost: x\r\ncontent-length: ${text.length}\r\n\r\n${text}`;
    for (const said of [poll.repeat(64), 'POST /v3/discovery:clusters HTTP/1.1\r\n', 'GARBAGE\r\n\r\n']) {
      const socket = dial(server.port, '127.0.0.1');
      let answered = 0;
      socket.on('error', () => {});
      socket.on('data', (bytes) => {
        answered += bytes.length;
      });
      socket.write(said);
      await once(socket, 'close');
      expect(answered).toBe(0);
    }
    expect((await post(server.port, { node })).status).toBe(200);
  });

  it('are answered after a failure of ours as if there had been none', async () => {
    let asked = 0;
    const failing = (one: Resource) => (++asked === 1 ? Promise.reject(new Error('not now')) : json(one));
    await using server = await runServer(createStaticViews([cluster('a')]), {}, { json: failing });
    expect((await post(server.port, { node })).status).toBe(500);
    expect((await post(server.port, { node })).status).toBe(200);
  });

  it('of a page in a browser are not answered, whatever name led it here', async () => {
    await using server = await runServer(createStaticViews([cluster('a')]), {}, { json });
    for (const origin of ['http://rebound.example:18000', 'null']) {
      const headers = { origin, host: 'rebound.example:18000', 'content-type': 'text/plain' };
      expect(await post(server.port, { node }, { headers })).toMatchObject({ status: 403 });
    }
    expect(kinds(server)).toEqual([]);
  });

  it('of a client that does not take its answers end with its connection', { timeout: 20_000 }, async () => {
    const clock = createSystemClock();
    const hurried = { ...clock, after: (ms: number, fn: () => void) => clock.after(ms === 60_000 ? 300 : ms, fn) };
    const big = resource(CDS, 'big', { bytes: protos.encode(CDS, { name: 'big' }) });
    const filled = async (): Promise<string> => JSON.stringify({ name: 'x'.repeat(16 * 1024 * 1024) });
    let connections = 0;
    const gauge = (name: string) => ({
      set(_: object, value: number) {
        if (name === 'xds_connections') connections = value;
      },
    });
    const metrics = { ...noMetrics, gauge };
    await using server = await runServer(createStaticViews([big]), {}, { json: filled, clock: hurried, metrics });
    const socket = dial(server.port, '127.0.0.1');
    socket.on('error', () => {});
    const body = JSON.stringify({ node });
    socket.write(`POST /v3/discovery:clusters HTTP/1.1\r\nhost: a\r\ncontent-length: ${body.length}\r\n\r\n${body}`);
    await eventually(() => kinds(server).includes('sent'));
    await eventually(() => connections === 0);
    socket.destroy();
  });

  it('end with the server: what is held is answered, connections are closed', async () => {
    const server = await runServer(createStaticViews([cluster('a')]), { drainMs: 5_000 }, { json });
    const { body } = await post(server.port, { node });
    const idle: Socket = dial(server.port, '127.0.0.1');
    idle.write('GET ');
    const headers = { 'x-envoy-expected-rq-timeout-ms': '20000' };
    const held = post(server.port, { node, version_info: body['versionInfo'] }, { headers });
    await eventually(() => kinds(server).filter((kind) => kind === 'idle').length >= 1);
    const before = performance.now();
    await server.stop();
    expect((await held).status).toBe(503);
    if (!idle.destroyed) await once(idle, 'close');
    expect(performance.now() - before).toBeLessThan(4_000);
    expect(kinds(server)).toContain('close');
  });
});

const rest = {
  resource_api_version: 'V3',
  api_config_source: {
    api_type: 'REST',
    transport_api_version: 'V3',
    cluster_names: ['chancery'],
    refresh_delay: '0.2s',
  },
};

describeWith(['envoy', 'envoy-oldest'], 'R58: a real Envoy without a stream', () => {
  it.each([undefined, 'oldest'])(
    '(%s) gets clusters, endpoints, listeners and routes by REST, serves traffic, and follows changes',
    async (bin) => {
      await using one = await startBackend('one').then((backend) => ({
        ...backend,
        [Symbol.asyncDispose]: () => backend.crash(),
      }));
      await using two = await startBackend('two').then((backend) => ({
        ...backend,
        [Symbol.asyncDispose]: () => backend.crash(),
      }));
      const listenPort = await freePort();
      const shape = (ports: readonly number[]): Resource[] =>
        world({
          ...{ channel: { variant: 'sotw', aggregated: true }, listenPort, clusters: { shop: ports }, route: 'shop' },
        });
      const views = createStaticViews(shape([one.port]));
      await using server = await runServer(views, {}, { json });
      await using envoy = await startEnvoy(
        {
          node: { id: 'edge-1', cluster: 'edge' },
          dynamic_resources: { cds_config: rest, lds_config: rest },
          static_resources: {
            clusters: [
              {
                ...{ name: 'chancery', type: 'STATIC', connect_timeout: '1s' },
                load_assignment: {
                  cluster_name: 'chancery',
                  endpoints: [
                    {
                      lb_endpoints: [
                        {
                          endpoint: { address: { socket_address: { address: '127.0.0.1', port_value: server.port } } },
                        },
                      ],
                    },
                  ],
                },
              },
            ],
          },
        },
        bin === undefined ? {} : { bin },
      );
      const who = async (): Promise<unknown> => (await ask({ port: listenPort, host: 'any' })).headers['x-backend'];
      expect(await eventually(who)).toBe('one');
      views.publish(shape([two.port]));
      await eventually(async () => (await who()) === 'two');
      const acked = new Set(server.events.flatMap((event) => (event.kind === 'ack' ? [event.type] : [])));
      await eventually(() => {
        for (const event of server.events) if (event.kind === 'ack') acked.add(event.type);
        return acked.size === 4;
      });
      expect(server.events.filter(({ kind }) => kind === 'nack')).toEqual([]);
      expect(await envoy.stat('cluster_manager.cds.update_rejected')).toBe(0);
      expect(await envoy.stat('cluster_manager.cds.update_failure')).toBe(0);
    },
    30_000,
  );
});
