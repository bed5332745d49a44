// LRS over real gRPC: who is asked for what, what is passed on, and who is refused.
import { status as grpc } from '@grpc/grpc-js';
import { describe, expect, it } from 'vitest';
import type { Resource } from '../../../src/resources/resource.ts';
import { typeUrls } from '../../../src/resources/type-urls.ts';
import { eventually } from '../../support/eventually.ts';
import { createStaticViews, resource } from '../../support/static-views.ts';
import { runServer } from './running-server.ts';
import { call } from './service-client.ts';

const service = 'envoy.service.load_stats.v3';
const method = {
  path: `/${service}.LoadReportingService/StreamLoadStats`,
  request: `${service}.LoadStatsRequest`,
  response: `${service}.LoadStatsResponse`,
};
const cluster = (name: string): Resource => resource(typeUrls.cluster, name);
const node = { id: 'web-1', cluster: 'web' };
const counts = { totalSuccessfulRequests: '90', totalErrorRequests: '10', totalIssuedRequests: '102' };

describe('load reports', () => {
  it("ask a client for its view's clusters, again when they change, and pass on what it reports until it goes", async () => {
    const views = createStaticViews([cluster('b'), cluster('a')]);
    await using server = await runServer(views, { loadIntervalMs: 2_500 });
    await using proxy = call(server.port, method);
    proxy.send({ node });
    expect(await proxy.next()).toEqual({ clusters: ['a', 'b'], loadReportingInterval: '2.500s' });
    views.publish([cluster('a'), cluster('b'), cluster('c')]);
    expect(await proxy.next()).toMatchObject({ clusters: ['a', 'b', 'c'] });
    const locality = { region: 'eu', zone: 'a', subZone: '1' };
    proxy.send({
      clusterStats: [
        {
          clusterName: 'a',
          upstreamLocalityStats: [{ locality, ...counts, totalRequestsInProgress: '2' }],
          totalDroppedRequests: '7',
          loadReportInterval: '2.500s',
        },
      ],
    });
    const report = await eventually(() => server.events.find(({ kind }) => kind === 'load'));
    expect(report).toMatchObject({
      clusters: [
        {
          ...{ cluster: 'a', dropped: 7, intervalMs: 2_500 },
          localities: [{ ...locality, issued: 102, succeeded: 90, failed: 10, active: 2 }],
        },
      ],
    });
    expect([...views.clients].map(({ nodeId }) => nodeId)).toEqual(['web-1']);
    proxy.half();
    expect((await proxy.ended()).code).toBe(grpc.OK);
    await eventually(() => server.events.some(({ kind }) => kind === 'load-end') && views.clients.size === 0);
  });

  it('ask for all clusters whoever can send all', async () => {
    await using server = await runServer(createStaticViews([cluster('a')]));
    await using proxy = call(server.port, method);
    proxy.send({ node: { ...node, clientFeatures: ['envoy.lrs.supports_send_all_clusters'] } });
    expect(await proxy.next()).toEqual({ sendAllClusters: true, loadReportingInterval: '10s' });
  });

  it('are refused from whom configuration is refused, and from whom says nothing of itself', async () => {
    const views = createStaticViews();
    views.refuse({ refused: 'permission-denied', message: 'not you' });
    await using server = await runServer(views);
    await using refused = call(server.port, method);
    refused.send({ node });
    expect(await refused.ended()).toMatchObject({ code: grpc.PERMISSION_DENIED, details: 'not you' });
    for (const request of [{}, { node: {} }, { node: { id: 'x'.repeat(600) } }]) {
      await using nameless = call(server.port, method);
      nameless.send(request);
      expect(await nameless.ended()).toMatchObject({ code: grpc.INVALID_ARGUMENT });
    }
    expect(server.events).toEqual([]);
  });

  it('without a pause end the stream', async () => {
    await using server = await runServer(createStaticViews([cluster('a')]));
    await using proxy = call(server.port, method);
    proxy.send({ node });
    await proxy.next();
    for (let sent = 0; sent < 30; sent++) proxy.send({});
    expect(await proxy.ended()).toMatchObject({ code: grpc.RESOURCE_EXHAUSTED });
  });
});
