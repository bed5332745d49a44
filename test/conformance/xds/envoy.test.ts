// Real Envoys, newest and oldest supported, take their whole configuration from our server in each variant:
// traffic flows, changes lose no request, and a restart of the server re-sends nothing that did not change.
import { expect, it } from 'vitest';
import { typeUrls } from '../../../src/resources/type-urls.ts';
import { startBackend } from '../../support/backends.ts';
import { ask, startLoad } from '../../support/load.ts';
import { describeWith, eventually, eventuallyPasses, freePort, startEnvoy } from '../../support/real-parts.ts';
import { createStaticViews } from '../../support/static-views.ts';
import { badCluster, bootstrap, type Channel, world } from './envoy-world.ts';
import { runServer } from './running-server.ts';

const channels: readonly (Channel & { readonly transport?: 'http2' })[] = [
  { variant: 'delta', aggregated: true },
  { variant: 'sotw', aggregated: true },
  { variant: 'delta', aggregated: false },
  { variant: 'sotw', aggregated: false },
];

/** The other gRPC server, once: the conformance suite runs over both. */
const overGrpcJs = { variant: 'delta', aggregated: true, transport: 'grpc-js' } as const;

describeWith(['envoy', 'envoy-oldest'], 'a real Envoy', () => {
  for (const bin of ['newest', 'oldest'] as const) {
    for (const { transport = 'http2', ...channel } of bin === 'newest' ? [...channels, overGrpcJs] : channels) {
      const name = `${bin}, ${channel.variant}, ${channel.aggregated ? 'ADS' : 'separate streams'}, ${transport}`;
      it(`takes configuration, changes and a restart without a failed request: ${name}`, {
        timeout: 60_000,
      }, async () => {
        await using a = await startBackend('a');
        await using b = await startBackend('b');
        const listenPort = await freePort();
        const base = { channel, listenPort };
        const first = world({ ...base, clusters: { a: [a.port] }, route: 'a' });
        const views = createStaticViews(first);
        const limits = { separateBreakMs: 300 };
        // Not a port that an outgoing connection may have when the next server is to take it.
        const one = await runServer(views, { limits, transport, port: await freePort() });
        const options = bin === 'oldest' ? { bin: 'oldest' } : {};
        await using envoy = await startEnvoy(bootstrap(channel, one.port), options);
        await eventuallyPasses(async () => {
          expect((await ask({ port: listenPort })).headers['x-backend']).toBe('a');
        });
        const load = startLoad({ port: listenPort, perSecond: 200, maxSeconds: 50 });

        // Separate streams know nothing of each other, so order is up to the publisher: the cluster first, then the route.
        if (!channel.aggregated) {
          views.publish(world({ ...base, clusters: { a: [a.port], b: [b.port] }, route: 'a' }));
          await eventuallyPasses(async () => expect(await envoy.adminGet('/clusters')).toContain('b::127.0.0.1'));
        }
        // A cluster is added and the route moves to it; the old one is removed in the same change.
        views.publish(world({ ...base, clusters: { b: [b.port] }, route: 'b' }));
        await eventuallyPasses(async () => {
          expect((await ask({ port: listenPort })).headers['x-backend']).toBe('b');
          expect(await envoy.adminGet('/clusters')).not.toContain('a::');
        });
        // The cluster's own settings change while its endpoints stay as they are (R46).
        views.publish(world({ ...base, clusters: { b: [b.port] }, route: 'b', connectTimeout: '2s' }));
        await eventuallyPasses(async () => {
          expect(await envoy.stat('cluster_manager.cluster_modified')).toBeGreaterThan(0);
          expect(await envoy.stat('cluster_manager.warming_clusters')).toBe(0);
        });
        // An endpoint joins.
        const last = world({ ...base, clusters: { b: [b.port, a.port] }, route: 'b', connectTimeout: '2s' });
        views.publish(last);
        await eventually(async () => (await ask({ port: listenPort })).headers['x-backend'] === 'a');

        // Another process takes over the port; content is equal, so versions are.
        await one.stop();
        const modified = await envoy.stat('cluster_manager.cluster_modified');
        const again = { limits, transport, port: one.port };
        await using two = await runServer(createStaticViews(last), again, { seed: 2 });
        await eventually(() => two.events.some((event) => event.kind === 'ack' && event.type === typeUrls.endpoints), {
          deadlineMs: 20_000,
        });
        const result = await load.stop();
        expect(result.failures).toEqual({});
        expect(result.sent).toBeGreaterThan(5);
        const sent = two.events.filter((event) => event.kind === 'sent').map((event) => event.type);
        expect(sent).not.toContain(typeUrls.cluster);
        expect(sent).not.toContain(typeUrls.listener);
        expect(await envoy.stat('cluster_manager.cluster_modified')).toBe(modified);
        expect(await envoy.stat('listener_manager.listener_modified')).toBe(0);
        expect(await envoy.stat('listener_manager.total_listeners_draining')).toBe(0);
        expect(await envoy.stat('cluster_manager.cds.update_rejected')).toBe(0);
        expect(await envoy.stat('listener_manager.lds.update_rejected')).toBe(0);
      });
    }
  }

  for (const channel of channels.filter(({ aggregated }) => aggregated)) {
    it(`F7: moves from cluster to cluster, one after the other, lose no request: ${channel.variant}`, async () => {
      await using a = await startBackend('a');
      await using b = await startBackend('b');
      const base = { channel, listenPort: await freePort() };
      const views = createStaticViews(world({ ...base, clusters: { c0: [a.port] }, route: 'c0' }));
      await using server = await runServer(views);
      await using envoy = await startEnvoy(bootstrap(channel, server.port));
      await eventually(async () => (await ask({ port: base.listenPort })).status === 200);
      const load = startLoad({ port: base.listenPort, perSecond: 300, maxSeconds: 20 });
      for (let move = 1; move <= 20; move++) {
        const backend = move % 2 === 0 ? a : b;
        views.publish(world({ ...base, clusters: { [`c${move}`]: [backend.port] }, route: `c${move}` }));
        // Some moves overtake the one before, some wait for it.
        if (move % 3 === 0)
          await eventually(async () => (await ask({ port: base.listenPort })).headers['x-backend'] === backend.name);
      }
      await eventually(async () => {
        const clusters = await envoy.adminGet('/clusters');
        return clusters.includes('c20::') && !clusters.includes('c19::');
      });
      const result = await load.stop();
      expect(result.failures).toEqual({});
      expect(result.sent).toBeGreaterThan(5);
      expect(server.events.filter(({ kind }) => kind === 'nack')).toEqual([]);
    });

    it(`R13, R14: a cluster Envoy rejects takes nothing else down: ${channel.variant}`, async () => {
      await using a = await startBackend('a');
      await using b = await startBackend('b');
      const base = { channel, listenPort: await freePort() };
      const first = world({ ...base, clusters: { a: [a.port] }, route: 'a' });
      const views = createStaticViews(first);
      await using server = await runServer(views);
      await using envoy = await startEnvoy(bootstrap(channel, server.port));
      const load = startLoad({ port: base.listenPort, perSecond: 100, maxSeconds: 20 });
      const bad = badCluster('bad');
      views.publish([...world({ ...base, clusters: { a: [a.port], b: [b.port] }, route: 'b' }), bad]);
      await eventually(async () => (await ask({ port: base.listenPort })).headers['x-backend'] === 'b');
      const nacks = server.events.filter((event) => event.kind === 'nack');
      expect(nacks.length).toBeGreaterThan(0);
      expect(nacks.at(-1)?.message).toContain('EDS');
      const rejected = await envoy.stat('cluster_manager.cds.update_rejected');
      expect(rejected).toBeLessThanOrEqual(3);
      // Endpoints and further changes still arrive; the rejected one is not offered again.
      views.publish([...world({ ...base, clusters: { a: [a.port], b: [a.port] }, route: 'b' }), bad]);
      await eventually(async () => (await ask({ port: base.listenPort })).headers['x-backend'] === 'a');
      views.publish([...world({ ...base, clusters: { a: [a.port], b: [a.port], c: [b.port] }, route: 'c' }), bad]);
      await eventually(async () => (await ask({ port: base.listenPort })).headers['x-backend'] === 'b');
      expect(await envoy.stat('cluster_manager.cds.update_rejected')).toBe(rejected);
      expect((await load.stop()).failures).toEqual({});
    });
  }

  it('R38, R40: what changed while the server was away arrives in order, without a failed request: delta', async () => {
    await using a = await startBackend('a');
    await using b = await startBackend('b');
    const channel: Channel = { variant: 'delta', aggregated: true };
    const base = { channel, listenPort: await freePort() };
    const start = createStaticViews(world({ ...base, clusters: { a: [a.port] }, route: 'a' }));
    const one = await runServer(start, { port: await freePort() });
    await using envoy = await startEnvoy(bootstrap(channel, one.port));
    await eventually(async () => (await ask({ port: base.listenPort })).status === 200);
    const load = startLoad({ port: base.listenPort, perSecond: 300, maxSeconds: 30 });
    await one.stop();
    const views = createStaticViews(world({ ...base, clusters: { b: [b.port] }, route: 'b' }));
    await using two = await runServer(views, { port: one.port }, { seed: 2 });
    await eventually(async () => {
      const clusters = await envoy.adminGet('/clusters');
      return clusters.includes('b::') && !clusters.includes('a::');
    });
    await eventually(async () => (await ask({ port: base.listenPort })).headers['x-backend'] === 'b');
    expect((await load.stop()).failures).toEqual({});
    const sent = two.events.filter((event) => event.kind === 'sent');
    const removal = sent.findIndex(({ type, removed }) => type === typeUrls.cluster && removed.includes('a'));
    const route = sent.findIndex(({ type, resources }) => type === typeUrls.routes && resources.has('main'));
    expect(route).toBeGreaterThan(sent.findIndex(({ resources }) => resources.has('b')));
    expect(removal).toBeGreaterThan(route);
  });
});
