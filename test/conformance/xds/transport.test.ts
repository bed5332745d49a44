// What a client sees of the transport itself, over real sockets: framing, limits, admission, keepalive, age, and the two
// protocols on one port. The same over both implementations, but where only one can do it.
import { createServer as createHttp1Server } from 'node:http';
import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect as connectHttp2,
  type OutgoingHttpHeaders,
} from 'node:http2';
import { connect as connectTcp, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { typeUrls } from '../../../src/resources/type-urls.ts';
import { type Logger, silentLogger } from '../../../src/util/log.ts';
import { type Metrics, noMetrics } from '../../../src/util/metrics.ts';
import { createSystemClock } from '../../../src/util/system-clock.ts';
import type { Opened, ViewProvider, XdsEvent } from '../../../src/xds/contract.ts';
import { frameOf } from '../../../src/xds/frame.ts';
import { createListener } from '../../../src/xds/grpc/listener.ts';
import type { XdsTransport } from '../../../src/xds/grpc/server.ts';
import { eventually } from '../../support/eventually.ts';
import { assertNoLeaks } from '../../support/leaks.ts';
import { createStaticViews, resource } from '../../support/static-views.ts';
import { connect, protos } from './grpc-client.ts';
import { runServer as runServerWith } from './running-server.ts';

const CDS = typeUrls.cluster;
const channel = { variant: 'delta', aggregated: true } as const;
const ads = '/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources';
const views = () => createStaticViews([resource(CDS, 'a', { content: '1' })]);
const request = (node = 'n'): Buffer =>
  frameOf(protos.encode('envoy.service.discovery.v3.DeltaDiscoveryRequest', { node: { id: node }, type_url: CDS }))
    .framed;

/** An HTTP/2 client by hand: one connection, streams whose every header, trailer and byte a test can see. */
interface Raw {
  readonly session: ClientHttp2Session;
  readonly goaways: number[];
  open(headers?: OutgoingHttpHeaders): RawStream;
  closed(): boolean;
}
interface RawStream {
  readonly stream: ClientHttp2Stream;
  readonly headers: OutgoingHttpHeaders;
  readonly received: () => number;
  /** grpc-status, from trailers or a trailers-only answer. */
  status(): Promise<number>;
  closed(): boolean;
}

const open: { destroy(): void }[] = [];
afterEach(() => {
  for (const end of open.splice(0)) end.destroy();
});

function raw(port: number): Raw {
  const session = connectHttp2(`http://127.0.0.1:${port}`);
  open.push(session);
  let gone = false;
  const goaways: number[] = [];
  session.on('error', () => {});
  session.on('goaway', (code) => goaways.push(code));
  session.on('close', () => {
    gone = true;
  });
  return {
    session,
    goaways,
    closed: () => gone,
    open(more = {}) {
      const headers: OutgoingHttpHeaders = {};
      let bytes = 0;
      let over = false;
      const stream = session.request({
        ...{ ':method': 'POST', ':path': ads, 'content-type': 'application/grpc', te: 'trailers' },
        ...more,
      });
      stream.on('response', (told) => Object.assign(headers, told));
      stream.on('trailers', (told) => Object.assign(headers, told));
      stream.on('data', (chunk: Buffer) => {
        bytes += chunk.length;
      });
      stream.on('error', () => {});
      stream.on('close', () => {
        over = true;
      });
      return {
        stream,
        headers,
        received: () => bytes,
        closed: () => over,
        status: async () => Number(await eventually(() => headers['grpc-status'])),
      };
    },
  };
}

function nonceOf(events: readonly XdsEvent[]): string {
  return events.find((event) => event.kind === 'sent')?.nonce ?? '';
}

function tcp(port: number): { readonly socket: Socket; readonly text: () => string; closed(): boolean } {
  const socket = connectTcp(port, '127.0.0.1');
  open.push(socket);
  let text = '';
  let gone = false;
  socket.on('data', (chunk: Buffer) => {
    text += chunk.toString('latin1');
  });
  socket.on('error', () => {});
  socket.on('close', () => {
    gone = true;
  });
  return { socket, text: () => text, closed: () => gone };
}

describe.each(['grpc-js', 'http2'] as const)('%s', (transport: XdsTransport) => {
  assertNoLeaks({ deadlineMs: 5_000 });
  const runServer: typeof runServerWith = (provider, options, deps) =>
    runServerWith(provider, { transport, drainMs: 100, ...options }, deps);
  const http2 = transport === 'http2';

  describe('framing', () => {
    it('takes messages in any pieces, and several at once', async () => {
      await using server = await runServer(views());
      const { stream, received } = raw(server.port).open();
      const first = request();
      for (const byte of first) stream.write(Buffer.from([byte]));
      await eventually(() => received() > 0);
      const more = frameOf(
        protos.encode('envoy.service.discovery.v3.DeltaDiscoveryRequest', {
          ...{ type_url: typeUrls.endpoints, resource_names_subscribe: ['x'] },
        }),
      ).framed;
      const lists = frameOf(
        protos.encode('envoy.service.discovery.v3.DeltaDiscoveryRequest', { type_url: typeUrls.listener }),
      ).framed;
      stream.write(Buffer.concat([more, lists]));
      await eventually(() => server.events.filter(({ kind }) => kind === 'sent').length === 3);
    });

    it('answers what it does not serve with UNIMPLEMENTED', async () => {
      await using server = await runServer(views());
      const stream = raw(server.port).open({ ':path': '/no.Such/Method' });
      expect(await stream.status()).toBe(12);
    });

    it('ends a stream whose message is too large, and no other', async () => {
      await using server = await runServer(views(), { maxRequestBytes: 1000 });
      const client = raw(server.port);
      const good = client.open();
      good.stream.write(request());
      const bad = client.open();
      bad.stream.write(frameOf(Buffer.alloc(1001)).framed);
      expect(await bad.status()).toBe(8);
      await eventually(() => good.received() > 0);
      expect(good.closed()).toBe(false);
    });

    it('does not take compressed messages it cannot read', async () => {
      await using server = await runServer(views());
      const { stream, status } = raw(server.port).open({ 'grpc-encoding': 'snappy' });
      const framed = request();
      framed[0] = 1;
      stream.write(framed);
      expect(await status()).toBe(12);
    });

    it('refuses what is not gRPC', async () => {
      await using server = await runServer(views());
      const client = raw(server.port);
      const wrong = client.open({ 'content-type': 'application/json' });
      expect(await eventually(() => wrong.headers[':status'])).toBe(415);
      const alike = client.open({ 'content-type': 'application/grpcfoo' });
      if (http2) expect(await eventually(() => alike.headers[':status'])).toBe(415);
    });

    it('says why in any language', async () => {
      const provider = views();
      const message = 'K\u00fcche 100 % \u2192 nein\n';
      provider.refuse({ refused: 'unavailable', message });
      await using server = await runServer(provider);
      await using client = connect({ port: server.port, channel, type: CDS });
      client.send({ type_url: CDS });
      expect(await client.ended()).toMatchObject({ code: 14, details: message });
    });

    it('ends a stream that the client cuts within a message', async () => {
      await using server = await runServer(views());
      const { stream, closed, status } = raw(server.port).open();
      stream.end(request().subarray(0, 9));
      if (http2) expect(await status()).toBe(13);
      await eventually(closed);
      expect(server.events).toEqual([]);
    });

    it('lets go of a stream it has ended, though the client does not end its side', async () => {
      await using server = await runServer(views());
      const client = raw(server.port);
      const bad = client.open();
      bad.stream.write(frameOf(Buffer.from([0xff])).framed);
      expect(await bad.status()).toBe(3);
      if (http2) await eventually(bad.closed);
      const good = client.open();
      good.stream.write(request());
      await eventually(() => good.received() > 0);
    });
  });

  describe('a view that comes later', () => {
    const later = () => {
      const inner = views();
      const opening: PromiseWithResolvers<Opened>[] = [];
      const provider: ViewProvider = {
        ...inner,
        open() {
          const next = Promise.withResolvers<Opened>();
          opening.push(next);
          return next.promise;
        },
      };
      let closed = 0;
      const subscription = (): Opened => {
        const opened = inner.open({ ...client, streamId: 1 }, () => {});
        if (opened instanceof Promise || 'refused' in opened) throw new Error('refused');
        return {
          ...opened,
          close() {
            closed++;
            opened.close();
          },
        };
      };
      return { provider, opening, subscription, closed: () => closed };
    };
    const client = {
      ...{ nodeId: 'n', nodeCluster: '', metadata: {}, clientFeatures: [], peer: '' },
      ...{ locality: { region: '', zone: '', subZone: '' }, userAgentName: 'envoy', userAgentVersion: '' },
    };

    it('is waited for, and requests are answered in order', async () => {
      const { provider, opening, subscription } = later();
      await using server = await runServer(provider);
      await using stream = connect({ port: server.port, channel, type: CDS });
      stream.send({ type_url: CDS });
      stream.send({ type_url: typeUrls.endpoints, resource_names_subscribe: ['x'] });
      stream.send({ type_url: typeUrls.listener });
      const next = await eventually(() => opening[0]);
      expect(stream.waiting()).toBe(0);
      next.resolve(subscription());
      const types = [(await stream.next()).type, (await stream.next()).type, (await stream.next()).type];
      expect(types).toEqual([CDS, typeUrls.endpoints, typeUrls.listener]);
    });

    it('may be refused', async () => {
      const { provider, opening } = later();
      await using server = await runServer(provider);
      await using stream = connect({ port: server.port, channel, type: CDS });
      stream.send({ type_url: CDS });
      const next = await eventually(() => opening[0]);
      next.resolve({ refused: 'permission-denied', message: 'not you' });
      expect(await stream.ended()).toMatchObject({ code: 7, details: 'not you' });
    });

    it('is closed when the client did not wait for it', async () => {
      const { provider, opening, subscription, closed } = later();
      await using server = await runServer(provider);
      const stream = connect({ port: server.port, channel, type: CDS });
      stream.send({ type_url: CDS });
      const next = await eventually(() => opening[0]);
      await stream[Symbol.asyncDispose]();
      // A stream of the same connection's server that comes after it shows that the end has been seen.
      await using other = connect({ port: server.port, channel, type: CDS });
      other.send({ type_url: CDS });
      await eventually(() => opening.length === 2);
      next.resolve(subscription());
      await eventually(() => closed() === 1);
      expect(server.events).toEqual([]);
    });

    it('bounds what waits for it', async () => {
      const { provider, opening } = later();
      await using server = await runServer(provider);
      const { stream, status } = raw(server.port).open();
      const ack = frameOf(protos.encode('envoy.service.discovery.v3.DeltaDiscoveryRequest', { type_url: CDS })).framed;
      stream.write(Buffer.concat([request(), ...Array.from({ length: 200 }, () => ack)]));
      await eventually(() => opening.length === 1);
      // Reading stops at once; only what was read in the same piece is held.
      if (http2) expect(await status()).toBe(8);
    });
  });

  describe('limits', () => {
    it('refuses streams of a node beyond its cap', async () => {
      await using server = await runServer(views(), { maxStreamsPerNode: 2 });
      const client = raw(server.port);
      const streams = ['n', 'n', 'n', 'm'].map((node) => {
        const stream = client.open();
        stream.stream.write(request(node));
        return stream;
      });
      const refused = await eventually(() => streams.find(({ headers }) => headers['grpc-status'] !== undefined));
      expect(refused.headers['grpc-status']).toBe('8');
      await eventually(() => streams.filter(({ received }) => received() > 0).length === 3);
      streams.find((stream) => stream !== refused && stream !== streams[3])?.stream.close();
      await eventually(() => server.events.some(({ kind }) => kind === 'close'));
      const again = client.open();
      again.stream.write(request('n'));
      await eventually(() => again.received() > 0);
    });

    it('takes so many connections and no more', async () => {
      await using server = await runServer(views(), { maxConnections: 2 });
      const [one, two] = [raw(server.port), raw(server.port)];
      for (const client of [one, two]) {
        const stream = client.open();
        stream.stream.write(request());
        await eventually(() => stream.received() > 0);
      }
      await eventually(raw(server.port).closed);
      one.session.destroy();
      await eventually(async () => {
        const client = raw(server.port);
        const stream = client.open();
        stream.stream.write(request());
        return await eventually(() => stream.received() > 0 || client.closed()).then(() => stream.received() > 0);
      });
    });

    it('takes so many streams of one connection at a time', async () => {
      await using server = await runServer(views(), { maxStreamsPerConnection: 2 });
      const client = raw(server.port);
      await eventually(() => client.session.remoteSettings?.maxConcurrentStreams === 2);
    });

    it('serves other streams of a connection while one is slow to take a large state', async () => {
      const large = Array.from({ length: 12 }, (_, index) =>
        resource(CDS, `c${index}`, { content: 'x'.repeat(1_000_000) }),
      );
      await using server = await runServer(createStaticViews(large));
      const client = raw(server.port);
      const slow = client.open();
      slow.stream.pause();
      slow.stream.write(request());
      await eventually(() => server.events.some(({ kind }) => kind === 'sent'));
      const other = client.open();
      other.stream.write(
        frameOf(
          protos.encode('envoy.service.discovery.v3.DeltaDiscoveryRequest', {
            ...{ node: { id: 'n' }, type_url: typeUrls.endpoints, resource_names_subscribe: ['x'] },
          }),
        ).framed,
      );
      await eventually(() => other.received() > 0);
      slow.stream.resume();
      await eventually(() => slow.received() > 12_000_000);
    });

    it('lets streams in at the rate, in order, and refuses what it cannot hold', async () => {
      const admission = { perSecond: 20, burst: 1, maxWaiting: 3 };
      await using server = await runServer(views(), { admission });
      const client = raw(server.port);
      const streams = Array.from({ length: 5 }, (_, index) => {
        const stream = client.open();
        stream.stream.write(request(`n${index}`));
        return stream;
      });
      expect(await streams[4]?.status()).toBe(8);
      await eventually(() => server.events.filter(({ kind }) => kind === 'open').length === 4);
      const order = server.events.flatMap((event) => (event.kind === 'open' ? [event.client.nodeId] : []));
      expect(order).toEqual(['n0', 'n1', 'n2', 'n3']);
      for (const stream of streams.slice(0, 4)) await eventually(() => stream.received() > 0);
    });
  });

  it('answers who starts up during a wave of changes before the wave is over', async () => {
    const state = (round: number) => [resource(CDS, 'a', { content: `${round}${'x'.repeat(1_000_000)}` })];
    const provider = createStaticViews(state(1));
    await using server = await runServer(provider);
    const clients = Array.from({ length: 30 }, () => raw(server.port));
    const sent = () => server.events.filter(({ kind }) => kind === 'sent').length;
    const all = clients.map((client, index) => {
      const stream = client.open();
      stream.stream.write(request(`n${index}`));
      return stream;
    });
    await eventually(() => all.every(({ received }) => received() > 1_000_000));
    const ack = protos.encode('envoy.service.discovery.v3.DeltaDiscoveryRequest', {
      ...{ type_url: CDS, response_nonce: nonceOf(server.events) },
    });
    for (const { stream } of all) stream.write(frameOf(ack).framed);
    await eventually(() => server.events.filter(({ kind }) => kind === 'ack').length === 30);
    const before = sent();
    provider.publish(state(2));
    const late = clients[0]?.open();
    late?.stream.write(request('late'));
    await eventually(() => sent() === before + 31);
    const order = server.events.flatMap((event) => (event.kind === 'sent' ? [event.streamId] : [])).slice(before);
    const opened = server.events.findLast((event) => event.kind === 'open');
    expect(order.indexOf(opened?.client.streamId ?? -1)).toBeLessThan(25);
  });

  describe('faults', () => {
    it('end the stream they are met on, in words that tell nothing, and no other', async () => {
      const told: string[] = [];
      const keep = (message: string, fields?: object): void => void told.push(`${message} ${JSON.stringify(fields)}`);
      const log: Logger = { debug() {}, info() {}, warn() {}, error: keep, child: () => log };
      const fault = (): never => {
        throw new Error('secret');
      };
      const listener = { incoming() {}, halfClosed() {}, closed() {} };
      const methods = [
        { path: '/grpc.health.v1.Health/Open', open: fault },
        { path: '/grpc.health.v1.Health/Message', open: () => ({ ...listener, incoming: fault }) },
        { path: '/grpc.health.v1.Health/End', open: () => ({ ...listener, closed: fault }) },
      ];
      await using server = await runServer(views(), {}, { methods, log });
      const client = raw(server.port);
      const good = client.open();
      good.stream.write(request());
      for (const { path } of methods) {
        const bad = client.open({ ':path': path });
        bad.stream.write(request());
        if (path === '/grpc.health.v1.Health/End') bad.stream.close();
        else {
          expect(await bad.status()).toBe(13);
          expect(decodeURIComponent(String(bad.headers['grpc-message']))).toBe('internal error');
        }
        await eventually(() => told.some((line) => line.includes(path)));
      }
      await eventually(() => good.received() > 0);
      expect(good.closed()).toBe(false);
      expect(told.every((line) => line.includes('secret'))).toBe(true);
    });

    it('and all other ends are counted by their cause', async () => {
      const counts = new Map<string, number>();
      const metrics: Metrics = {
        ...noMetrics,
        counter: (name) => ({
          add: ({ reason = '' }, by = 1) => {
            if (name === 'xds_streams_ended_total') counts.set(reason, (counts.get(reason) ?? 0) + by);
          },
        }),
      };
      const provider = views();
      const server = await runServer(
        provider,
        { maxStreamsPerNode: 1, openMs: 200, maxRequestBytes: 1000 },
        { metrics },
      );
      const client = raw(server.port);
      const begin = (bytes: Buffer): RawStream => {
        const stream = client.open();
        stream.stream.write(bytes);
        return stream;
      };
      const counted = (reason: string): Promise<unknown> => eventually(() => counts.get(reason) === 1);
      const stays = begin(request('stays'));
      await eventually(() => stays.received() > 0);
      const other = raw(server.port);
      const leaves = other.open();
      leaves.stream.write(request('leaves'));
      await eventually(() => leaves.received() > 0);
      other.session.destroy();
      // grpc-js tells the end of what was reset as if the client had ended it.
      await counted(http2 ? 'client-gone' : 'client-ended');
      if (!http2) counts.clear();
      const ends = begin(request('ends'));
      await eventually(() => ends.received() > 0);
      ends.stream.end();
      await counted('client-ended');
      begin(frameOf(Buffer.from([0xff])).framed);
      await counted('invalid');
      begin(request('stays'));
      await counted('over-limit');
      provider.refuse({ refused: 'unavailable', message: 'no' });
      begin(request('other'));
      await counted('refused');
      client.open();
      await counted('silent');
      await server.stop();
      await counted('stopping');
      expect([...counts].filter(([, count]) => count !== 1)).toEqual([]);
    });
  });

  describe('keepalive', () => {
    it('cuts a connection that answers no ping, and no other', async () => {
      await using server = await runServer(views(), { keepaliveMs: 100, keepaliveTimeoutMs: 100 });
      const good = raw(server.port).open();
      good.stream.write(request());
      await eventually(() => good.received() > 0);
      // HTTP/2 as far as it goes: preface and empty SETTINGS, then nothing, as a machine that lost its power.
      const dead = tcp(server.port);
      dead.socket.write('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
      dead.socket.write(Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]));
      await eventually(dead.closed);
      expect(good.closed()).toBe(false);
    });
  });

  describe('age', () => {
    it('ends an answered stream after a GOAWAY, and leaves one that was not answered', async () => {
      await using server = await runServer(createStaticViews(), { maxConnectionAgeMs: 300 });
      const client = raw(server.port);
      const answered = client.open();
      answered.stream.write(request());
      await eventually(() => answered.received() > 0);
      const silent = client.open();
      silent.stream.write(
        frameOf(
          protos.encode('envoy.service.discovery.v3.DeltaDiscoveryRequest', {
            ...{ node: { id: 's' }, type_url: typeUrls.endpoints, resource_names_unsubscribe: ['x'] },
          }),
        ).framed,
      );
      await eventually(() => server.events.filter(({ kind }) => kind === 'open').length === 2);
      expect(await answered.status()).toBe(14);
      expect(client.goaways).not.toEqual([]);
      expect(silent.closed()).toBe(false);
      expect(server.events.filter(({ kind }) => kind === 'close')).toMatchObject([
        { reason: 'the connection has reached its age; connect again' },
      ]);
    });
  });

  describe('one port', () => {
    it('knows the HTTP/2 preface however it comes', async () => {
      await using server = await runServer(views());
      const slow = tcp(server.port);
      for (const character of 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n') {
        slow.socket.write(character);
        await new Promise((resolve) => setImmediate(resolve));
      }
      slow.socket.write(Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]));
      // SETTINGS of the server, and its answer to ours.
      await eventually(() => slow.text().includes('\x00\x00\x00\x04\x01\x00\x00\x00\x00'));
    });

    it('closes what says nothing, and HTTP/1.1 where nobody serves it', async () => {
      await using server = await runServer(views(), { handshakeMs: 100 });
      await eventually(tcp(server.port).closed);
      const one = tcp(server.port);
      one.socket.write('GET / HTTP/1.1\r\n\r\n');
      await eventually(one.closed);
      const half = tcp(server.port);
      half.socket.end('PR');
      await eventually(half.closed);
    });
  });
});

