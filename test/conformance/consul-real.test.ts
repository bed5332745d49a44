// What only a real Consul can show of the Consul source: ACLs, sidecars as its agent makes them, maintenance, a stopped
// agent, its limit of connections, a snapshot restored, and checks that start critical after a restart.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import type { RegistrySnapshot } from '../../src/model/snapshot.ts';
import { type ConsulRegistryOptions, createConsulRegistry } from '../../src/sources/consul/registry.ts';
import { assertNoLeaks } from '../support/leaks.ts';
import { describeWith, eventually, eventuallyPasses, type RunningConsul, startConsul } from '../support/real-parts.ts';
import { watch } from './source-registry-suite.ts';
import { rigDeps } from './source-rig.ts';

const wait = { deadlineMs: 20_000 };
const limit = 90_000;

function follow(consul: RunningConsul, options: Partial<ConsulRegistryOptions> = {}): ReturnType<typeof watch> {
  return watch(
    createConsulRegistry(rigDeps(), { name: 'consul', address: consul.url, waitMs: 5000, confirmMs: 300, ...options }),
  );
}
const instances = (snapshot: RegistrySnapshot | undefined, service: string) =>
  snapshot?.services.get(service)?.instances ?? [];
const web = (id: string, extra: object = {}) => ({
  ID: id,
  Name: 'web',
  Address: '127.0.0.1',
  Port: 8001,
  Check: { CheckID: `${id}-ttl`, TTL: '10m', Status: 'passing' },
  ...extra,
});
const register = (consul: RunningConsul, body: object): Promise<unknown> =>
  consul.call('PUT', '/v1/agent/service/register', body);

