// The HTTP API by injected requests: who may ask, what each line answers, how errors look.
import type { FastifyInstance } from 'fastify';
import { describe, expect, it } from 'vitest';
import { createPromMetrics } from '../../../src/admin/metrics.ts';
import { createServer } from '../../../src/admin/server.ts';
import { createProblem } from '../../../src/model/problem.ts';
import { AppError } from '../../../src/util/errors.ts';
import { silentLogger } from '../../../src/util/log.ts';
import { createFakeClock } from '../../support/fake-clock.ts';
import { createFakeControl, type FakeControl, type FakeOptions, load, shop, status, streamOf } from './fake-control.ts';

const token = 'correct-horse';
const bearer = { authorization: `Bearer ${token}` };

interface Fixture {
  readonly server: FastifyInstance;
  readonly control: FakeControl;
  readonly levels: [string, string | undefined][];
  readonly logged: unknown[];
  ask(
    method: 'GET' | 'POST' | 'PUT' | 'DELETE' | 'PATCH',
    url: string,
    more?: { headers?: Record<string, string>; payload?: string },
  ): Promise<{
    statusCode: number;
    body: string;
    headers: Record<string, unknown>;
    json: () => Record<string, unknown>;
  }>;
}

function fixture(options: FakeOptions = {}): Fixture {
  const control = createFakeControl(options);
  const metrics = createPromMetrics({ version: '1.2.3', node: 'cp-1' });
  metrics.mirror(control);
  const levels: [string, string | undefined][] = [];
  const logged: unknown[] = [];
  const log = { ...silentLogger, error: (_message: string, fields: unknown) => logged.push(fields), child: () => log };
  const server = createServer(
    {
      control,
      clock: createFakeClock(),
      metrics,
      log,
      token,
      logLevels: {
        levels: () => ({ default: 'info' }),
        setLevel: (level, component) => levels.push([level, component]),
      },
      decode: (resource) => ({ decoded: resource.name }),
      streamsOf: async (node) => (node === 'edge-1' ? [streamOf(node)] : []),
      version: '1.2.3',
      node: 'cp-1',
    },
    ['chancery.internal'],
    new AbortController().signal,
  );
  const ask: Fixture['ask'] = async (method, url, { headers, payload } = {}) => {
    const response = await server.inject({
      method,
      url,
      headers: { host: '127.0.0.1:18080', ...headers },
      ...(payload === undefined ? {} : { payload }),
    });
    return {
      statusCode: response.statusCode,
      body: response.body,
      headers: response.headers,
      json: () => response.json<Record<string, unknown>>(),
    };
  };
  return { server, control, levels, logged, ask };
}

describe('who may ask', () => {
  it('answers a path that cannot be decoded like any other: host first, then a problem document', async () => {
    const { ask } = fixture();
    const bad = await ask('GET', '/api/v1/proxies/%ff');
    expect(bad).toMatchObject({
      statusCode: 400,
      headers: { 'content-type': expect.stringMatching(/^application.problem.json/) },
    });
    expect(bad.json()).toMatchObject({ code: 'CH1704' });
    const foreign = await ask('GET', '/%', { headers: { host: 'evil.example' } });
    expect(foreign).toMatchObject({ statusCode: 403 });
    expect(foreign.json()).toMatchObject({ code: 'CH1702' });
  });

  it.each(['/healthz', '/readyz', '/metrics', '/sd/prometheus', '/api/v1/version', '/api/v1/openapi.json'])(
    '%s needs no token',
    async (path) => {
      expect((await fixture().ask('GET', path)).statusCode).toBe(200);
    },
  );

  it.each([
    ['GET', '/api/v1/status'],
    ['GET', '/api/v1/proxies'],
    ['GET', '/api/v1/proxies/edge-1'],
    ['GET', '/api/v1/proxies/edge-1/resources'],
    ['GET', '/api/v1/problems'],
    ['GET', '/api/v1/objects'],
    ['GET', '/api/v1/events'],
    ['GET', '/api/v1/log-level'],
    ['POST', '/api/v1/objects'],
    ['PUT', '/api/v1/objects'],
    ['PUT', '/api/v1/log-level'],
    ['DELETE', '/api/v1/objects/Route/shop'],
  ] as const)('%s %s does', async (method, path) => {
    const { ask, control } = fixture();
    for (const authorization of [undefined, 'Bearer wrong', 'Bearer', `Basic ${token}`, `Bearer ${token}x`]) {
      const answer = await ask(method, path, { headers: authorization === undefined ? {} : { authorization } });
      expect(answer.statusCode, authorization).toBe(401);
      expect(answer.json()).toMatchObject({ code: 'CH1701', status: 401 });
      expect(answer.headers['content-type']).toContain('application/problem+json');
      expect(answer.headers['www-authenticate']).toContain('Bearer');
      expect(answer.body).not.toContain(token);
    }
    expect(control.calls).toEqual([]);
  });

  it.each([
    [{ host: 'evil.example' }],
    [{ host: 'localhost.evil.example:18080' }],
    [{ host: '127.0.0.1:18080', origin: 'https://evil.example' }],
    [{ host: '127.0.0.1:18080', origin: 'null' }],
  ])('T12: %j is refused even with the token', async (headers) => {
    for (const path of ['/healthz', '/api/v1/status']) {
      const answer = await fixture().ask('GET', path, { headers: { ...bearer, ...headers } });
      expect([answer.statusCode, answer.json()['code']]).toEqual([403, 'CH1702']);
    }
  });

  it.each([
    [{ host: 'localhost' }],
    [{ host: '[::1]:18080' }],
    [{ host: 'Chancery.Internal:80' }],
    [{ origin: 'http://localhost:3000' }],
  ])('%j is fine', async (headers) => {
    expect((await fixture().ask('GET', '/api/v1/status', { headers: { ...bearer, ...headers } })).statusCode).toBe(200);
  });
});

