// What only a real Consul can show of reading its intentions: how entries come, what a token without rights is told, what
// stays in force while the agent is away.
import { rmSync } from 'node:fs';
import { expect, it } from 'vitest';
import type { RegistrySnapshot } from '../../src/model/snapshot.ts';
import { type ConsulRegistryOptions, createConsulRegistry } from '../../src/sources/consul/registry.ts';
import { assertNoLeaks } from '../support/leaks.ts';
import { describeWith, eventually, eventuallyPasses, type RunningConsul, startConsul } from '../support/real-parts.ts';
import { createTempDir } from '../support/temp-dir.ts';
import { watch } from './source-registry-suite.ts';
import { rigDeps } from './source-rig.ts';

const wait = { deadlineMs: 20_000 };
const limit = 90_000;

function follow(consul: RunningConsul, options: Partial<ConsulRegistryOptions> = {}): ReturnType<typeof watch> {
  const given = { name: 'consul', address: consul.url, waitMs: 5000, confirmMs: 300, intentions: true, ...options };
  return watch(createConsulRegistry(rigDeps(), given));
}

const put = (consul: RunningConsul, Name: string, ...Sources: readonly object[]): Promise<unknown> =>
  consul.call('PUT', '/v1/config', { Kind: 'service-intentions', Name, Sources });

/** `web: open`, as the snapshot has it. */
function said(snapshot: RegistrySnapshot | undefined, destination: string): unknown {
  const entry = snapshot?.intentions?.entries.get(destination);
  return entry?.sources.map(({ name, plan }) => `${name}: ${plan.open ? 'open' : 'closed'}`);
}

async function tokenFor(consul: RunningConsul, name: string, rules: string): Promise<string> {
  const policy = (await consul.call('PUT', '/v1/acl/policy', { Name: name, Rules: rules })) as { ID: string };
  const token = (await consul.call('PUT', '/v1/acl/token', { Policies: [{ ID: policy.ID }] })) as { SecretID: string };
  return token.SecretID;
}

describeWith(['consul'], 'intentions of a real Consul', () => {
  assertNoLeaks();

  it(
    'are followed: written, with permissions, changed, deleted; without being asked for they are not read',
    async () => {
      await using consul = await startConsul();
      await consul.call('PUT', '/v1/config', { Kind: 'service-defaults', Name: 'shop', Protocol: 'http' });
      const permission = {
        Action: 'allow',
        HTTP: { PathPrefix: '/cart/', Methods: ['GET'], Header: [{ Name: 'X-Team', Exact: 'a' }] },
      };
      await put(consul, 'shop', { Name: 'web', Permissions: [permission] });
      const running = follow(consul);
      await eventually(() => running.last()?.complete === true, wait);
      const shop = running.last()?.intentions?.entries.get('shop');
      expect(running.last()?.problems).toEqual([]);
      expect(shop?.sources[0]?.plan.allow).toEqual([
        { methods: ['GET'], paths: [{ startsWith: '/cart/' }], headers: [{ name: 'x-team', exact: 'a' }] },
      ]);
      await put(consul, 'api', { Name: 'web', Action: 'allow' }, { Name: '*', Action: 'deny' });
      await eventuallyPasses(() => expect(said(running.last(), 'api')).toEqual(['web: open', '*: closed']), wait);
      await put(consul, '*', { Name: '*', Action: 'deny' });
      await put(consul, 'api', { Name: 'web', Action: 'deny' });
      await eventuallyPasses(() => expect(said(running.last(), 'api')).toEqual(['web: closed']), wait);
      expect(said(running.last(), '*')).toEqual(['*: closed']);
      await consul.call('DELETE', '/v1/config/service-intentions/api');
      await eventuallyPasses(() => expect(said(running.last(), 'api')).toBeUndefined(), wait);
      await running.end();

      const unasked = follow(consul, { intentions: false });
      await eventually(() => unasked.last()?.complete === true, wait);
      expect(unasked.last()?.intentions).toBeUndefined();
      await unasked.end();
    },
    limit,
  );

  it(
    'T4: are nothing to go by for a token that may not read all of them; the documented policy reads them',
    async () => {
      await using consul = await startConsul({ acl: true });
      await put(consul, '*', { Name: '*', Action: 'deny' });
      await put(consul, 'api', { Name: 'web', Action: 'allow' });
      await put(consul, 'db', { Name: 'web', Action: 'deny' });
      const rows = 'node_prefix "" { policy = "read" }\nservice_prefix "" { policy = "read" intentions = "deny" }';
      const none = follow(consul, { token: await tokenFor(consul, 'rows', rows) });
      await eventually(() => none.last()?.degraded !== undefined, wait);
      expect(none.last()).toMatchObject({ complete: false, degraded: { reason: expect.stringContaining('CH1325') } });
      await none.end();

      const one = `${rows}\nservice "api" { policy = "read" intentions = "read" }`;
      const some = follow(consul, { token: await tokenFor(consul, 'one', one) });
      await eventually(() => some.last()?.degraded !== undefined, wait);
      expect(some.last()?.complete).toBe(false);
      await some.end();

      const least = 'node_prefix "" { policy = "read" }\nservice_prefix "" { policy = "read" intentions = "read" }';
      const running = follow(consul, { token: await tokenFor(consul, 'least', least) });
      await eventually(() => running.last()?.complete === true, wait);
      expect([...(running.last()?.intentions?.entries.keys() ?? [])]).toEqual(['*', 'api', 'db']);
      await running.end();
    },
    limit,
  );

  it(
    'T4: stay in force while the agent is away, and through a Consul that forgot them until it says so twice',
    async () => {
      const dir = createTempDir('consul-intentions');
      let consul = await startConsul({ dataDir: dir.path });
      try {
        await put(consul, 'api', { Name: 'web', Action: 'deny' });
        const running = follow(consul, { intentionsDefault: 'allow', confirmMs: 3000 });
        await eventually(() => running.last()?.complete === true, wait);
        await consul.kill();
        await eventually(() => running.last()?.degraded?.kind === 'unreachable', wait);
        expect(said(running.last(), 'api')).toEqual(['web: closed']);
        const before = running.all.length;
        rmSync(dir.path, { recursive: true, force: true });
        consul = await consul.again();
        await eventuallyPasses(() => expect(said(running.last(), 'api')).toBeUndefined(), wait);
        expect(said(running.all[before], 'api')).toEqual(['web: closed']);
        await running.end();
      } finally {
        await consul.kill();
        dir.remove();
      }
    },
    limit,
  );
});
