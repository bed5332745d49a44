// Roles, limits and the audit of the HTTP API, by injected requests: every line of the table against every role.
import { describe, expect, it } from 'vitest';
import { createPromMetrics } from '../../../src/admin/metrics.ts';
import { createRoutes } from '../../../src/admin/routes.ts';
import type { ServerOptions } from '../../../src/admin/server.ts';
import { createServer } from '../../../src/admin/server.ts';
import { createAccessTokens } from '../../../src/identity/access-token.ts';
import { decide, type Role, roles } from '../../../src/model/access.ts';
import { createFakeClock } from '../../support/fake-clock.ts';
import { createRecorder, createTestStore } from '../identity/rig.ts';
import { createFakeControl } from './fake-control.ts';

const first = 'correct-horse-0123456789';
const path = '/api/v1/access-tokens';

function rig(options: ServerOptions = {}) {
  const clock = createFakeClock();
  const log = createRecorder();
  const store = createTestStore();
  const accessTokens = createAccessTokens({ store, clock });
  const control = createFakeControl();
  const deps = {
    ...{ control, clock, log, accessTokens, token: first, version: '1.2.3', node: 'cp-1' },
    metrics: createPromMetrics({ version: '1.2.3', node: 'cp-1' }),
    logLevels: { levels: () => ({}), setLevel() {} },
    decode: () => ({}),
    streamsOf: async () => [],
  };
  const server = createServer(deps, [], new AbortController().signal, options);
  interface Given {
    readonly token?: string;
    readonly body?: object;
    readonly address?: string;
    readonly headers?: Record<string, string>;
  }
  async function ask(method: 'GET' | 'POST' | 'PUT' | 'DELETE', url: string, given: Given = {}) {
    const { token, body, address = '127.0.0.1', headers = {} } = given;
    const answer = await server.inject({
      ...{ method, url, remoteAddress: address },
      headers: {
        host: '127.0.0.1:18080',
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        ...headers,
      },
      ...(body === undefined ? {} : { payload: JSON.stringify(body) }),
    });
    return { status: answer.statusCode, text: answer.body, headers: answer.headers };
  }
  const make = async (role: Role, name: string = role): Promise<string> =>
    (await accessTokens.create({ name, role, createdBy: 'test' })).text;
  const audited = () => log.lines.filter(({ message }) => message === 'a change was asked for');
  return { clock, log, store, accessTokens, control, deps, ask, make, audited };
}

const lines = createRoutes(rig().deps);
const guess = `ca1.reader.${'A'.repeat(43)}`;

describe('T11: every line of the API', () => {
  it('says who may ask, and why where that is anybody', () => {
    expect(lines.length).toBeGreaterThan(25);
    for (const { path: where, access } of lines)
      if (typeof access === 'string') expect(['reading', 'editing', 'operating'], where).toContain(access);
      else expect(access.open.length, where).toBeGreaterThan(20);
  });

  it('that changes something is no GET, and needs more than to read', () => {
    for (const { method, path: where, access } of lines)
      if (method !== 'GET' && typeof access === 'string') expect(['editing', 'operating'], where).toContain(access);
    expect(lines.filter(({ method, access }) => method === 'GET' && access === 'editing')).toEqual([]);
  });

  it('is open in these cases only', () => {
    expect(
      lines.filter(({ access }) => typeof access !== 'string').map((line) => `${line.method} ${line.path}`),
    ).toEqual([
      'GET /healthz',
      'GET /readyz',
      'GET /metrics',
      'GET /sd/prometheus',
      'GET /api/v1/version',
      'GET /api/v1/trust/roots',
      'POST /api/v1/trust/join',
      'POST /api/v1/trust/renew',
    ]);
  });

  it('is a token for scrapers too where the API is reached over a network', () => {
    const reached = createRoutes({ ...rig().deps, openScraping: false });
    const open = reached.filter(({ access }) => typeof access !== 'string').map(({ path: where }) => where);
    expect(open).not.toContain('/metrics');
    expect(open).not.toContain('/sd/prometheus');
    expect(open).toContain('/readyz');
  });

  it('answers each role as the one decision says: 401 without, 403 below, and it says which role is needed', async () => {
    const { ask, make } = rig();
    const tokens = { reader: await make('reader'), editor: await make('editor'), operator: await make('operator') };
    for (const { method, path: where, access, handle } of lines) {
      if (typeof access !== 'string' || typeof handle !== 'function') continue;
      const url = where.replaceAll(/:\w+/g, 'x');
      const stranger = await ask(method, url);
      expect(stranger.status, where).toBe(401);
      expect(stranger.text).toContain('CH1701');
      for (const role of roles) {
        const { status, text } = await ask(method, url, { token: tokens[role], body: {} });
        const decision = decide({ kind: 'role', role, name: role }, { access, local: false });
        if (decision.allowed) expect([401, 403], `${role} ${method} ${where}`).not.toContain(status);
        else {
          expect(status, `${role} ${method} ${where}`).toBe(403);
          expect(JSON.parse(text)).toMatchObject({ code: 'CH1720', detail: decision.reason });
        }
      }
    }
  });

  it('never calls a GET a change: no GET reaches what control can change', async () => {
    const { ask, control } = rig();
    for (const { method, path: where, handle } of lines)
      if (method === 'GET' && typeof handle === 'function')
        await ask('GET', where.replaceAll(/:\w+/g, 'x'), { token: first });
    expect(control.calls).toEqual([]);
  });
});

