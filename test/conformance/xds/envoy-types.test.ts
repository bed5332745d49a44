// Real Envoys take every other type from our server: scoped routes, runtime, extensions, secrets; virtual hosts and
// clusters on demand, under load where something could be lost.
import { connect as connectTls } from 'node:tls';
import { expect, it } from 'vitest';
import { typeUrls } from '../../../src/resources/type-urls.ts';
import { startBackend } from '../../support/backends.ts';
import { createAuthority, describeWithOpenssl } from '../../support/certificates.ts';
import { ask, startLoad } from '../../support/load.ts';
import { describeWith, eventually, eventuallyPasses, freePorts, startEnvoy } from '../../support/real-parts.ts';
import { createStaticViews } from '../../support/static-views.ts';
import { createTempDir } from '../../support/temp-dir.ts';
import {
  discoveredFilter,
  discoveredRoutes,
  fault,
  fixedRoutes,
  listener,
  onDemand,
  routesByHeader,
  routesByHost,
  runtime,
  scope,
  scopedRoutes,
  secret,
  tlsSocket,
  virtualHost,
} from './envoy-types-world.ts';
import { bootstrap, type Channel, cluster, configSource } from './envoy-world.ts';
import { type RunningServer, runServer } from './running-server.ts';

const delta: Channel = { variant: 'delta', aggregated: true };
const sotw: Channel = { variant: 'sotw', aggregated: true };
const rejections = ({ events }: RunningServer): unknown[] => events.filter(({ kind }) => kind === 'nack');

/** The serial number of the certificate a listener shows. */
function shownSerial(port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connectTls({ host: '127.0.0.1', port, rejectUnauthorized: false }, () => {
      resolve(socket.getPeerCertificate().serialNumber);
      socket.destroy();
    });
    socket.once('error', reject);
  });
}

describeWithOpenssl('with certificates', () => {
  describeWith(['envoy', 'envoy-oldest'], 'a real Envoy', () => {
    it.each([
      { bin: 'newest', channel: delta },
      { bin: 'newest', channel: sotw },
      { bin: 'oldest', channel: delta },
    ])(
      'R1, R9, R48, R49, R52: takes scopes, runtime, extensions and secrets: $bin $channel.variant',
      {
        timeout: 40_000,
      },
      async ({ bin, channel }) => {
        using dir = createTempDir('types');
        const authority = createAuthority(dir.path);
        const [first, second] = ['one', 'two'].map((name) => authority.leaf(name, 'IP:127.0.0.1'));
        if (first === undefined || second === undefined) throw new Error('no certificates');
        const [plain = 0, later = 0, tls = 0] = await freePorts(3);
        const scoped = (name: string, port: number) =>
          listener(name, {
            port,
            manager: scopedRoutes(name),
            filters: [discoveredFilter('fault')],
            deps: [{ type: typeUrls.extension, name: 'fault' }],
          });
        const secured = listener('tls', {
          port: tls,
          manager: fixedRoutes('secured'),
          transportSocket: tlsSocket('server'),
          deps: [{ type: typeUrls.secret, name: 'server' }],
        });
        const before = [scoped('in', plain), secured, fault('fault', 418), runtime('old'), secret('server', first)];
        const views = createStaticViews([...before, ...scope('eu', 'hello eu')]);
        await using server = await runServer(views);
        const layers = [
          { name: 'static', static_layer: {} },
          { name: 'rt', rtds_layer: { name: 'rt', rtds_config: { resource_api_version: 'V3', ads: {} } } },
        ];
        const config = { ...bootstrap(channel, server.port), layered_runtime: { layers } };
        await using envoy = await startEnvoy(config, bin === 'oldest' ? { bin } : {});
        const get = (port: number, headers: Readonly<Record<string, string>>) => ask({ port, headers });
        const feature = async (): Promise<string> => {
          const { entries } = JSON.parse(await envoy.adminGet('/runtime?format=json')) as {
            entries: Record<string, { final_value: string }>;
          };
          return entries['feature']?.final_value ?? '';
        };
        expect((await get(plain, { 'x-scope': 'eu' })).body).toBe('hello eu');
        expect((await get(plain, { 'x-scope': 'us' })).status).toBe(404);
        expect((await get(plain, { 'x-scope': 'eu', 'x-fault': '1' })).status).toBe(418);
        expect(await feature()).toBe('old');
        const serial = await shownSerial(tls);

        // Everything changes at once.
        const load = startLoad({ port: plain, headers: { 'x-scope': 'eu' }, perSecond: 100, maxSeconds: 20 });
        const changed = [scoped('in', plain), secured, fault('fault', 429), runtime('new'), secret('server', second)];
        const scopes = scope('eu', 'hello again');
        views.publish([...changed, ...scopes, ...scope('us', 'hello us')]);
        await eventuallyPasses(async () => {
          expect((await get(plain, { 'x-scope': 'eu' })).body).toBe('hello again');
          expect((await get(plain, { 'x-scope': 'us' })).body).toBe('hello us');
          expect((await get(plain, { 'x-scope': 'eu', 'x-fault': '1' })).status).toBe(429);
          expect(await feature()).toBe('new');
          expect(await shownSerial(tls)).not.toBe(serial);
        });
        // A second listener, by a subscription of its own that no request tells of.
        views.publish([...changed, scoped('later', later), ...scopes, ...scope('us', 'hello us')]);
        await eventuallyPasses(async () => expect((await get(later, { 'x-scope': 'us' })).body).toBe('hello us'));
        // A scope goes, with its routes.
        views.publish([...changed, scoped('later', later), ...scopes]);
        await eventually(async () => (await get(plain, { 'x-scope': 'us' })).status === 404);
        expect((await load.stop()).failures).toEqual({});
        expect(rejections(server)).toEqual([]);
        expect(await envoy.stat('listener_manager.listener_modified')).toBe(0);
      },
    );
  });
});

