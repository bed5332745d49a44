// Who is let in, over real sockets, both carriers, one thread and several: T2 (a node asks as another one), T15 (a credential
// is over while its stream goes on), and the exact code of every refusal, with no message before it.
import { request as httpRequest } from 'node:http';
import { connect as connectHttp2 } from 'node:http2';
import { status } from '@grpc/grpc-js';
import { describe, expect, it } from 'vitest';
import type { Caller, Unknown } from '../../../src/model/principal.ts';
import { typeUrls } from '../../../src/resources/type-urls.ts';
import { silentLogger } from '../../../src/util/log.ts';
import type { Labels, Metrics } from '../../../src/util/metrics.ts';
import type { AskerOf } from '../../../src/xds/readers.ts';
import { eventually } from '../../support/eventually.ts';
import { createKnownCallers, type KnownCallers, principal } from '../../support/known-callers.ts';
import { createStaticViews, resource } from '../../support/static-views.ts';
import type { Channel } from './envoy-world.ts';
import { type ConnectOptions, connect } from './grpc-client.ts';
import { runServer } from './running-server.ts';
import { call } from './service-client.ts';

const CDS = typeUrls.cluster;
const ads: Channel = { variant: 'delta', aggregated: true };
const node = { id: 'cart-1', cluster: 'cart' };
const lrs = {
  path: '/envoy.service.load_stats.v3.LoadReportingService/StreamLoadStats',
  request: 'envoy.service.load_stats.v3.LoadStatsRequest',
  response: 'envoy.service.load_stats.v3.LoadStatsResponse',
};
const reflection = {
  path: '/grpc.reflection.v1.ServerReflection/ServerReflectionInfo',
  request: 'grpc.reflection.v1.ServerReflectionRequest',
  response: 'grpc.reflection.v1.ServerReflectionResponse',
};

const clientStatus = {
  path: '/envoy.service.status.v3.ClientStatusDiscoveryService/StreamClientStatus',
  request: 'envoy.service.status.v3.ClientStatusRequest',
  response: 'envoy.service.status.v3.ClientStatusResponse',
};

const refused = (refusal: Unknown['refused'], cause: Unknown['cause']): Caller => ({
  ...{ refused: refusal, message: `refused: ${refusal}`, cause },
});

const later = (caller: Caller) => async (): Promise<Caller> => {
  await new Promise((resolve) => setImmediate(resolve));
  return caller;
};

function createCallers(): KnownCallers {
  const views = (name: string) => createStaticViews([resource(CDS, name)], `view of ${name}`);
  return createKnownCallers({
    tokens: {
      cart: principal('cart'),
      late: later(principal('cart')),
      shop: principal('shop'),
      bound: principal('cart', { nodeId: 'cart-1', credential: { kind: 'token', id: 'jti-bound' } }),
      past: principal('cart', { notAfterMs: Date.now() - 1 }),
      brief: () => principal('cart', { notAfterMs: Date.now() + 1_500 }),
      expired: refused('unauthenticated', 'expired'),
      foreign: refused('permission-denied', 'foreign-trust-domain'),
      later: later(refused('unavailable', 'unavailable')),
      broken() {
        throw new Error('with the words of the token: broken');
      },
    },
    views: { 'spiffe://test/svc/cart': views('cart'), 'spiffe://test/svc/shop': views('shop') },
  });
}

const bearer = (token: string | undefined) => (token === undefined ? {} : { authorization: `Bearer ${token}` });

/** Counters by name and labels. */
function counted(): { readonly metrics: Metrics; readonly counts: Map<string, number> } {
  const counts = new Map<string, number>();
  const add = (name: string, labels: Labels, by: number): void => {
    const key = [name, ...Object.values(labels)].join(' ');
    counts.set(key, (counts.get(key) ?? 0) + by);
  };
  const metrics: Metrics = {
    counter: (name) => ({ add: (labels, by = 1) => add(name, labels, by) }),
    gauge: () => ({ set() {} }),
    histogram: () => ({ observe() {} }),
  };
  return { metrics, counts };
}

