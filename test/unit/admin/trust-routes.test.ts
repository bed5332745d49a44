// Trust over the API by injected requests: who may ask, what is told once, and what is told never.
import { describe, expect, it } from 'vitest';
import { createPromMetrics } from '../../../src/admin/metrics.ts';
import { createServer } from '../../../src/admin/server.ts';
import type { TrustParts } from '../../../src/admin/trust-routes.ts';
import { createForeignRotation } from '../../../src/cli/root-rotation.ts';
import { AppError } from '../../../src/util/errors.ts';
import { silentLogger } from '../../../src/util/log.ts';
import { createFakeClock } from '../../support/fake-clock.ts';
import { createFakeControl } from './fake-control.ts';

const canary = 'cj1.canary-0123456789';
const bearer = { authorization: 'Bearer correct-horse' };
const base = '/api/v1/trust';

const rootsOfTwo = () => ({
  generation: 2,
  roots: [
    { certificate: Buffer.from('one'), keyId: 'k1', notAfterMs: 10 },
    { certificate: Buffer.from('two'), keyId: 'k2', notAfterMs: 20 },
  ],
});

interface Setup {
  readonly configured?: boolean;
  readonly rotating?: boolean;
  readonly rotation?: TrustParts['rotation'];
}

function fixture({ configured = true, rotating = false, rotation }: Setup = {}) {
  const calls: unknown[] = [];
  const logged: unknown[] = [];
  const clock = createFakeClock(1_000_000);
  const audited: unknown[] = [];
  const log = {
    ...silentLogger,
    info: (...what: unknown[]) => void audited.push(what),
    error: (...what: unknown[]) => void logged.push(what),
    child: () => log,
  };
  const grant = { id: 'a1', services: ['web'], gateways: [], expiresAtMs: 2_000_000 };
  const trust = {
    joinTokens: {
      create: async (request: { readonly services: readonly string[] }) => {
        calls.push(['create', request]);
        if (request.services.length === 0) throw new AppError('CH1833', 'no names');
        return { text: canary, id: 'a1', expiresAtMs: 2_000_000 };
      },
      list: async () => [grant],
      revoke: async (id: string) => id === 'a1',
    },
    families: { of: async (_kind: string, id: string) => (id === 'j1' ? 'f1' : id) },
    revocations: {
      revoke: async (...revoked: unknown[]) => {
        calls.push(['revoke', ...revoked]);
        if (revoked[1] === 'No') throw new AppError('CH1834', 'no id');
      },
      list: () => [{ kind: 'token', id: 'j1', untilMs: 5 }],
    },
    ...{ authority: { roots: rootsOfTwo }, mesh: { roots: rootsOfTwo } },
    rotation: rotation ?? {
      begin: async () => {
        calls.push('begin');
        return !rotating;
      },
      force: async () => {
        calls.push('force');
        return true;
      },
      condemn: async () => {
        calls.push('condemn');
        return !rotating;
      },
      state: () => ({
        record: { phase: 'drain', epoch: 4, sinceMs: 7, old: 'k2', next: 'k1', slot: 2 },
        advance: { kind: 'wait', for: 'time', untilMs: 9 },
      }),
    },
    doors: {
      join: async (...asked: unknown[]) => {
        calls.push(['join', ...asked]);
        return { status: 200, contentType: 'application/json', body: '{"joined":true}' };
      },
      renew: async (...asked: unknown[]) => {
        calls.push(['renew', ...asked]);
        return { status: 401, contentType: 'application/problem+json', body: '{"code":"CH1855"}' };
      },
      roots: () => ({ status: 200, contentType: 'application/json', body: '{"roots":"PEM"}' }),
    },
    certificates: () => [
      { node: 'web-1', spiffeId: 'spiffe://mesh/svc/web', serial: '01', notAfterMs: 9, renewAtMs: 5, root: 'k1' },
    ],
  } as unknown as TrustParts;
  const control = createFakeControl();
  const server = createServer(
    {
      ...{ control, clock, log, token: 'correct-horse', version: '1', node: 'cp' },
      metrics: createPromMetrics({ version: '1', node: 'cp' }),
      logLevels: { levels: () => ({}), setLevel: () => {} },
      decode: () => ({}),
      streamsOf: async () => [],
      ...(configured ? { trust } : {}),
    },
    [],
    new AbortController().signal,
  );
  const ask = async (
    method: 'GET' | 'POST' | 'DELETE',
    path: string,
    { payload, headers = bearer }: { payload?: object | string; headers?: Record<string, string | string[]> } = {},
  ) => {
    const body = typeof payload === 'object' ? JSON.stringify(payload) : payload;
    const response = await server.inject({
      ...{ method, url: `${base}${path}` },
      headers: { host: '127.0.0.1:18080', ...headers },
      ...(body === undefined ? {} : { payload: body }),
    });
    return {
      status: response.statusCode,
      body: response.body,
      json: response.json<Record<string, unknown>>(),
      headers: response.headers,
    };
  };
  return { ask, calls, logged, audited };
}