describeWith(['consul'], 'the Consul source over a real Consul', () => {
  assertNoLeaks();

  it(
    'says partial while a token leaves rows out, takes a better one from its file, and refuses none silently',
    async () => {
      await using consul = await startConsul({ acl: true });
      await register(consul, web('web-1'));
      const policy = (await consul.call('PUT', '/v1/acl/policy', {
        Name: 'little',
        Rules: 'service "other" { policy = "read" }',
      })) as { ID: string };
      const token = (await consul.call('PUT', '/v1/acl/token', { Policies: [{ ID: policy.ID }] })) as {
        SecretID: string;
      };
      const running = follow(consul, { token: token.SecretID });
      await eventually(() => running.last()?.complete === true, wait);
      expect(running.last()?.degraded).toMatchObject({ kind: 'partial', reason: expect.stringContaining('ACL') });
      await running.end();

      const full = follow(consul, { token: consul.token });
      await eventually(() => instances(full.last(), 'web').length === 1, wait);
      expect(full.last()?.degraded).toBeUndefined();
      await full.end();

      const unknown = follow(consul, { token: '00000000-0000-0000-0000-000000000001' });
      await eventually(() => unknown.last()?.degraded?.kind === 'unreachable', wait);
      expect(unknown.last()?.complete).toBe(false);
      expect(unknown.last()?.degraded?.reason).toContain('CH1310');
      await unknown.end();
    },
    limit,
  );

  it(
    'joins the sidecar that the agent made, follows node and service maintenance, and leaves gateways out',
    async () => {
      await using consul = await startConsul();
      await register(
        consul,
        web('web-1', {
          Connect: {
            SidecarService: { Proxy: { Upstreams: [{ DestinationName: 'api', LocalBindPort: 9191 }] } },
          },
        }),
      );
      await register(consul, { Kind: 'mesh-gateway', ID: 'mg', Name: 'mg', Address: '127.0.0.1', Port: 8443 });
      const running = follow(consul);
      await eventually(() => instances(running.last(), 'web')[0]?.proxy !== undefined, wait);
      expect([...(running.last()?.services.keys() ?? [])]).toEqual(['web']);
      expect(instances(running.last(), 'web')[0]).toMatchObject({
        address: '127.0.0.1',
        port: 8001,
        health: 'healthy',
        proxy: { address: '127.0.0.1', port: 21000, localAddress: '127.0.0.1', localPort: 8001 },
      });
      expect(running.last()?.services.get('web')?.upstreams?.get('web-1')).toEqual([
        { service: 'api', address: '127.0.0.1', port: 9191 },
      ]);
      const health = () => instances(running.last(), 'web')[0]?.health;
      for (const path of ['/v1/agent/service/maintenance/web-1', '/v1/agent/maintenance']) {
        await consul.call('PUT', `${path}?enable=true`);
        await eventuallyPasses(() => expect(health()).toBe('critical'), wait);
        await consul.call('PUT', `${path}?enable=false`);
        await eventuallyPasses(() => expect(health()).toBe('healthy'), wait);
      }
      await running.end();
    },
    limit,
  );

  it(
    'keeps what it knows while the agent is stopped, and follows again when it goes on',
    async () => {
      await using consul = await startConsul();
      await register(consul, web('web-1'));
      const running = follow(consul);
      await eventually(() => running.last()?.complete === true, wait);
      consul.signal('SIGSTOP');
      const registering = register(consul, web('web-2'));
      // Nothing can be told by a stopped agent, so the count of snapshots stands.
      const before = running.all.length;
      expect(instances(running.last(), 'web')).toHaveLength(1);
      consul.signal('SIGCONT');
      await registering;
      await eventually(() => instances(running.last(), 'web').length === 2, wait);
      expect(running.all.slice(before).every((snapshot) => instances(snapshot, 'web').length > 0)).toBe(true);
      await running.end();
    },
    limit,
  );

  it(
    'says so when the agent allows no more connections, and goes on with fewer',
    async () => {
      await using consul = await startConsul({ config: { limits: { http_max_conns_per_client: 12 } } });
      const names = Array.from({ length: 30 }, (_, i) => `s${String(i).padStart(2, '0')}`);
      for (const name of names) await register(consul, { ID: name, Name: name, Address: '127.0.0.1', Port: 80 });
      const modest = follow(consul, { maxConnections: 6 });
      await eventually(() => modest.last()?.complete === true, wait);
      expect(modest.last()?.services.size).toBe(30);
      expect(modest.all.some(({ degraded }) => degraded !== undefined)).toBe(false);
      await modest.end();

      const running = follow(consul);
      await eventually(() => running.all.some(({ degraded }) => degraded?.reason.includes('CH1311') === true), {
        deadlineMs: 40_000,
      });
      await eventually(() => running.last()?.complete === true && running.last()?.services.size === 30, {
        deadlineMs: 40_000,
      });
      await running.end();
    },
    limit,
  );

  it(
    'doubts what a restored snapshot tells, takes it up, and follows on from the lower index',
    async () => {
      const dataDir = mkdtempSync(join(tmpdir(), 'chancery-consul-restore-'));
      const consul = await startConsul({ dataDir });
      const catalog = (id: string): Promise<unknown> =>
        consul.call('PUT', '/v1/catalog/register', {
          Node: 'far',
          Address: '127.0.0.2',
          SkipNodeUpdate: true,
          Service: { ID: id, Service: 'web', Port: 8001 },
        });
      try {
        await catalog('web-1');
        await consul.call('PUT', '/v1/kv/x', '0');
        const saved = await (await fetch(`${consul.url}/v1/snapshot`)).arrayBuffer();
        for (let i = 0; i < 20; i++) await catalog(`web-${i + 2}`);
        const running = follow(consul);
        await eventually(() => instances(running.last(), 'web').length === 21, wait);
        const restored = await fetch(`${consul.url}/v1/snapshot`, { method: 'PUT', body: saved });
        expect(restored.status).toBe(200);
        await eventually(() => instances(running.last(), 'web').length === 1, wait);
        const first = running.all.find(
          (snapshot, i) =>
            i > 0 &&
            instances(snapshot, 'web').length < 21 &&
            snapshot.complete &&
            instances(running.all[i - 1], 'web').length === 21,
        );
        expect(first?.degraded).toBeDefined();
        await eventually(() => running.last()?.degraded === undefined, wait);
        await catalog('web-99');
        await eventually(() => instances(running.last(), 'web').length === 2, wait);
        await running.end();
      } finally {
        await consul.kill();
        rmSync(dataDir, { recursive: true, force: true });
      }
    },
    limit,
  );

  it(
    'calls the critical checks of a restarted agent suspect first',
    async () => {
      const dataDir = mkdtempSync(join(tmpdir(), 'chancery-consul-restart-'));
      let consul = await startConsul({ dataDir });
      try {
        // Status is what the check starts with; told nothing since, the agent remembers nothing of it over a restart.
        await register(consul, web('web-1', { Check: { CheckID: 'c', TTL: '10m' } }));
        await consul.call('PUT', '/v1/agent/check/pass/c');
        await register(consul, web('web-2', { Port: 8002, Check: { CheckID: 'd', TTL: '10m', Status: 'passing' } }));
        const running = follow(consul, { confirmMs: 3000 });
        await eventually(
          () => instances(running.last(), 'web').filter((i) => i.health === 'healthy').length === 2,
          wait,
        );
        const before = running.all.length;
        await consul.kill();
        await eventually(() => running.last()?.degraded?.kind === 'unreachable', wait);
        consul = await consul.again();
        await eventually(() => running.all.slice(before).some(({ degraded }) => degraded?.kind === 'suspect'), wait);
        await eventually(() => running.last()?.degraded === undefined, wait);
        const trusted = running.all.slice(before).filter(({ degraded }) => degraded === undefined);
        const fallen = running.all
          .slice(before)
          .findIndex((snapshot) => instances(snapshot, 'web').some(({ health }) => health === 'critical'));
        // Where the fall shows at all, it shows while the source still doubts.
        if (fallen !== -1) expect(running.all[before + fallen]?.degraded).toBeDefined();
        expect(trusted.length).toBeGreaterThan(0);
        await running.end();
      } finally {
        await consul.kill();
        rmSync(dataDir, { recursive: true, force: true });
      }
    },
    limit,
  );
});