for (const { transport, workers } of [
  { transport: 'http2', workers: 0 },
  { transport: 'grpc-js', workers: 0 },
  { transport: 'http2', workers: 2 },
] as const)
  describe(`callers, ${transport}${workers > 0 ? `, ${workers} workers` : ''}`, () => {
    const run = (callers: KnownCallers, deps: Parameters<typeof runServer>[2] = {}) =>
      runServer(callers, { transport, workers, drainMs: 100 }, deps);
    const open = (port: number, token: string | undefined, more: Partial<ConnectOptions> = {}) =>
      connect({ port, channel: ads, type: CDS, node, headers: bearer(token), ...more });

    it('T2: every credential by every first message ends in its code, nothing sent before', async () => {
      const lines: string[] = [];
      const keep = (...line: unknown[]): void => void lines.push(JSON.stringify(line));
      const log = { ...silentLogger, info: keep, warn: keep, error: keep, debug: keep, child: () => log };
      const callers = createCallers();
      await using server = await run(callers, { log });
      const U = status.UNAUTHENTICATED;
      const D = status.PERMISSION_DENIED;
      const nodes = { none: null, other: { id: 'other-1', cluster: 'cart' }, right: node, empty: { id: '' } };
      const table: readonly (readonly [token: string | undefined, code: number | Readonly<Record<string, number>>])[] =
        [
          [undefined, U],
          ['unheard of', U],
          ['expired', U],
          ['past', U],
          ['foreign', D],
          ['later', status.UNAVAILABLE],
          ['broken', status.UNAVAILABLE],
          ['bound', { none: status.INVALID_ARGUMENT, other: D, right: status.OK, empty: status.INVALID_ARGUMENT }],
          [
            'cart',
            { none: status.INVALID_ARGUMENT, other: status.OK, right: status.OK, empty: status.INVALID_ARGUMENT },
          ],
          [
            'late',
            { none: status.INVALID_ARGUMENT, other: status.OK, right: status.OK, empty: status.INVALID_ARGUMENT },
          ],
        ];
      for (const [token, codes] of table)
        for (const [which, claimed] of Object.entries(nodes)) {
          const wanted = typeof codes === 'number' ? codes : codes[which];
          await using client = open(server.port, token, { node: claimed ?? undefined });
          if (claimed === null) client.sendBytes(Buffer.from([0x12, CDS.length, ...Buffer.from(CDS)]));
          else client.send({ type_url: CDS });
          if (wanted === status.OK) {
            expect((await client.next()).resources.map(({ name }) => name)).toEqual(['cart']);
            continue;
          }
          expect([token, which, (await client.ended()).code]).toEqual([token, which, wanted]);
          expect(client.waiting()).toBe(0);
        }
      expect(callers.opened.every((client) => client.principal?.id === 'spiffe://test/svc/cart')).toBe(true);
      expect(callers.opened).toHaveLength(5);
      expect(callers.asked[0]).toMatchObject({ tls: false, address: '127.0.0.1', authorization: [], consulToken: [] });
      expect(callers.asked.some(({ authorization }) => authorization[0] === 'Bearer cart')).toBe(true);
      // T21: whatever was logged, no credential is in it.
      expect(lines.join('\n')).not.toMatch(/Bearer|words of the token/);
    });

    it('T2: a later message of another node ends the stream; one without a node, or with the same, does not', async () => {
      await using server = await run(createCallers());
      const metadata = { role: 'sidecar', list: [1, { deep: true }] };
      const whole = { ...node, metadata };
      const others = [
        { ...whole, id: 'cart-2' },
        { ...whole, cluster: 'shop' },
        { ...whole, metadata: { ...metadata, list: [1, { deep: false }] } },
        node,
        {},
      ];
      for (const other of others) {
        await using client = open(server.port, 'cart', { node: whole });
        client.send({ type_url: CDS });
        const { nonce } = await client.next();
        client.send({ type_url: CDS, response_nonce: nonce });
        client.send({ type_url: typeUrls.listener, node: whole });
        expect((await client.next()).type).toBe(typeUrls.listener);
        client.send({ type_url: typeUrls.routes, node: other, resource_names_subscribe: ['r'] });
        expect(await client.ended()).toMatchObject({ code: status.PERMISSION_DENIED });
        expect(client.waiting()).toBe(0);
      }
    });

    it('T15: a stream ends with its credential, by time and by revocation, and no other does', async () => {
      const callers = createCallers();
      const { metrics, counts } = counted();
      await using server = await run(callers, { metrics });
      await using brief = open(server.port, 'brief');
      await using stays = open(server.port, 'shop');
      const gone = [open(server.port, 'bound'), open(server.port, 'bound')];
      await using load = call(server.port, lrs, bearer('bound'));
      for (const client of [brief, stays, ...gone]) {
        client.send({ type_url: CDS });
        await client.next();
      }
      load.send({ node });
      await load.next();
      callers.revoke('jti-bound', 'jti-of nobody');
      for (const client of [...gone, load])
        expect(await client.ended()).toMatchObject({
          ...{ code: status.UNAUTHENTICATED, details: 'the credential was revoked' },
        });
      expect(await brief.ended()).toMatchObject({
        ...{ code: status.UNAUTHENTICATED, details: 'credential expired, connect anew' },
      });
      stays.send({ type_url: typeUrls.listener });
      expect((await stays.next()).type).toBe(typeUrls.listener);
      await eventually(() => counts.get('xds_streams_ended_total revoked') === 2);
      await eventually(() => counts.get('xds_streams_ended_total expired') === 1);
      // The view of each was closed, and control was told.
      await eventually(() => server.events.filter(({ kind }) => kind === 'close').length === 3);
      for (const client of gone) await client[Symbol.asyncDispose]();
    });

    it('counts the streams of a principal together, whatever node they claim to be', async () => {
      const callers = createCallers();
      const limits = { transport, workers, drainMs: 100, maxStreamsPerNode: 2 };
      await using server = await runServer(callers, limits);
      const clients = ['a', 'b', 'c', 'd'].map((id) => open(server.port, 'cart', { node: { ...node, id } }));
      for (const client of clients) client.send({ type_url: CDS });
      const outcomes = await Promise.all(
        clients.map((client) =>
          Promise.race([client.next().then(() => 'served'), client.ended().then(({ code }) => status[code])]),
        ),
      );
      expect(outcomes.sort()).toEqual(['RESOURCE_EXHAUSTED', 'RESOURCE_EXHAUSTED', 'served', 'served']);
      for (const client of clients) await client[Symbol.asyncDispose]();
    });

    it('asks for load reports too; health is open, and client status and reflection are for readers', async () => {
      const callers = createCallers();
      const { metrics, counts } = counted();
      const askerOf: AskerOf = async ({ authorization }) => {
        if (authorization.includes('Bearer away')) throw new Error('the store is away');
        return authorization.join() === 'Bearer people'
          ? { kind: 'role', role: 'reader', name: 'people' }
          : { kind: 'nobody' };
      };
      await using server = await run(callers, { metrics, askerOf, descriptors: async () => new Uint8Array() });
      for (const [token, code] of [
        [undefined, status.UNAUTHENTICATED],
        ['foreign', status.PERMISSION_DENIED],
        ['broken', status.UNAVAILABLE],
      ] as const) {
        await using refusedCall = call(server.port, lrs, bearer(token));
        refusedCall.send({});
        expect((await refusedCall.ended()).code).toBe(code);
        expect(refusedCall.waiting()).toBe(0);
      }
      await eventually(() => counts.get('xds_streams_ended_total unauthenticated') === 3);
      await using other = call(server.port, lrs, bearer('bound'));
      other.send({ node: { id: 'other-1' } });
      expect((await other.ended()).code).toBe(status.PERMISSION_DENIED);
      await using changes = call(server.port, lrs, bearer('cart'));
      changes.send({ node });
      expect(await changes.next()).toMatchObject({ clusters: ['cart'] });
      changes.send({ node: { ...node, id: 'cart-2' } });
      expect((await changes.ended()).code).toBe(status.PERMISSION_DENIED);

      const health = 'grpc.health.v1.Health';
      const asked = callers.asked.length;
      await using probe = call(server.port, {
        ...{ path: `/${health}/Check`, request: 'google.protobuf.Empty', response: 'google.protobuf.Empty' },
      });
      probe.send({});
      expect((await probe.ended()).code).toBe(status.OK);
      for (const method of [clientStatus, reflection]) {
        await using people = call(server.port, method, bearer('people'));
        people.send(method === reflection ? { listServices: '' } : {});
        // No proxy is connected.
        expect(Object.keys(await people.next())).toEqual(
          method === reflection ? expect.arrayContaining(['listServicesResponse']) : [],
        );
        for (const [token, code] of [
          [undefined, status.UNAUTHENTICATED],
          // A node's.
          ['cart', status.UNAUTHENTICATED],
          ['away', status.UNAVAILABLE],
        ] as const) {
          await using refusedCall = call(server.port, method, bearer(token));
          refusedCall.send({});
          expect((await refusedCall.ended()).code).toBe(code);
          expect(refusedCall.waiting()).toBe(0);
        }
      }
      expect(callers.asked).toHaveLength(asked);
    });

    it('T2: sees every header of a stream that claims to be two', async () => {
      const callers = createCallers();
      await using server = await run(callers);
      // Newer than the types.
      const loose: object = { strictSingleValueFields: false };
      const session = connectHttp2(`http://127.0.0.1:${server.port}`, loose);
      const stream = session.request([
        ...[
          ':method',
          'POST',
          ':path',
          '/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources',
        ],
        ...['content-type', 'application/grpc', 'te', 'trailers'],
        ...[
          'authorization',
          'Bearer cart',
          'authorization',
          'Bearer shop',
          'x-consul-token',
          '1',
          'x-consul-token',
          '2',
        ],
      ]);
      stream.on('error', () => {});
      const code = new Promise((resolve) => stream.once('response', (headers) => resolve(headers['grpc-status'])));
      const seen = await eventually(() => callers.asked[0]);
      // Of `authorization`, Node shows grpc-js the first only.
      if (transport === 'grpc-js')
        expect(seen).toMatchObject({ authorization: ['Bearer cart'], consulToken: ['1, 2'] });
      else {
        expect(seen).toMatchObject({ authorization: ['Bearer cart', 'Bearer shop'], consulToken: ['1', '2'] });
        expect(await code).toBe('16');
      }
      session.destroy();
    });

    it('a stop ends those that are being asked about, and listens no more', async () => {
      const callers = createKnownCallers({ tokens: { slow: () => new Promise<Caller>(() => {}) } });
      const server = await run(callers);
      expect(callers.listeners()).toBe(1);
      await using client = open(server.port, 'slow');
      client.send({ type_url: CDS });
      await eventually(() => callers.asked.length === 1);
      const stopped = server.stop();
      expect((await client.ended()).code).toBe(status.UNAVAILABLE);
      await stopped;
      expect(callers.listeners()).toBe(0);
    });
  });

