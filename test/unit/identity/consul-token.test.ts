// Tokens of Consul, over a Consul that answers as told: what is asked, how long an answer holds, and what ends streams.
// test/conformance/identity-consul.test.ts asks a real one.
import { beforeEach, describe, expect, it } from 'vitest';
import type { ConsulReply, ConsulRequest } from '../../../src/identity/consul-ask.ts';
import { allowedNames, tokenNames } from '../../../src/identity/consul-names.ts';
import { type ConsulTokenOptions, type ConsulTokens, createConsulTokens } from '../../../src/identity/consul-token.ts';
import type { Caller } from '../../../src/model/principal.ts';
import { createFakeClock, type FakeClock } from '../../support/fake-clock.ts';
import { createRecorder, credentials, outcome, principal, type Recorder, trustDomain, webId } from './rig.ts';

const accessor = '11111111-2222-3333-4444-555555555555';
const secret = 'c4n4ry00-0000-0000-0000-000000000001';

let clock: FakeClock;
let log: Recorder;
let asked: ConsulRequest[];
let self: (token: string) => ConsulReply | Promise<ConsulReply>;
let allowed: (name: string) => boolean;
let known: readonly string[];
let away: boolean;
beforeEach(() => {
  clock = createFakeClock();
  log = createRecorder();
  asked = [];
  away = false;
  self = () => reply(200, { AccessorID: accessor, ServiceIdentities: [{ ServiceName: 'web' }] });
  known = ['web', 'api', 'db'];
  allowed = () => true;
});

const reply = (status: number, body: unknown): ConsulReply => ({ status, text: JSON.stringify(body) });
async function ask(request: ConsulRequest): Promise<ConsulReply> {
  asked.push(request);
  await new Promise<void>((resolve) => setImmediate(resolve));
  if (away) throw new Error('no connection');
  if (request.method === 'GET') return await self(request.token);
  const body = request.body as readonly { readonly Segment: string }[];
  return reply(
    200,
    body.map((check) => ({ ...check, Allow: allowed(check.Segment) })),
  );
}
const tokens = (options: Partial<ConsulTokenOptions> = {}): ConsulTokens =>
  createConsulTokens({ ask, known: () => known, clock, log }, { trustDomain, ...options });
const shown = async (own: ConsulTokens, token = secret): Promise<Caller | undefined> =>
  await own.verify(credentials({ consulToken: [token] }));

async function running(own: ConsulTokens, use: () => Promise<void>): Promise<void> {
  const stop = new AbortController();
  const run = own.run(stop.signal);
  await use();
  stop.abort();
  await run;
}

