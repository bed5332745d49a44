// The control plane dies and comes back; the registry too. Traffic must not notice, and nothing unchanged is sent again.
import { Agent } from 'node:http';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { ask } from '../support/load.ts';
import { describeWith, eventuallyPasses } from '../support/real-parts.ts';
import { registryRigs } from './registry-rigs.ts';
import { type Scene, startScene } from './scene.ts';

const [consul] = registryRigs;
if (consul === undefined) throw new Error('the Consul rig is missing');

const pause = (milliseconds: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, milliseconds));

describeWith(['envoy', 'consul'], 'control plane restart', () => {
  let scene: Scene;
  beforeAll(async () => {
    scene = await startScene({ rig: consul });
    await scene.instance('web', 'web-1');
    await scene.instance('web', 'web-2');
    await scene.settled('web', 20);
  }, 60_000);
  afterAll(() => scene[Symbol.asyncDispose]());

  it('killed and restarted under load: no request fails, no connection drops, no listener drains, nothing is sent twice', async () => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const first = await ask({ port: scene.port, host: 'web', agent });
    expect(first.status).toBe(200);
    const names = [
      'listener_manager.lds.update_success',
      'cluster_manager.cds.update_success',
      'listener_manager.listener_added',
      'listener_manager.listener_modified',
      'cluster_manager.cluster_modified',
      'cluster_manager.cluster_removed',
      'listener_manager.lds.update_rejected',
      'cluster_manager.cds.update_rejected',
    ];
    const stats = (): Promise<number[]> => Promise.all(names.map((name) => scene.edge.stat(name)));
    const before = await stats();
    const load = scene.load('web', { maxSeconds: 30 });
    await pause(300);
    await scene.product.kill();
    await pause(1500);
    expect(await scene.edge.stat('control_plane.connected_state')).toBe(0);
    await scene.product.start();
    await eventuallyPasses(async () => expect(await scene.edge.stat('control_plane.connected_state')).toBe(1), {
      deadlineMs: 40_000,
    });
    await eventuallyPasses(async () => {
      const { proxies } = await scene.product.status();
      expect(proxies.map(({ node, state }) => ({ node, state }))).toEqual([{ node: 'edge-1', state: 'synced' }]);
    });
    await pause(500);
    const result = await load.stop();
    expect(result.failures).toEqual({});
    expect(await stats()).toEqual(before);
    expect(await scene.edge.stat('listener_manager.total_listeners_draining')).toBe(0);
    const again = await ask({ port: scene.port, host: 'web', agent });
    expect(again.status).toBe(200);
    agent.destroy();
  }, 90_000);

  it('instances swapped while it was away are used when it is back', async () => {
    await scene.product.kill();
    await scene.instance('web', 'web-3');
    await scene.registry.remove('web', 'web-1');
    await scene.product.start();
    await eventuallyPasses(
      async () => expect(Object.keys(await scene.tally('web', 20)).sort()).toEqual(['web-2', 'web-3']),
      { deadlineMs: 40_000 },
    );
  }, 90_000);

  it('a registry that is away at the start keeps it from serving; the proxies keep what they had', async () => {
    await scene.product.kill();
    await scene.registry.kill();
    const answers = { ...(await scene.tally('web', 10)) };
    expect(Object.keys(answers).sort()).toEqual(['web-2', 'web-3']);
    const started = scene.product.start();
    await eventuallyPasses(async () => expect(scene.product.process().logs()).toMatch(/CH13/));
    expect(await scene.product.ready()).toBe(false);
    expect(Object.keys(await scene.tally('web', 10)).sort()).toEqual(['web-2', 'web-3']);
    await scene.registry.revive();
    await started;
    await eventuallyPasses(
      async () => expect(Object.keys(await scene.tally('web', 20)).sort()).toEqual(['web-2', 'web-3']),
      { deadlineMs: 40_000 },
    );
  }, 90_000);
});
