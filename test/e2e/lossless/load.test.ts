// The zero-loss suite can fail: its load counts every request, sees every way in which one can fail, does not wait for
// answers before it sends, and a control plane that breaks before it makes is found out on a real Envoy.

import { renameSync, writeFileSync } from 'node:fs';
import { createServer as createHttpServer } from 'node:http';
import { createServer as createHttp2Server, type ServerHttp2Session } from 'node:http2';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { startBackend } from '../../support/backends.ts';
import { describeWith, eventually, freePort, startEnvoy } from '../../support/real-parts.ts';
import { createTempDir } from '../../support/temp-dir.ts';
import { createAccessLogFilter } from './access-log.ts';
import { startHttp2Application } from './application.ts';
import type { Kind, LoadPlan, LoadReport, Target } from './load-plan.ts';
import { startLoadThread } from './load-thread.ts';

const plan = (targets: readonly Target[], rest: Partial<LoadPlan> = {}): LoadPlan => ({
  ...{ targets, freshEvery: 10, timeoutMs: 5000, maxSeconds: 20, ...rest },
});
const target = (kind: Kind, port: number, perSecond = 100): Target => ({
  ...{ kind, port, perSecond, via: 'nobody', host: 'x.example' },
});

async function listen(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

function whole(report: LoadReport): void {
  for (const { sent, ok, failures, starved } of report.tallies)
    expect(ok + failures.length + starved.length).toBe(sent);
}

/** Runs the load until `enough`, and returns what became of all it sent until then. */
async function loadUntil(of: LoadPlan, enough: () => boolean): Promise<LoadReport> {
  await using load = await startLoadThread(of);
  load.label('here');
  await eventually(enough);
  load.label('after');
  const report = await load.report('here');
  whole(report);
  return report;
}

describe('the load of the zero-loss suite', () => {
  it('goes on sending while nothing is answered, and counts what timed out', async () => {
    let requests = 0;
    const silent = createHttpServer(() => requests++);
    const port = await listen(silent);
    // More than a client that waits for its answers would have on its way: one a connection.
    const report = await loadUntil(plan([target('h1', port)], { timeoutMs: 300 }), () => requests >= 60);
    const [tally] = report.tallies;
    expect(tally?.ok).toBe(0);
    expect([...(tally?.failures ?? []), ...(tally?.starved ?? [])].map(({ reason }) => reason)).toContain('time-out');
    silent.closeAllConnections();
    silent.close();
  });

  it('keeps connections, and opens one of its own for every tenth request', async () => {
    let requests = 0;
    let connections = 0;
    const server = createHttpServer((_request, response) => {
      requests++;
      response.end();
    });
    server.on('connection', () => connections++);
    const report = await loadUntil(plan([target('h1', await listen(server))]), () => requests >= 100);
    expect(report.tallies[0]?.failures).toEqual([]);
    expect(connections).toBeGreaterThanOrEqual(10);
    expect(connections).toBeLessThan(requests / 2);
    server.closeAllConnections();
    server.close();
  });

  it.each(['h1', 'h2', 'grpc', 'post'] as const)('sees %s requests fail whose connection is cut', async (kind) => {
    let cut = 0;
    const server = createServer((socket) => {
      socket.on('error', () => {});
      socket.once('data', () => {
        cut++;
        socket.resetAndDestroy();
      });
    });
    const report = await loadUntil(plan([target(kind, await listen(server))]), () => cut >= 20);
    expect(report.tallies[0]?.ok).toBe(0);
    expect(report.tallies[0]?.failures.length).toBeGreaterThanOrEqual(20);
    server.close();
  });

  it('sees a gRPC status, a missing one, and a reset stream', async () => {
    let calls = 0;
    const server = createHttp2Server();
    server.on('stream', (stream) => {
      stream.on('error', () => {});
      stream.resume();
      const turn = calls++ % 3;
      if (turn === 0) stream.respond({ ':status': 200, 'grpc-status': '14' }, { endStream: true });
      else if (turn === 1) stream.respond({ ':status': 200 }, { endStream: true });
      else stream.close(2);
    });
    const port = await listen(server);
    const report = await loadUntil(plan([target('grpc', port)]), () => calls >= 30);
    const reasons = new Set(report.tallies[0]?.failures.map(({ reason }) => reason));
    expect(report.tallies[0]?.ok).toBe(0);
    expect([...reasons].some((reason) => reason === 'grpc-status 14')).toBe(true);
    expect([...reasons].some((reason) => reason === 'grpc-status missing')).toBe(true);
    expect(reasons.size).toBeGreaterThanOrEqual(3);
    server.close();
  });

  // Both ends are Node's own; on a busy machine a request beside a GOAWAY was seen to be never answered, once in many runs.
  it('loses nothing to a server that ends its connections in order', { retry: 2, timeout: 30_000 }, async () => {
    let requests = 0;
    const sessions = new Set<ServerHttp2Session>();
    const server = createHttp2Server();
    server.on('session', (session) => sessions.add(session));
    server.on('stream', (stream) => {
      stream.respond({ ':status': 200 }, { endStream: true });
      if (++requests % 7 === 0)
        setImmediate(() => {
          for (const session of sessions) if (!session.destroyed) session.goaway(0, 2 ** 31 - 1);
        });
    });
    const port = await listen(server);
    const report = await loadUntil(plan([target('h2', port)]), () => requests >= 100);
    expect(report.tallies[0]?.failures).toEqual([]);
    server.close();
  });
});

const cluster = (name: string, port: number, http2: boolean): object => ({
  '@type': 'type.googleapis.com/envoy.config.cluster.v3.Cluster',
  ...{ name, type: 'STATIC', connect_timeout: '1s' },
  load_assignment: {
    cluster_name: name,
    endpoints: [
      { lb_endpoints: [{ endpoint: { address: { socket_address: { address: '127.0.0.1', port_value: port } } } }] },
    ],
  },
  typed_extension_protocol_options: {
    'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
      '@type': 'type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions',
      explicit_http_config: http2 ? { http2_protocol_options: {} } : { http_protocol_options: {} },
    },
  },
});