describe('tokens of the API', () => {
  it('are made, listed and revoked, and hold no more at once', async () => {
    const { ask } = rig();
    const made = await ask('POST', path, { token: first, body: { name: 'grafana', role: 'reader', ttlSeconds: 3600 } });
    expect(made.status).toBe(201);
    const { token } = JSON.parse(made.text) as { token: string };
    expect((await ask('GET', '/api/v1/status', { token })).status).toBe(200);
    const listed = await ask('GET', path, { token: first });
    expect(JSON.parse(listed.text)).toMatchObject([{ name: 'grafana', role: 'reader', createdBy: '(token file)' }]);
    expect((await ask('POST', path, { token: first, body: { name: 'grafana', role: 'reader' } })).status).toBe(409);
    expect((await ask('DELETE', `${path}/grafana`, { token: first })).status).toBe(200);
    expect((await ask('GET', '/api/v1/status', { token })).status).toBe(401);
    expect((await ask('DELETE', `${path}/grafana`, { token: first })).status).toBe(404);
  });

  it('are refused where two are shown', async () => {
    const { ask, make } = rig();
    const token = await make('reader');
    const { status } = await ask('GET', '/api/v1/status', {
      headers: { authorization: `Bearer ${token}, Bearer ${token}` },
    });
    expect(status).toBe(401);
  });

  it("are nobody's where the store cannot be asked, but for the first", async () => {
    const { ask, make, store } = rig();
    const token = await make('operator');
    store.broken = true;
    const { status, text } = await ask('GET', '/api/v1/status', { token });
    expect([status, text]).toEqual([503, expect.stringContaining('CH1706')]);
    expect((await ask('GET', '/api/v1/status', { token: first })).status).toBe(200);
  });
});