describe('T2: polls', () => {
  interface Reply {
    readonly status: number;
    readonly body: string;
  }
  function poll(port: number, token: string | readonly string[] | undefined, more: Poll = {}) {
    const { body = { node }, path = 'clusters' } = more;
    const headers: Record<string, string | string[]> = {
      ...(token === undefined ? {} : { authorization: typeof token === 'string' ? `Bearer ${token}` : [...token] }),
      ...more.headers,
    };
    return new Promise<Reply>((resolve, reject) => {
      const sent = httpRequest(
        { port, method: 'POST', path: `/v3/discovery:${path}`, headers, agent: false },
        (response) => {
          const parts: Buffer[] = [];
          response.on('data', (part: Buffer) => parts.push(part));
          response.on('end', () =>
            resolve({ status: response.statusCode ?? 0, body: Buffer.concat(parts).toString() }),
          );
        },
      );
      sent.on('error', reject);
      sent.end(JSON.stringify(body));
    });
  }
  interface Poll {
    readonly body?: object;
    readonly path?: string;
    readonly headers?: Readonly<Record<string, string>>;
  }
  const json = async ({ name }: { readonly name: string }): Promise<string> => JSON.stringify({ name });

  it.each([0, 2])('are asked each time, with %i workers', async (workers) => {
    const callers = createCallers();
    await using server = await runServer(callers, { workers, drainMs: 100 }, { json });
    for (const [token, code] of [
      [undefined, 401],
      ['expired', 401],
      ['past', 401],
      [['Bearer cart', 'Bearer shop'], 401],
      ['foreign', 403],
      ['later', 503],
      ['broken', 503],
    ] as const)
      expect([token, (await poll(server.port, token)).status]).toEqual([token, code]);
    expect(callers.opened).toEqual([]);
    const first = await poll(server.port, 'cart');
    expect(first).toMatchObject({ status: 200, body: expect.stringContaining('"name":"cart"') });
    expect((await poll(server.port, 'shop')).body).toContain('"name":"shop"');
    expect((await poll(server.port, 'bound', { body: { node: { ...node, id: 'cart-2' } } })).status).toBe(403);
    expect((await poll(server.port, 'expired')).status).toBe(401);
    expect(callers.opened.map((client) => client.principal?.id)).toEqual([
      'spiffe://test/svc/cart',
      'spiffe://test/svc/shop',
    ]);
  });

  it('T15: one that is held is answered 401 when its credential is over', async () => {
    const callers = createCallers();
    await using server = await runServer(callers, { drainMs: 100 }, { json });
    const { body } = await poll(server.port, 'cart');
    const { versionInfo } = JSON.parse(body) as { readonly versionInfo: string };
    const held = { body: { node, versionInfo }, headers: { 'x-envoy-expected-rq-timeout-ms': '20000' } };
    const asked = callers.asked.length;
    const waits = poll(server.port, 'cart', held);
    await eventually(() => callers.asked.length > asked && server.events.some(({ kind }) => kind === 'ack'));
    callers.revoke('jti-cart');
    expect((await waits).status).toBe(401);
    const brief = await poll(server.port, 'brief', { ...held, body: { node, versionInfo } });
    expect(brief.status).toBe(401);
  });

  it('T21: no secret is ever written as JSON', async () => {
    const views = createStaticViews([resource(typeUrls.secret, 'mesh:identity', { content: 'the key' })]);
    const written: string[] = [];
    const callers = createKnownCallers({
      tokens: { cart: principal('cart') },
      views: { 'spiffe://test/svc/cart': views },
    });
    const { metrics, counts } = counted();
    await using server = await runServer(
      callers,
      { drainMs: 100 },
      {
        metrics,
        async json(one) {
          written.push(one.name);
          return '{}';
        },
      },
    );
    const asked = { path: 'secrets', body: { node, resource_names: ['mesh:identity'] } };
    const quick = { ...asked, headers: { 'x-envoy-expected-rq-timeout-ms': '20' } };
    expect(await poll(server.port, 'cart', quick)).toEqual({ status: 304, body: '' });
    expect(await poll(server.port, 'cart', quick)).toEqual({ status: 304, body: '' });
    expect(written).toEqual([]);
    expect(counts.get('xds_sds_denied_total')).toBe(1);
  });
});
