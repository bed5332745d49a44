// The starters of the real parts do what the other tests rely on: ready when returned, restart on the same data, gone when stopped.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { assertNoLeaks } from '../support/leaks.ts';
import { describeWith, envoyValidate, startConsul, startEnvoy, startEtcd } from '../support/real-parts.ts';

describeWith(['envoy'], 'Envoy starter', () => {
  assertNoLeaks();
  it('starts, answers on its admin port, and stops', async () => {
    const envoy = await startEnvoy({ node: { id: 'n', cluster: 'c' } });
    expect(await envoy.adminGet('/ready')).toContain('LIVE');
    expect(await envoy.stat('server.live')).toBe(1);
    await envoy.stop();
    await expect(fetch(`http://${envoy.admin}/ready`)).rejects.toThrow();
  });
  it('validates', async () => {
    expect(await envoyValidate('node: {id: a}')).toMatchObject({ ok: true });
    const bad = await envoyValidate('node: {idd: a}');
    expect(bad.ok).toBe(false);
    expect(bad.output).toContain('idd');
  });
});

describeWith(['consul'], 'Consul starter', () => {
  assertNoLeaks();
  it('keeps its data over a kill when it has a folder', async () => {
    const dataDir = mkdtempSync(join(tmpdir(), 'chancery-consul-data-'));
    const first = await startConsul({ dataDir });
    await first.call('PUT', '/v1/kv/a', 'x');
    await first.kill();
    const second = await first.again();
    expect(second.address).toBe(first.address);
    expect(await second.call('GET', '/v1/kv/a?raw')).toBe('x');
    await second.stop();
    rmSync(dataDir, { recursive: true });
  }, 40_000);
  it('denies without its token when ACLs are on', async () => {
    await using consul = await startConsul({ acl: true });
    expect((await fetch(`${consul.url}/v1/kv/a`)).status).toBe(403);
    await consul.call('PUT', '/v1/kv/a', 'x');
  });
});

describeWith(['etcd'], 'etcd starter', () => {
  assertNoLeaks();
  it('keeps its data over a kill', async () => {
    const first = await startEtcd();
    await first.put('a', 'x');
    const revision = await first.revision();
    await first.kill();
    await using second = await first.again();
    expect(second.address).toBe(first.address);
    expect(await second.revision()).toBe(revision);
  }, 40_000);
});