describeWith(['envoy', 'envoy-oldest'], 'a real Envoy', () => {
  it.each(['newest', 'oldest'])(
    'R33, R36, R48: takes virtual hosts as requests need them: %s',
    {
      timeout: 40_000,
    },
    async (bin) => {
      const [port = 0, xdsPort = 0] = await freePorts(2);
      const inbound = listener('in', {
        port,
        manager: discoveredRoutes,
        filters: [onDemand(false)],
        deps: [{ type: typeUrls.routes, name: 'main' }],
      });
      const shop = (text: string) => virtualHost('shop', ['shop.example', 'www.shop.example'], text);
      // Envoy 1.36 refuses virtual hosts over ADS: there they come on a stream of their own.
      const source = configSource({ variant: 'delta', aggregated: bin === 'newest' });
      const routes = (note: string) => routesByHost(note, source);
      const late = virtualHost('late', ['late.example'], 'late');
      const views = createStaticViews([inbound, routes('1'), shop('shop 1')]);
      const one = await runServer(views, { port: xdsPort });
      await using _ = await startEnvoy(bootstrap(delta, one.port), bin === 'oldest' ? { bin } : {});
      const get = (host: string) => ask({ port, host, timeoutMs: 8000 });
      expect(await get('shop.example')).toMatchObject({ status: 200, body: 'shop 1' });
      expect(await get('www.shop.example')).toMatchObject({ status: 200, body: 'shop 1' });
      expect(await get('late.example')).toMatchObject({ status: 404 });
      const load = startLoad({ port, host: 'shop.example', perSecond: 100, maxSeconds: 30 });
      // What was asked for in vain arrives when it exists; what is there changes.
      views.publish([inbound, routes('1'), shop('shop 2'), late]);
      await eventuallyPasses(async () => {
        expect((await get('late.example')).body).toBe('late');
        expect((await get('www.shop.example')).body).toBe('shop 2');
      });
      // New content of the route configuration empties Envoy's table of virtual hosts.
      views.publish([inbound, routes('2'), shop('shop 2'), late]);
      await eventually(async () => (await get('shop.example')).headers['x-note'] === '2');
      expect((await get('late.example')).body).toBe('late');
      // Another replica takes over.
      await one.stop();
      const next = createStaticViews([inbound, routes('2'), shop('shop 2'), late]);
      await using two = await runServer(next, { port: one.port }, { seed: 2 });
      await eventually(() => two.events.some(({ kind }) => kind === 'ack'), { deadlineMs: 20_000 });
      next.publish([inbound, routes('2'), shop('shop 3')]);
      await eventuallyPasses(async () => {
        expect((await get('shop.example')).body).toBe('shop 3');
        expect((await get('late.example')).status).toBe(404);
      });
      expect((await load.stop()).failures).toEqual({});
      expect([...rejections(one), ...rejections(two)]).toEqual([]);
    },
  );

  it.each([
    { bin: 'newest', mode: 'beside the wildcard' },
    { bin: 'newest', mode: 'instead of the wildcard' },
    { bin: 'oldest', mode: 'beside the wildcard' },
  ])('R31, R35: takes clusters as requests need them, $mode: $bin', { timeout: 40_000 }, async ({ bin, mode }) => {
    await using a = await startBackend('a');
    await using b = await startBackend('b');
    const [port = 0] = await freePorts(1);
    const inbound = listener('in', { port, manager: routesByHeader, filters: [onDemand(true)] });
    const known = cluster('known', { channel: delta, ports: [b.port] });
    const hidden = (name: string, ports: readonly number[]) =>
      cluster(name, { channel: delta, ports }).map((item) => ({ ...item, byNameOnly: item.type === typeUrls.cluster }));
    const views = createStaticViews([inbound, ...known, ...hidden('late', [a.port])]);
    await using server = await runServer(views);
    const config = bootstrap(delta, server.port) as { dynamic_resources: Record<string, unknown> };
    if (mode === 'instead of the wildcard') delete config.dynamic_resources['cds_config'];
    await using envoy = await startEnvoy(config, bin === 'oldest' ? { bin } : {});
    const get = (name: string) => ask({ port, headers: { 'x-cluster': name }, timeoutMs: 8000 });
    expect((await get('late')).headers['x-backend']).toBe('a');
    // Envoy waits a minute for a cluster; only our word that there is none ends that sooner.
    expect((await get('none')).status).toBe(503);
    expect((await get('known')).headers['x-backend']).toBe('b');
    views.publish([inbound, ...known, ...hidden('late', [b.port]), ...hidden('none', [a.port])]);
    await eventuallyPasses(async () => {
      expect((await get('late')).headers['x-backend']).toBe('b');
      expect((await get('none')).headers['x-backend']).toBe('a');
    });
    const sent = server.events.flatMap((event) =>
      event.kind === 'sent' && event.type === typeUrls.cluster ? [[...event.resources.keys()]] : [],
    );
    if (mode === 'instead of the wildcard') expect(sent[0]).toEqual(['late']);
    else expect(sent[0]).toEqual(['known']);
    expect(rejections(server)).toEqual([]);
    expect(await envoy.stat('cluster_manager.cds.update_rejected')).toBe(0);
  });
});