describe('a token of Consul', () => {
  it('T9: is remembered once it was let in, until it holds no more', async () => {
    const own = tokens();
    const remembered = (token: string) => own.remembers?.(credentials({ consulToken: [token] }));
    expect(remembered(secret)).toBe(false);
    await shown(own);
    expect([remembered(secret), remembered(`${secret}0`), own.remembers?.(credentials())]).toEqual([
      true,
      false,
      false,
    ]);
    self = () => reply(403, {});
    clock.advance(60_000);
    expect(outcome(await shown(own))).toBe('unknown-key');
    expect(remembered(secret)).toBe(false);
  });

  it('is who Consul says, for an hour at most', async () => {
    expect(await shown(tokens())).toEqual({
      id: webId,
      services: ['web'],
      gateways: [],
      notAfterMs: clock.wall() + 3_600_000,
      credential: { kind: 'consul', id: accessor },
    });
    expect(asked).toEqual([
      { method: 'GET', path: '/v1/acl/token/self', token: secret },
      {
        method: 'POST',
        path: '/v1/internal/acl/authorize',
        token: secret,
        body: [{ Resource: 'service', Segment: 'web', Access: 'write' }],
      },
    ]);
  });

  it('ends with its own time', async () => {
    const ends = clock.wall() + 5000;
    self = () =>
      reply(200, { AccessorID: accessor, ServiceIdentities: [{ ServiceName: 'web' }], ExpirationTime: new Date(ends) });
    const own = tokens();
    expect(principal(await shown(own)).notAfterMs).toBe(ends);
    clock.advance(5000);
    expect(outcome(await shown(own))).toBe('expired');
  });

  it.each<[string, string, () => ConsulReply]>([
    ['unknown', 'unknown-key', () => ({ status: 403, text: 'token does not exist: ACL not found' })],
    ['gone', 'unknown-key', () => ({ status: 404, text: '' })],
    [
      'anonymous',
      'not-entitled',
      () =>
        reply(200, { AccessorID: '00000000-0000-0000-0000-000000000002', ServiceIdentities: [{ ServiceName: 'web' }] }),
    ],
    ['of no service', 'not-entitled', () => reply(200, { AccessorID: accessor })],
    [
      'of a name without an id',
      'not-entitled',
      () => reply(200, { AccessorID: accessor, ServiceIdentities: [{ ServiceName: 'a|b' }] }),
    ],
    ['without ACLs there', 'unavailable', () => ({ status: 401, text: 'ACL support disabled' })],
    ['when Consul is overloaded', 'unavailable', () => ({ status: 429, text: '' })],
    ['when Consul has no leader', 'unavailable', () => ({ status: 500, text: 'No cluster leader' })],
    ['answered with garbage', 'unavailable', () => ({ status: 200, text: '<html>' })],
    ['answered without an accessor', 'unavailable', () => reply(200, { ServiceIdentities: [{ ServiceName: 'web' }] })],
    [
      'answered with an end that is none',
      'unavailable',
      () => reply(200, { AccessorID: accessor, ExpirationTime: 'soon' }),
    ],
    ['answered with a redirect', 'unavailable', () => ({ status: 301, text: '' })],
  ])('%s: %s', async (_, expected, answer) => {
    self = answer;
    expect(outcome(await shown(tokens()))).toBe(expected);
  });

  it('may write what Consul allows, name by name', async () => {
    const names = ['web', 'api', 'db'].map((ServiceName) => ({ ServiceName }));
    self = () => reply(200, { AccessorID: accessor, ServiceIdentities: names });
    allowed = (name) => name !== 'db';
    expect(principal(await shown(tokens())).services).toEqual(['api', 'web']);
    allowed = () => false;
    expect(outcome(await shown(tokens()))).toBe('not-entitled');
  });

  it.each<[string, unknown]>([
    ['a refusal for each', [{ Resource: 'service', Segment: 'web', Access: 'read', Allow: true }]],
    ['another name', [{ Resource: 'service', Segment: 'api', Access: 'write', Allow: true }]],
    ['another resource', [{ Resource: 'key', Segment: 'web', Access: 'write', Allow: true }]],
    ['no yes', [{ Resource: 'service', Segment: 'web', Access: 'write', Allow: 'true' }]],
    ['null', [null]],
  ])('is nobody where the answer is about %s', async (_, answers) => {
    const own = createConsulTokens(
      {
        clock,
        log,
        known: () => known,
        ask: async (request) => (request.method === 'GET' ? await self('') : reply(200, answers)),
      },
      { trustDomain },
    );
    expect(outcome(await shown(own))).toBe('not-entitled');
  });

  it('is not asked about where it cannot be one', async () => {
    const own = tokens();
    for (const consulToken of [[''], ['a b'], ['a\u0000'], ['é'], ['x'.repeat(257)]])
      expect(outcome(await own.verify(credentials({ consulToken }))), consulToken.join()).toBe('malformed');
    expect(outcome(await own.verify(credentials({ consulToken: [secret, secret] })))).toBe('ambiguous');
    expect(own.verify(credentials({ consulToken: [secret], tls: false }))).toBeUndefined();
    expect(own.verify(credentials())).toBeUndefined();
    expect(asked).toEqual([]);
  });

  it('T21: is in no line of the log, nor are Consul’s words about it', async () => {
    const own = tokens();
    away = true;
    expect(outcome(await shown(own))).toBe('unavailable');
    away = false;
    self = (token) => ({ status: 403, text: `token ${token} does not exist` });
    await shown(own);
    expect(log.lines).toHaveLength(1);
    expect(log.text()).not.toContain('c4n4ry');
  });
});