describe('reads', () => {
  it('says what readiness waits for', async () => {
    expect((await fixture().ask('GET', '/readyz')).statusCode).toBe(200);
    const answer = await fixture({ status: { ready: false, waitingFor: ['consul'] } }).ask('GET', '/readyz');
    expect([answer.statusCode, answer.json()]).toEqual([503, { ready: false, waitingFor: ['consul'] }]);
  });

  it('counts by kind the proxies whose credential nobody renewed', async () => {
    const of = (kind: string) => status.proxies.map((proxy) => ({ ...proxy, credential: { kind, id: 'one' } }));
    const late = [...of('token'), ...of('certificate')].map((proxy) => ({ ...proxy, credentialEndsMs: 1 }));
    const proxies = [...late, ...late.slice(1), ...of('token')];
    const { body } = await fixture({ status: { proxies } }).ask('GET', '/metrics');
    expect(body).toContain('chancery_credentials_not_renewed{credential="token"} 1\n');
    expect(body).toContain('chancery_credentials_not_renewed{credential="certificate"} 2\n');
  });

  it('exposes metrics with the gauges of the status', async () => {
    const { body, headers } = await fixture().ask('GET', '/metrics');
    expect(headers['content-type']).toContain('text/plain');
    for (const line of [
      'chancery_proxies{state="synced"} 1',
      'chancery_proxies{state="offline"} 0',
      'chancery_registry_up{registry="consul"} 1',
      'chancery_registry_services 1',
      'chancery_registry_endpoints{health="critical"} 1',
      'chancery_snapshot_version 42',
      'chancery_ready 1',
      'chancery_load_requests_total{cluster="cart"} 1000',
      'chancery_load_failures_total{cluster="cart"} 40',
      'chancery_load_dropped_total{cluster="cart"} 1',
      'chancery_load_active_requests{cluster="cart"} 3',
      'chancery_build_info{version="1.2.3",node="cp-1"} 1',
    ])
      expect(body).toContain(`${line}\n`);
    expect(
      body.split('\n').filter((line) => line !== '' && !line.startsWith('#') && !line.startsWith('chancery_')),
    ).toEqual([]);
    expect(body).not.toContain('edge-1');
  });

  it('lists itself and every connected proxy for Prometheus', async () => {
    const offline = { ...status.proxies[0], node: 'gone', state: 'offline' as const };
    const everywhere = {
      ...status.proxies[0],
      node: 'web-1',
      role: 'sidecar' as const,
      service: 'web',
      stats: '0.0.0.0:9902',
      peer: '10.0.0.7:4711',
    };
    const { ask } = fixture({ status: { proxies: [...status.proxies, offline, everywhere] as never } });
    expect((await ask('GET', '/sd/prometheus')).json()).toEqual([
      {
        targets: ['127.0.0.1:18080'],
        labels: {
          __metrics_path__: '/metrics',
          job: 'chancery',
          service: 'chancery',
          proxy: 'cp-1',
          role: 'control-plane',
        },
      },
      {
        targets: ['127.0.0.1:9902'],
        labels: {
          __metrics_path__: '/stats/prometheus',
          job: 'envoy',
          service: 'edge',
          proxy: 'edge-1',
          role: 'gateway',
        },
      },
      {
        targets: ['10.0.0.7:9902'],
        labels: {
          __metrics_path__: '/stats/prometheus',
          job: 'envoy',
          service: 'web',
          proxy: 'web-1',
          role: 'sidecar',
        },
      },
    ]);
  });

  it('answers status, problems, one proxy, and 404 for another', async () => {
    const { ask } = fixture();
    expect((await ask('GET', '/api/v1/status', { headers: bearer })).json()).toEqual(status);
    expect((await ask('GET', '/api/v1/problems', { headers: bearer })).json()).toEqual([]);
    expect((await ask('GET', '/api/v1/proxies/edge-1', { headers: bearer })).json()['node']).toBe('edge-1');
    const missing = await ask('GET', '/api/v1/proxies/no', { headers: bearer });
    expect([missing.statusCode, missing.json()['code']]).toEqual([404, 'CH1703']);
  });

  it('answers how far a proxy is with each resource, and what load is reported', async () => {
    const { ask } = fixture();
    expect((await ask('GET', '/api/v1/proxies/edge-1/state', { headers: bearer })).json()).toEqual({
      node: 'edge-1',
      resources: [
        { type: 'CDS', name: 'cart', status: 'synced', version: 'cart-2', held: 'cart-2' },
        { type: 'CDS', name: 'api', status: 'error', version: 'api-2', held: 'api-1', reason: 'no good' },
        { type: 'RDS', name: 'gone', status: 'not-sent' },
      ],
    });
    expect((await ask('GET', '/api/v1/proxies/no/state', { headers: bearer })).statusCode).toBe(404);
    expect((await ask('GET', '/api/v1/load', { headers: bearer })).json()).toEqual(load);
    expect((await ask('GET', '/api/v1/load')).statusCode).toBe(401);
  });

  it("decodes a proxy's resources, with only the endpoints its clusters name", async () => {
    const answer = await fixture().ask('GET', '/api/v1/proxies/edge-1/resources', { headers: bearer });
    const { resources } = answer.json() as { resources: Record<string, { name: string; resource: unknown }[]> };
    expect(Object.entries(resources).map(([type, list]) => [type, list.map(({ name }) => name)])).toEqual([
      ['CDS', ['cart']],
      ['EDS', ['cart']],
    ]);
    expect(resources['CDS']?.[0]?.resource).toEqual({ decoded: 'cart' });
  });

  it.each([
    ['', 1],
    ['?kind=Route', 1],
    ['?kind=routes&name=shop', 1],
    ['?kind=Service', 0],
    ['?namespace=prod', 0],
  ])('objects%s', async (query, count) => {
    expect((await fixture().ask('GET', `/api/v1/objects${query}`, { headers: bearer })).json()).toHaveLength(count);
  });

  it('describes every line of itself', async () => {
    const { paths } = (await fixture().ask('GET', '/api/v1/openapi.json')).json() as { paths: Record<string, object> };
    expect(Object.keys(paths)).toContain('/api/v1/objects/{kind}/{name}');
    expect(Object.keys(paths['/api/v1/objects'] ?? {})).toEqual(['get', 'post', 'put']);
  });
});