describeWith(['envoy'], 'the zero-loss suite', () => {
  it('finds out who removes a cluster before its route has moved', { timeout: 60_000 }, async () => {
    using dir = createTempDir('break-first');
    await using plain = await startBackend('plain');
    const two = await startHttp2Application('two');
    const port = await freePort();
    // By rename, as Envoy watches for it.
    const put = (file: string, resources: readonly object[]): void => {
      writeFileSync(join(dir.path, `${file}.new`), JSON.stringify({ resources }));
      renameSync(join(dir.path, `${file}.new`), join(dir.path, file));
    };
    const clusters = (side: string): void =>
      put('cds.json', [cluster(`plain-${side}`, plain.port, false), cluster(`two-${side}`, two.port, true)]);
    const routes = (side: string): void =>
      put('rds.json', [
        {
          '@type': 'type.googleapis.com/envoy.config.route.v3.RouteConfiguration',
          name: 'all',
          virtual_hosts: ['plain', 'two'].map((name) => ({
            name,
            domains: [`${name}.shop`],
            routes: [{ match: { prefix: '/' }, route: { cluster: `${name}-${side}` } }],
          })),
        },
      ]);
    clusters('a');
    routes('a');
    const source = (file: string): object => ({
      path_config_source: { path: join(dir.path, file) },
      resource_api_version: 'V3',
    });
    const log = createAccessLogFilter();
    const json = { path: '%PATH(NQ)%', code: '%RESPONSE_CODE%', response_flags: '%RESPONSE_FLAGS%' };
    await using envoy = await startEnvoy(
      {
        node: { id: 'break-first', cluster: 'break-first' },
        dynamic_resources: { cds_config: source('cds.json') },
        static_resources: {
          listeners: [
            {
              name: 'all',
              address: { socket_address: { address: '127.0.0.1', port_value: port } },
              filter_chains: [
                {
                  filters: [
                    {
                      name: 'hcm',
                      typed_config: {
                        '@type':
                          'type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager',
                        stat_prefix: 'all',
                        rds: { config_source: source('rds.json'), route_config_name: 'all' },
                        access_log: [
                          {
                            name: 'stdout',
                            typed_config: {
                              '@type': 'type.googleapis.com/envoy.extensions.access_loggers.stream.v3.StdoutAccessLog',
                              log_format: { json_format: json },
                            },
                          },
                        ],
                        http_filters: [
                          {
                            name: 'router',
                            typed_config: {
                              '@type': 'type.googleapis.com/envoy.extensions.filters.http.router.v3.Router',
                            },
                          },
                        ],
                      },
                    },
                  ],
                },
              ],
            },
          ],
        },
      },
      { args: ['--file-flush-interval-msec', '100'], onOutput: log.take },
    );
    const to = (kind: Kind, host: string): Target => ({ ...target(kind, port, 50), host });
    const targets = [to('h1', 'plain.shop'), to('post', 'plain.shop'), to('h2', 'two.shop'), to('grpc', 'two.shop')];
    await using load = await startLoadThread(plan(targets));
    load.label('before');
    await eventually(async () => (await envoy.stat('http.all.downstream_rq_2xx')) > 100);
    load.label('broken');
    // Answered, all of them: what is on its way when the clusters go is no part of "before".
    await load.report('before');
    clusters('b');
    const broken = (): readonly string[] => [...new Set(load.failures().map(({ kind }) => kind))].sort();
    await eventually(() => broken().length === 4);
    routes('b');
    const hundredMore = async (): Promise<void> => {
      const good = await envoy.stat('http.all.downstream_rq_2xx');
      await eventually(async () => (await envoy.stat('http.all.downstream_rq_2xx')) > good + 100);
    };
    await eventually(async () => {
      const before = load.failures().length;
      await hundredMore();
      return load.failures().length === before;
    });
    load.label('mended');
    await hundredMore();
    load.label('end');
    const reports = await Promise.all(['before', 'broken', 'mended'].map((label) => load.report(label)));
    for (const report of reports) whole(report);
    const failed = reports.map(({ tallies }) => tallies.map(({ failures }) => failures.length));
    expect(failed[0]).toEqual([0, 0, 0, 0]);
    for (const count of failed[1] ?? []) expect(count).toBeGreaterThan(0);
    expect(failed[2]).toEqual([0, 0, 0, 0]);
    const [first] = load.failures();
    await eventually(() => log.of(first?.path ?? '').some(({ flags }) => flags === 'NC'));
    await two.crash();
  });
});