describe('an answer of Consul', () => {
  it('holds for a minute, and is asked for once by many', async () => {
    const own = tokens();
    await Promise.all(Array.from({ length: 20 }, () => shown(own)));
    expect(asked).toHaveLength(2);
    clock.advance(59_999);
    expect(outcome(await shown(own))).toBe('accepted');
    expect(asked).toHaveLength(2);
    clock.advance(1);
    await shown(own);
    expect(asked).toHaveLength(4);
  });

  it('never holds for longer than a minute, whatever is configured', async () => {
    const own = tokens({ cacheMs: 3_600_000 });
    await shown(own);
    clock.advance(60_000);
    self = () => ({ status: 403, text: '' });
    expect(outcome(await shown(own))).toBe('unknown-key');
  });

  it('that is a refusal is not kept', async () => {
    const own = tokens();
    const good = self;
    self = () => ({ status: 403, text: '' });
    expect(outcome(await shown(own))).toBe('unknown-key');
    self = good;
    expect(outcome(await shown(own))).toBe('accepted');
  });

  it('T15: that changes closes streams within a minute', async () => {
    const own = tokens();
    const told: string[][] = [];
    own.onRevoked((ids) => told.push([...ids]));
    await running(own, async () => {
      await clock.advanceAsync(20_000);
      await shown(own);
      await clock.advanceAsync(40_000);
      expect(told).toEqual([]);
      self = () => ({ status: 403, text: '' });
      await clock.advanceAsync(59_000);
      expect(told).toEqual([[accessor]]);
      await clock.advanceAsync(120_000);
      expect(told).toHaveLength(1);
    });
    const count = asked.length;
    expect(outcome(await shown(own))).toBe('unknown-key');
    expect(asked).toHaveLength(count + 1);
  });

  it('T15: with fewer services closes streams too', async () => {
    const own = tokens();
    const told: string[][] = [];
    own.onRevoked((ids) => told.push([...ids]));
    await running(own, async () => {
      await shown(own);
      self = () => reply(200, { AccessorID: accessor, ServiceIdentities: [{ ServiceName: 'api' }] });
      allowed = (name) => name === 'api';
      await clock.advanceAsync(60_000);
      expect(told).toEqual([[accessor]]);
      expect(principal(await shown(own)).services).toEqual(['api']);
    });
  });

  it('T15: with fewer services closes the streams of the one before, when a new stream learns of it', async () => {
    const names = [{ ServiceName: 'web' }, { ServiceName: 'api' }];
    self = () => reply(200, { AccessorID: accessor, ServiceIdentities: names });
    const own = tokens();
    const told: string[][] = [];
    own.onRevoked((ids) => told.push([...ids]));
    await shown(own);
    clock.advance(60_000);
    await shown(own);
    expect(told).toEqual([]);
    allowed = (name) => name === 'web';
    clock.advance(60_000);
    expect(principal(await shown(own)).services).toEqual(['web']);
    expect(told).toEqual([[accessor]]);
  });

  it('that does not come puts nobody out, and lets nobody new in', async () => {
    const own = tokens();
    const told: unknown[] = [];
    own.onRevoked((ids) => told.push(ids));
    await running(own, async () => {
      await shown(own);
      away = true;
      await clock.advanceAsync(120_000);
      expect(told).toEqual([]);
      expect(outcome(await shown(own))).toBe('unavailable');
      away = false;
      expect(outcome(await shown(own))).toBe('accepted');
    });
  });

  it('is asked for no more once no stream of the token can be open', async () => {
    const own = tokens({ lifeMs: 100_000 });
    await running(own, async () => {
      await shown(own);
      await clock.advanceAsync(130_000);
      const before = asked.length;
      await clock.advanceAsync(600_000);
      expect(asked).toHaveLength(before);
    });
  });

  it('is kept for no more tokens than may be: the oldest is closed', async () => {
    self = (token) =>
      reply(200, { AccessorID: accessor.replace(/.$/, token), ServiceIdentities: [{ ServiceName: 'web' }] });
    const own = tokens({ tokens: 2 });
    const told: string[][] = [];
    own.onRevoked((ids) => told.push([...ids]));
    for (const token of ['a', 'b', 'a', 'c']) await shown(own, token);
    expect(told).toEqual([[accessor.replace(/.$/, 'a')]]);
  });
});