describe('writes', () => {
  it('applies the body as it came, with its options', async () => {
    const { ask, control } = fixture();
    const answer = await ask('POST', '/api/v1/objects?atomic=true&dryRun=true&file=a.yaml', {
      headers: { ...bearer, 'content-type': 'application/yaml' },
      payload: 'kind: Route\n',
    });
    expect([answer.statusCode, answer.json()]).toEqual([
      200,
      { objects: [{ object: 'Route default/shop', result: 'created' }], problems: [] },
    ]);
    expect(control.calls).toEqual([{ apply: 'kind: Route\n', file: 'a.yaml', atomic: true, dryRun: true }]);
  });

  it('takes JSON too', async () => {
    const { ask, control } = fixture();
    await ask('PUT', '/api/v1/objects', {
      headers: { ...bearer, 'content-type': 'application/json' },
      payload: '{"kind":"Route"}',
    });
    expect(control.calls).toEqual([{ apply: '{"kind":"Route"}', file: 'request', atomic: false, dryRun: false }]);
  });

  it('answers 422 with the problems when objects are refused', async () => {
    const problem = createProblem('CH1005', shop.provenance, 'weight must be a number');
    const { ask } = fixture({
      result: { objects: [{ object: 'Route default/shop', result: 'refused' }], problems: [problem] },
    });
    const answer = await ask('POST', '/api/v1/objects', { headers: bearer, payload: 'x' });
    expect([answer.statusCode, answer.json()]).toMatchObject([
      422,
      { code: 'CH1615', problems: [{ code: 'CH1005' }], objects: [{ result: 'refused' }] },
    ]);
  });

  it('answers 200 for what was stored although something is still missing', async () => {
    const problem = createProblem('CH1005', shop.provenance, 'no such service yet');
    const result = { objects: [{ object: 'Route default/shop', result: 'created' as const }], problems: [problem] };
    const { ask } = fixture({ result });
    const answer = await ask('POST', '/api/v1/objects', { headers: bearer, payload: 'x' });
    expect([answer.statusCode, answer.json()]).toMatchObject([200, { problems: [{ code: 'CH1005' }] }]);
  });

  it('answers 422 for an object that could not even be read', async () => {
    const problem = createProblem('CH1006', { ...shop.provenance, object: '' }, 'no kind');
    const { ask } = fixture({ result: { objects: [], problems: [problem] } });
    expect((await ask('POST', '/api/v1/objects', { headers: bearer, payload: 'x' })).statusCode).toBe(422);
  });

  it('deletes by kind, namespace and name', async () => {
    const { ask, control } = fixture();
    expect((await ask('DELETE', '/api/v1/objects/route/shop', { headers: bearer })).statusCode).toBe(200);
    expect(control.calls).toEqual([{ remove: ['Route', 'default', 'shop'] }]);
    expect((await ask('DELETE', '/api/v1/objects/Route/no', { headers: bearer })).json()['code']).toBe('CH1616');
  });

  it('changes log levels', async () => {
    const { ask, levels } = fixture();
    expect(
      (await ask('PUT', '/api/v1/log-level', { headers: bearer, payload: '{"level":"debug","component":"xds"}' }))
        .statusCode,
    ).toBe(200);
    expect((await ask('PUT', '/api/v1/log-level', { headers: bearer, payload: '{"level":"loud"}' })).statusCode).toBe(
      400,
    );
    expect((await ask('PUT', '/api/v1/log-level', { headers: bearer, payload: 'no' })).statusCode).toBe(400);
    expect(levels).toEqual([['debug', 'xds']]);
  });
});