const lines = [
  ['POST', '/join-tokens'],
  ['GET', '/join-tokens'],
  ['DELETE', '/join-tokens/a1'],
  ['GET', '/certificates'],
  ['GET', '/rotation'],
  ['POST', '/rotation'],
  ['GET', '/revocations'],
  ['POST', '/revocations'],
] as const;

describe('trust over the API', () => {
  it.each(lines)('T11: %s %s needs the token', async (method, path) => {
    const { ask, calls } = fixture();
    const answer = await ask(method, path, { headers: {} });
    expect([answer.status, answer.json['code'], calls]).toEqual([401, 'CH1701', []]);
  });

  it.each([...lines, ['GET', '/roots'] as const, ['POST', '/join'] as const, ['POST', '/renew'] as const])(
    '%s %s says where no authority is configured',
    async (method, path) => {
      const payload = path === '/revocations' ? { kind: 'token', id: 'a' } : {};
      const answer = await fixture({ configured: false }).ask(method, path, method === 'POST' ? { payload } : {});
      expect([answer.status, answer.json['code']]).toEqual([409, 'CH1856']);
    },
  );

  it('tells a join token once, pinned to the root that signs', async () => {
    const { ask, calls } = fixture();
    const made = await ask('POST', '/join-tokens', { payload: { services: ['web'], node: 'web-1', ttlSeconds: 60 } });
    expect([made.status, made.json]).toEqual([201, { token: canary, id: 'a1', expiresAtMs: 2_000_000 }]);
    expect(made.headers['cache-control']).toBe('no-store');
    expect(calls).toEqual([['create', { services: ['web'], gateways: [], nodeId: 'web-1', ttlMs: 60_000, pin: 'k1' }]]);
    const listed = await ask('GET', '/join-tokens');
    expect(listed.json).toMatchObject([{ id: 'a1', services: ['web'] }]);
    expect(listed.body).not.toContain('canary');
  });

  it.each([
    ['POST', '/join-tokens', 'no JSON', 400, 'CH1704'],
    ['POST', '/join-tokens', { service: 'web' }, 400, 'CH1704'],
    ['POST', '/join-tokens', { services: ['web'], ttlSeconds: 0 }, 400, 'CH1704'],
    ['POST', '/join-tokens', {}, 400, 'CH1833'],
    ['DELETE', '/join-tokens/b2', undefined, 404, 'CH1703'],
    ['POST', '/revocations', { kind: 'password', id: 'x' }, 400, 'CH1704'],
    ['POST', '/revocations', { kind: 'token', id: 'No' }, 400, 'CH1834'],
  ] as const)('%s %s of %j is %d %s', async (method, path, payload, status, code) => {
    const { ask, logged } = fixture();
    const answer = await ask(method, path, payload === undefined ? {} : { payload });
    expect([answer.status, answer.json['code']]).toEqual([status, code]);
    expect(logged).toEqual([]);
  });

  it('says where ids of join tokens are listed', async () => {
    const { ask } = fixture();
    const { json } = await ask('DELETE', '/join-tokens/b2');
    expect(json['hint']).toContain('`chancery token list`');
  });

  it('T21: leaves a line for every change that was asked for, done or not, and no secret in it', async () => {
    const { ask, audited } = fixture();
    await ask('POST', '/join-tokens', { payload: { services: ['web'] } });
    await ask('DELETE', `/join-tokens/${canary}`);
    await ask('POST', '/revocations', { headers: {}, payload: { kind: 'token', id: 'j1' } });
    await ask('GET', '/join-tokens');
    const operator = { who: '(token file)', role: 'operator' };
    const line = (method: string, path: string, more: object) => [
      'a change was asked for',
      { method, path: `${base}${path}`, address: '127.0.0.1', ...more },
    ];
    expect(audited).toEqual([
      line('POST', '/join-tokens', { ...operator, status: 201, joinToken: 'a1', services: ['web'], gateways: [] }),
      line('DELETE', '/join-tokens/:id', { ...operator, status: 404 }),
      line('POST', '/revocations', { who: 'nobody', status: 401 }),
    ]);
    expect(JSON.stringify(audited)).not.toContain('canary');
  });

  it('revokes join tokens and credentials', async () => {
    const { ask, calls } = fixture();
    expect((await ask('DELETE', '/join-tokens/a1')).json).toEqual({ id: 'a1', result: 'revoked' });
    const revoked = await ask('POST', '/revocations', { payload: { kind: 'token', id: 'j1', days: 1 } });
    expect(revoked.status).toBe(201);
    expect(calls).toEqual([
      ['revoke', 'token', 'j1', 1_000_000 + 86_400_000],
      ['revoke', 'family', 'f1', 1_000_000 + 86_400_000],
    ]);
    await ask('POST', '/revocations', { payload: { kind: 'token', id: 'j1', days: 1, only: true } });
    expect(calls.slice(2)).toEqual([['revoke', 'token', 'j1', 1_000_000 + 86_400_000]]);
    expect((await ask('GET', '/revocations')).json).toEqual([{ kind: 'token', id: 'j1', untilMs: 5 }]);
  });

  it('shows roots and certificates, and no bytes of them', async () => {
    expect((await fixture().ask('GET', '/certificates')).json).toEqual({
      generation: 2,
      roots: [
        { keyId: 'k1', notAfterMs: 10, signs: true },
        { keyId: 'k2', notAfterMs: 20, signs: false },
      ],
      rotation: { phase: 'drain', sinceMs: 7, waitsFor: 'time', untilMs: 9, former: 0 },
      certificates: [
        { node: 'web-1', spiffeId: 'spiffe://mesh/svc/web', serial: '01', notAfterMs: 9, renewAtMs: 5, root: 'k1' },
      ],
    });
  });

  it('begins a rotation, forces one, and says where one goes on already', async () => {
    const first = fixture();
    const begun = await first.ask('POST', '/rotation', { payload: {} });
    expect([begun.status, begun.json, first.calls]).toEqual([202, { begun: true }, ['begin']]);
    const busy = fixture({ rotating: true });
    const refused = await busy.ask('POST', '/rotation', { payload: {} });
    expect([refused.status, refused.json['code']]).toEqual([409, 'CH1814']);
    const forced = await busy.ask('POST', '/rotation', { payload: { force: true } });
    expect([forced.status, forced.json, busy.calls]).toEqual([202, { forced: true }, ['begin', 'begin', 'force']]);
    const condemned = await fixture().ask('POST', '/rotation', { payload: { compromised: true } });
    expect([condemned.status, condemned.json]).toEqual([202, { condemned: true }]);
    expect((await busy.ask('POST', '/rotation', { payload: { compromised: true } })).status).toBe(409);
    expect((await busy.ask('POST', '/rotation', { payload: { force: 'yes' } })).status).toBe(400);
    expect((await busy.ask('GET', '/rotation')).json).toMatchObject({ phase: 'drain', waitsFor: 'time', untilMs: 9 });
  });

  it('shows the journal as it is now, and says where it cannot be read', async () => {
    const seen = { phase: 'steady', epoch: 1, sinceMs: 7, root: 'k1', slot: 1 } as const;
    const begun = { phase: 'prepare', epoch: 2, sinceMs: 8, old: 'k1', slot: 2, forced: false } as const;
    const never = async () => false;
    const rotation = (look: () => Promise<typeof begun>): TrustParts['rotation'] => ({
      ...{ begin: never, force: never, condemn: never, look },
      state: () => ({ record: seen, advance: { kind: 'wait', for: 'nothing' } }),
    });
    const now = fixture({ rotation: rotation(async () => begun) });
    expect((await now.ask('GET', '/rotation')).json).toEqual({ phase: 'prepare', sinceMs: 8, former: 0 });
    expect((await now.ask('GET', '/certificates')).json).toMatchObject({ rotation: { phase: 'prepare' } });
    const away = fixture({ rotation: rotation(() => Promise.reject(new Error('the store is away'))) });
    expect((await away.ask('GET', '/rotation')).json).toEqual({
      ...{ phase: 'steady', sinceMs: 7, waitsFor: 'nothing', former: 0, unread: 'the store is away' },
    });
  });

  it('says who rotates a root that is not kept here, and begins nothing', async () => {
    const { ask } = fixture({ rotation: createForeignRotation('its keeper puts new files there') });
    for (const payload of [{}, { force: true }]) {
      const refused = await ask('POST', '/rotation', { payload });
      expect([refused.status, refused.json['code']]).toEqual([409, 'CH1884']);
      expect(refused.json['detail']).toContain('its keeper puts new files there');
    }
    const state = (await ask('GET', '/rotation')).json;
    expect(state).toEqual({ phase: 'elsewhere', how: 'its keeper puts new files there', former: 0 });
  });

  it('hands to the doors what nodes send, without our token', async () => {
    const { ask, calls } = fixture();
    const headers = {};
    expect(await ask('GET', '/roots', { headers })).toMatchObject({ status: 200, json: { roots: 'PEM' } });
    expect(await ask('POST', '/join', { headers, payload: '{"token":"t"}' })).toMatchObject({
      status: 200,
      json: { joined: true },
    });
    const renewed = await ask('POST', '/renew', { headers: { authorization: 'Bearer a.b.c' }, payload: '' });
    expect(renewed).toMatchObject({ status: 401, json: { code: 'CH1855' } });
    const credentials = { tls: true, authorization: ['Bearer a.b.c'], consulToken: [], address: '127.0.0.1' };
    expect(calls).toEqual([
      ['join', '{"token":"t"}', '127.0.0.1'],
      ['renew', '', credentials],
    ]);
  });
});