describe('a token with policies or roles', () => {
  const policies = (): ConsulReply => reply(200, { AccessorID: accessor, Policies: [{ ID: 'x', Name: 'back' }] });

  it('is asked about with every known service, 64 at a time', async () => {
    self = policies;
    known = Array.from({ length: 130 }, (_, n) => `s${n}`);
    allowed = (name) => name === 's7' || name === 's129';
    expect(principal(await shown(tokens())).services).toEqual(['s129', 's7']);
    const sizes = asked.filter(({ method }) => method === 'POST').map(({ body }) => (body as unknown[]).length);
    expect(sizes).toEqual([64, 64, 2]);
  });

  it('is no node if it may write more than 64, and Consul is not asked further', async () => {
    self = policies;
    known = Array.from({ length: 1000 }, (_, n) => `s${n}`);
    expect(outcome(await shown(tokens()))).toBe('not-entitled');
    expect(asked).toHaveLength(3);
  });

  it('is asked again only about what it was granted, while a stream is open', async () => {
    self = policies;
    known = Array.from({ length: 1000 }, (_, n) => `s${n}`);
    allowed = (name) => name === 's7';
    const own = tokens();
    await running(own, async () => {
      await shown(own);
      asked = [];
      await clock.advanceAsync(30_000);
      expect(asked.map(({ body }) => body)).toEqual([
        undefined,
        [{ Resource: 'service', Segment: 's7', Access: 'write' }],
      ]);
    });
  });
});

describe('the names of a token', () => {
  it.each<[string, Record<string, unknown>, ReturnType<typeof tokenNames>]>([
    ['nothing', {}, { own: [], more: false }],
    [
      'identities',
      { ServiceIdentities: [{ ServiceName: 'b' }, { ServiceName: 'a' }] },
      { own: ['a', 'b'], more: false },
    ],
    [
      'odd identities',
      { ServiceIdentities: [{ ServiceName: 7 }, null, {}, { ServiceName: '' }] },
      { own: [], more: false },
    ],
    ['no list', { ServiceIdentities: 'x', Policies: {} }, { own: [], more: false }],
    [
      'templates',
      {
        TemplatedPolicies: [
          { TemplateName: 'builtin/service', TemplateVariables: { name: 'a' } },
          { TemplateName: 'builtin/dns', TemplateVariables: { name: 'b' } },
          { TemplateName: 'builtin/service' },
        ],
      },
      { own: ['a'], more: false },
    ],
    ['policies', { Policies: [{ Name: 'x' }] }, { own: [], more: true }],
    ['roles', { Roles: [{ Name: 'x' }] }, { own: [], more: true }],
  ])('%s', (_, token, names) => {
    expect(tokenNames(token)).toEqual(names);
  });

  it('are granted only where the answer has their number and form', () => {
    const yes = { Resource: 'service', Segment: 'a', Access: 'write', Allow: true };
    expect(allowedNames(JSON.stringify([yes, { ...yes, Segment: 'c' }]), ['a', 'b'])).toEqual(['a']);
    for (const text of ['', 'null', '{}', '[]', JSON.stringify([yes])])
      expect(allowedNames(text, ['a', 'b']), text).toBeUndefined();
  });
});