describe('T9: limits', () => {
  it('slow down who guesses, and keep out nobody who has a token that holds', async () => {
    const { ask, make, store, clock } = rig();
    const token = await make('reader');
    const asked: string[] = [];
    const { list, get } = store;
    Object.assign(store, {
      list: (prefix: string) => {
        asked.push('list');
        return list(prefix);
      },
      get: (key: string) => {
        asked.push('get');
        return get(key);
      },
    });
    const answers: number[] = [];
    for (let n = 0; n < 100; n++) answers.push((await ask('GET', '/api/v1/status', { token: guess })).status);
    expect(answers.filter((status) => status === 401)).toHaveLength(30);
    const slowed = await ask('GET', '/api/v1/status', { token: 'wrong' });
    expect([slowed.status, slowed.headers['retry-after']]).toEqual([429, '1']);
    expect(slowed.text).toContain('CH1721');
    // What strangers guess is asked of the store no more.
    expect(asked).toEqual([...Array(30).fill('get'), 'list']);
    expect((await ask('GET', '/api/v1/status', { token })).status).toBe(200);
    expect((await ask('GET', '/api/v1/status', { token: first })).status).toBe(200);
    expect((await ask('GET', '/api/v1/status', { token: guess, address: '10.0.0.9' })).status).toBe(401);
    clock.advance(60_000);
    expect((await ask('GET', '/api/v1/status', { token: guess })).status).toBe(401);
  });

  it('are by token for those who have one, and by address for the rest; probes are not counted', async () => {
    const rates = { token: { burst: 5, perSecond: 1 }, address: { burst: 3, perSecond: 0.5 } };
    const { ask, make, clock } = rig({ rates });
    const token = await make('reader');
    const statuses = async (count: number, url: string, given: object): Promise<number[]> => {
      const found: number[] = [];
      for (let n = 0; n < count; n++) found.push((await ask('GET', url, given)).status);
      return found;
    };
    expect(await statuses(4, '/api/v1/version', {})).toEqual([200, 200, 200, 429]);
    expect((await ask('GET', '/api/v1/version')).headers['retry-after']).toBe('2');
    expect(await statuses(6, '/api/v1/status', { token })).toEqual([200, 200, 200, 200, 200, 429]);
    expect(await statuses(1, '/api/v1/status', { token: first })).toEqual([200]);
    expect(await statuses(9, '/healthz', {})).toEqual(Array(9).fill(200));
    expect(await statuses(1, '/api/v1/version', { address: '10.0.0.9' })).toEqual([200]);
    clock.advance(2_000);
    expect(await statuses(1, '/api/v1/version', {})).toEqual([200]);
  });
});

describe('the audit log', () => {
  it('T21: names who, what and from where, and no secret', async () => {
    const { ask, make, audited, log } = rig();
    const token = await make('editor', 'ci');
    const made = await ask('POST', path, { token: first, body: { name: 'grafana', role: 'reader' } });
    await ask('PUT', '/api/v1/objects', { token, body: {}, address: '10.0.0.7' });
    await ask('DELETE', `${path}/grafana`, { token });
    await ask('DELETE', `${path}/grafana`, { token: first });
    expect(audited().map(({ fields }) => fields)).toEqual([
      {
        ...{ who: '(token file)', role: 'operator', method: 'POST', path, status: 201, address: '127.0.0.1' },
        ...{ accessToken: 'grafana', tokenRole: 'reader', expiresAtMs: expect.any(Number) },
      },
      expect.objectContaining({ who: 'ci', role: 'editor', method: 'PUT', address: '10.0.0.7', status: 200 }),
      expect.objectContaining({ who: 'ci', role: 'editor', status: 403, path: `${path}/:name` }),
      expect.objectContaining({ who: '(token file)', status: 200, accessToken: 'grafana' }),
    ]);
    const [, , secret = '-'] = (JSON.parse(made.text) as { token: string }).token.split('.');
    for (const canary of [first, token, secret]) expect(log.text()).not.toContain(canary);
  });

  it('cannot be flooded by those who are refused', async () => {
    const { ask, audited } = rig();
    for (let n = 0; n < 200; n++) await ask('DELETE', `${path}/x`, { address: `10.0.${n}.1` });
    expect(audited()).toHaveLength(100);
  });
});

describe('T12: a page in a browser', () => {
  const foreign = { origin: 'https://evil.example', 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'no-cors' };
  it.each(lines.map(({ method, path: where }) => [method, where] as const))(
    'is refused at %s %s, whatever it shows, and is told nothing',
    async (method, where) => {
      const { ask, control } = rig();
      const url = where.replaceAll(/:\w+/g, 'x');
      for (const headers of [
        foreign,
        { origin: 'null' },
        { host: 'rebound.example:18080' },
        { host: 'localhost.evil.example' },
      ]) {
        const answer = await ask(method, url, { token: first, headers });
        expect(answer.status).toBe(403);
        expect(answer.text).toContain('CH1702');
        expect(answer.headers['access-control-allow-origin']).toBeUndefined();
      }
      expect(control.calls).toEqual([]);
    },
  );
});
