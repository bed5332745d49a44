// Tokens of a real Consul with ACLs: what it says of each sort of token is what the verifier lets in.
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createAskConsul } from '../../src/identity/consul-ask.ts';
import { type ConsulTokens, createConsulTokens } from '../../src/identity/consul-token.ts';
import type { Caller } from '../../src/model/principal.ts';
import { silentLogger } from '../../src/util/log.ts';
import { createSystemClock } from '../../src/util/system-clock.ts';
import { describeWith, eventually, type RunningConsul, startConsul } from '../support/real-parts.ts';

interface MadeToken {
  readonly AccessorID: string;
  readonly SecretID: string;
}

const clock = createSystemClock();
const trustDomain = 'shop.example';
/** Services that the control plane knows. */
const known = ['web', 'api', 'db', 'cart', 'mail', ...Array.from({ length: 100 }, (_, n) => `other-${n}`)];

describeWith(['consul'], 'tokens of a real Consul', () => {
  let consul: RunningConsul;
  beforeAll(async () => {
    consul = await startConsul({ acl: true });
    await make('policy', {
      Name: 'web',
      Rules: 'service "web" { policy = "write" }\nservice "api" { policy = "read" }',
    });
    await make('policy', { Name: 'json', Rules: '{"service": {"db": {"policy": "write"}}}' });
    await make('policy', { Name: 'denied', Rules: 'service "web" { policy = "deny" }' });
    await make('policy', { Name: 'prefix', Rules: 'service_prefix "" { policy = "write" }' });
    await make('role', { Name: 'back', Policies: [{ Name: 'json' }], ServiceIdentities: [{ ServiceName: 'cart' }] });
    const templated = [{ TemplateName: 'builtin/service', TemplateVariables: { Name: 'mail' } }];
    await make('role', { Name: 'templated', TemplatedPolicies: templated });
  });
  afterAll(() => consul.kill());

  const make = async (kind: 'policy' | 'role' | 'token', body: object): Promise<MadeToken> =>
    (await consul.call('PUT', `/v1/acl/${kind}`, body)) as MadeToken;
  const verifier = (options: { recheckMs?: number; address?: string } = {}): ConsulTokens => {
    const ask = createAskConsul(clock, { address: options.address ?? consul.url });
    return createConsulTokens({ ask, known: () => known, clock, log: silentLogger }, { trustDomain, ...options });
  };
  const show = async (token: string, own = verifier()): Promise<Caller | undefined> =>
    await own.verify({ tls: true, authorization: [], consulToken: [token], address: '127.0.0.1' });

  it.each<[string, object, readonly string[]]>([
    ['a policy', { Policies: [{ Name: 'web' }] }, ['web']],
    ['a policy in JSON', { Policies: [{ Name: 'json' }] }, ['db']],
    ['several policies', { Policies: [{ Name: 'web' }, { Name: 'json' }] }, ['db', 'web']],
    ['a service identity', { ServiceIdentities: [{ ServiceName: 'cart' }] }, ['cart']],
    [
      'a templated policy',
      { TemplatedPolicies: [{ TemplateName: 'builtin/service', TemplateVariables: { Name: 'mail' } }] },
      ['mail'],
    ],
    ['a role', { Roles: [{ Name: 'back' }] }, ['cart', 'db']],
    ['a role with a templated policy', { Roles: [{ Name: 'templated' }] }, ['mail']],
  ])('may write the services of %s', async (_, body, services) => {
    const made = await make('token', body);
    expect(await show(made.SecretID)).toMatchObject({
      id: `spiffe://${trustDomain}/svc/${services[0]}`,
      services,
      gateways: [],
      credential: { kind: 'consul', id: made.AccessorID },
    });
  });

  it.each<[string, object]>([
    ['no service', {}],
    ['a service that another policy denies', { Policies: [{ Name: 'web' }, { Name: 'denied' }] }],
    ['every service', { Policies: [{ Name: 'prefix' }] }],
    ['a node', { NodeIdentities: [{ NodeName: 'node-1', Datacenter: 'dc1' }] }],
  ])('is not entitled with %s', async (_, body) => {
    const made = await make('token', body);
    expect(await show(made.SecretID)).toMatchObject({ refused: 'permission-denied', cause: 'not-entitled' });
  });

  it('is not entitled by all rights, and nobody as the anonymous token, by name too', async () => {
    expect(await show(consul.token)).toMatchObject({ cause: 'not-entitled' });
    expect(await show('anonymous')).toMatchObject({ cause: 'not-entitled' });
    await consul.call('PUT', '/v1/acl/token/00000000-0000-0000-0000-000000000002', { Policies: [{ Name: 'web' }] });
    expect(await show('anonymous')).toMatchObject({ cause: 'not-entitled' });
  });

  it('is unknown when Consul does not know it', async () => {
    expect(await show('11111111-2222-3333-4444-555555555555')).toMatchObject({
      refused: 'unauthenticated',
      cause: 'unknown-key',
    });
  });

  it('ends with its own time', async () => {
    const made = await make('token', { ServiceIdentities: [{ ServiceName: 'web' }], ExpirationTTL: '10m' });
    const left = ((await show(made.SecretID)) as { notAfterMs: number }).notAfterMs - clock.wall();
    expect(left).toBeGreaterThan(0);
    expect(left).toBeLessThanOrEqual(600_000);
  });

  it('T15: is told of after it was deleted, without a new stream', async () => {
    const made = await make('token', { ServiceIdentities: [{ ServiceName: 'web' }] });
    const own = verifier({ recheckMs: 50 });
    const told = new Set<string>();
    own.onRevoked((ids) => {
      for (const id of ids) told.add(id);
    });
    expect(await show(made.SecretID, own)).toMatchObject({ services: ['web'] });
    const stop = new AbortController();
    const run = own.run(stop.signal);
    await consul.call('DELETE', `/v1/acl/token/${made.AccessorID}`);
    await eventually(() => told.has(made.AccessorID), { deadlineMs: 20_000 });
    expect(await show(made.SecretID, own)).toMatchObject({ cause: 'unknown-key' });
    stop.abort();
    await run;
  });

  it('is unavailable where nobody answers, or Consul has no ACLs', async () => {
    const made = await make('token', { ServiceIdentities: [{ ServiceName: 'web' }] });
    expect(await show(made.SecretID, verifier({ address: 'http://127.0.0.1:1' }))).toMatchObject({
      refused: 'unavailable',
    });
    const open = await startConsul();
    try {
      expect(await show(made.SecretID, verifier({ address: open.address }))).toMatchObject({ refused: 'unavailable' });
    } finally {
      await open.kill();
    }
  });
});