describe('a listener with an HTTP/1.1 server', () => {
  assertNoLeaks({ deadlineMs: 5_000 });

  it('hands it what speaks HTTP/1.1, in any pieces', async () => {
    const http1 = createHttp1Server((incoming, response) => {
      let body = '';
      incoming.on('data', (chunk: Buffer) => {
        body += chunk.toString();
      });
      incoming.on('end', () => response.end(`${incoming.method} ${incoming.url} ${body}`));
    });
    let http2 = 0;
    const listener = createListener(
      {
        ...{ clock: createSystemClock(), log: silentLogger, metrics: noMetrics },
        onConnection({ socket }) {
          http2++;
          socket.destroy();
        },
        http1: (socket) => void http1.emit('connection', socket),
      },
      { address: '127.0.0.1', port: 0, maxConnections: 100, handshakeMs: 5_000 },
    );
    const { port } = await listener.listen();
    const posted = await fetch(`http://127.0.0.1:${port}/v3/discovery:clusters`, {
      ...{ method: 'POST', body: 'P'.repeat(100_000), headers: { connection: 'close' } },
    });
    expect(await posted.text()).toBe(`POST /v3/discovery:clusters ${'P'.repeat(100_000)}`);
    for (const method of ['PUT', 'PROPFIND', 'GET']) {
      const slow = tcp(port);
      for (const character of `${method} /x HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n`) {
        slow.socket.write(character);
        await new Promise((resolve) => setImmediate(resolve));
      }
      await eventually(slow.closed);
      expect(slow.text()).toContain(`${method} /x`);
    }
    // A client that ends its side with its request is answered all the same.
    const half = tcp(port);
    half.socket.write('G');
    for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
    half.socket.end('ET /half HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n');
    await eventually(half.closed);
    expect(half.text()).toContain('GET /half');
    expect(http2).toBe(0);
    await eventually(raw(port).closed);
    expect(http2).toBe(1);
    listener.destroy();
    await listener.close();
  });
});