describe('errors', () => {
  it.each([
    ['GET', '/nothing', 404, 'CH1703'],
    ['PATCH', '/api/v1/objects', 405, 'CH1707'],
    ['POST', '/api/v1/status', 405, 'CH1707'],
    ['POST', '/api/v1/objects?atomic=true&atomic=true', 400, 'CH1704'],
    ['GET', '/api/v1/objects?kidn=Route', 400, 'CH1704'],
    ['GET', '/api/v1/objects?kind=rotues', 404, 'CH1725'],
    ['DELETE', '/api/v1/objects/rotue/shop', 404, 'CH1725'],
    ['POST', '/api/v1/objects?atomic=maybe', 400, 'CH1704'],
    ['POST', '/api/v1/objects', 400, 'CH1704'],
  ] as const)('%s %s is %d %s', async (method, path, code, name) => {
    const answer = await fixture().ask(method, path, { headers: bearer });
    expect([answer.statusCode, answer.json()['code']]).toEqual([code, name]);
    expect(answer.json()['hint']).not.toBe('');
  });

  it('runs no GET for a HEAD', async () => {
    const response = await fixture().server.inject({
      method: 'HEAD',
      url: '/api/v1/events',
      headers: { host: 'localhost', ...bearer },
    });
    expect(response.statusCode).toBe(405);
  });

  it('takes long node names', async () => {
    const answer = await fixture().ask('GET', `/api/v1/proxies/${'n'.repeat(300)}`, { headers: bearer });
    expect(answer.json()['detail']).toContain('has never connected');
  });

  it('limits the body', async () => {
    const answer = await fixture().ask('POST', '/api/v1/objects', {
      headers: bearer,
      payload: 'x'.repeat((4 << 20) + 1),
    });
    expect([answer.statusCode, answer.json()['code']]).toEqual([413, 'CH1705']);
  });

  it('refuses objects before the first sync', async () => {
    const { ask, control } = fixture({ synced: false, status: { waitingFor: ['consul'] } });
    const answer = await ask('POST', '/api/v1/objects', { headers: bearer, payload: 'x' });
    expect([answer.statusCode, answer.json()]).toMatchObject([503, { code: 'CH1706', detail: 'waiting for consul' }]);
    expect(control.calls).toEqual([]);
  });

  it('passes on the code of a failing store', async () => {
    const answer = await fixture({ failure: new AppError('CH1301', 'consul is away', { retryable: true }) }).ask(
      'POST',
      '/api/v1/objects',
      { headers: bearer, payload: 'x' },
    );
    expect([answer.statusCode, answer.json()]).toMatchObject([503, { code: 'CH1301', detail: 'consul is away' }]);
  });

  it('tells nothing of a bug but its fact, and logs it', async () => {
    const { ask, logged } = fixture({ failure: new Error('secret detail') });
    const answer = await ask('POST', '/api/v1/objects', { headers: bearer, payload: 'x' });
    expect([answer.statusCode, answer.json()['code']]).toEqual([500, 'CH1708']);
    expect(answer.body).not.toContain('secret detail');
    expect(logged).toHaveLength(1);
  });
});
