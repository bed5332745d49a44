// Intentions of a real Consul, before real Envoys: what they say holds for the next request of a connection that is open,
// and holds on while Consul is away; where they were never read nobody is served by a guess.
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startBackend } from '../support/backends.ts';
import { ask } from '../support/load.ts';
import { describeWith, eventually, eventuallyPasses, freePorts, type RunningEnvoy } from '../support/real-parts.ts';
import { type RunningRegistry, registryRigs } from './registry-rigs.ts';
import { startTrustRig, type TrustRig } from './trust-rig.ts';

describeWith(['envoy', 'consul'], 'intentions of Consul', () => {
  const stack = new AsyncDisposableStack();
  let rig: TrustRig;
  let consul: RunningRegistry;
  let api: RunningEnvoy;
  let [web, other, inbound, lost] = [0, 0, 0, 0];

  const intentions = (Name: string, ...Sources: readonly object[]): Promise<void> =>
    config({ Kind: 'service-intentions', Name, Sources });
  async function config(entry: object): Promise<void> {
    const answer = await fetch(`${String(consul.config['address'])}/v1/config`, {
      method: 'PUT',
      body: JSON.stringify(entry),
    });
    expect(answer.status).toBe(200);
  }
  const remove = async (name: string): Promise<void> =>
    void (await fetch(`${String(consul.config['address'])}/v1/config/service-intentions/${name}`, {
      method: 'DELETE',
    }));
  const statuses = async (path = '/'): Promise<number[]> =>
    Promise.all([web, other].map(async (port) => (await ask({ port, host: 'api', path })).status));
  const eventuallyAre = (...wanted: readonly number[]): Promise<void> =>
    eventuallyPasses(async () => expect(await statuses()).toEqual(wanted));

  beforeAll(async () => {
    const started = await registryRigs.find(({ name }) => name === 'Consul')?.start();
    if (started === undefined) throw new Error('no Consul rig');
    consul = { ...started, config: { ...started.config, intentions: true } };
    await config({ Kind: 'service-defaults', Name: 'api', Protocol: 'http' });
    rig = stack.use(await startTrustRig({}, consul));
    [web = 0, other = 0, inbound = 0, lost = 0] = await freePorts(4);
    const backend = await startBackend('api-1');
    stack.use(backend);
    await consul.put({ service: 'api', id: 'api-1', port: backend.port, proxyPort: inbound });
    for (const service of ['web', 'other']) await consul.put({ service, id: `${service}-1`, port: 1 });
    const sidecar = (service: string, port: number): Promise<RunningEnvoy> =>
      rig.envoy(`${service}-1`, { services: [service] }, ['--service', service, '--outbound', `127.0.0.1:${port}`]);
    api = await sidecar('api', lost);
    await sidecar('web', web);
    await sidecar('other', other);
  }, 90_000);
  afterAll(() => stack.disposeAsync());

  it('T4: decide on the next request of connections that are open, by caller and by what is asked', {
    timeout: 60_000,
  }, async () => {
    await eventuallyAre(403, 403);
    const modified = await api.stat('listener_manager.listener_modified');
    await intentions('api', { Name: 'web', Action: 'allow' });
    await eventuallyAre(200, 403);
    await intentions('api', { Name: 'web', Action: 'deny' }, { Name: '*', Action: 'allow' });
    await eventuallyAre(403, 200);
    const permissions = [
      { Action: 'deny', HTTP: { PathPrefix: '/admin/' } },
      { Action: 'allow', HTTP: { PathPrefix: '/', Methods: ['GET'] } },
    ];
    await intentions('api', { Name: 'web', Permissions: permissions });
    await eventuallyAre(200, 403);
    expect(await statuses('/admin/x')).toEqual([403, 403]);
    expect((await ask({ port: web, host: 'api', method: 'DELETE' })).status).toBe(403);
    await remove('api');
    await eventuallyAre(403, 403);
    await intentions('*', { Name: 'other', Action: 'allow' });
    await eventuallyAre(403, 200);
    expect(await api.stat('listener_manager.listener_modified')).toBe(modified);
  });

  it('and an Authorization must both let in, and what cannot be said is told by the name of the intention', {
    timeout: 60_000,
  }, async () => {
    await intentions('api', { Name: 'web', Action: 'allow' }, { Name: 'other', Action: 'allow' });
    await eventuallyAre(200, 200);
    rig.product.write(
      'api.yaml',
      'apiVersion: chancery/v1\nkind: Authorization\nmetadata: {name: api}\nspec: {service: api, allow: [{from: [web]}]}\n',
    );
    await eventuallyAre(200, 403);
    rig.product.remove('api.yaml');
    await eventuallyAre(200, 200);
    const regex = { Action: 'allow', HTTP: { PathRegex: '/.*' } };
    await intentions('api', { Name: 'web', Permissions: [regex] }, { Name: 'other', Action: 'allow' });
    await eventuallyAre(403, 200);
    const told = (await rig.product.cli('problems')).stdout;
    expect(told).toContain('CH1263');
    expect(told).toContain('consul intention web -> api');
  });

  it('T4: hold while Consul is away and after it came back, and are waited for at a start without it', {
    timeout: 90_000,
  }, async () => {
    await intentions('api', { Name: 'web', Action: 'allow' });
    await intentions('*', { Name: '*', Action: 'deny' });
    await eventuallyAre(200, 403);
    await consul.kill();
    await eventually(async () => (await rig.product.status()).sources.some(({ degraded }) => degraded !== undefined));
    expect(await statuses()).toEqual([200, 403]);
    await rig.product.kill();
    const starting = rig.product.start();
    await eventuallyPasses(async () => expect((await rig.product.status()).waitingFor).toEqual(['consul']));
    expect(await statuses()).toEqual([200, 403]);
    await consul.revive();
    await starting;
    await eventuallyAre(200, 403);
    await intentions('api', { Name: 'other', Action: 'allow' });
    await eventuallyAre(403, 200);
  });
});
