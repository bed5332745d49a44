// The safe defaults of the design, each on a real Envoy and in two halves: with the default nothing (or little) fails,
// and with the default switched off the failure that it prevents shows. The second half keeps the first one honest.
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { LoadResult } from '../support/load.ts';
import { describeWith, eventuallyPasses } from '../support/real-parts.ts';
import { registryRigs } from './registry-rigs.ts';
import { type Scene, startScene } from './scene.ts';

const [consul, , files] = registryRigs;
if (consul === undefined || files === undefined) throw new Error('rigs are missing');

const pause = (milliseconds: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, milliseconds));

const service = (name: string, spec: string): string =>
  `apiVersion: chancery/v1\nkind: Service\nmetadata: {name: ${name}}\nspec: ${spec}\n`;
const noRetry = (name: string): string =>
  `---\napiVersion: chancery/v1\nkind: Route\nmetadata: {name: ${name}}\nspec:\n  hosts: [${name}]\n  rules: [{to: [{service: ${name}}], retry: {attempts: 0}}]\n`;

describeWith(['envoy'], 'safe defaults', () => {
  let scene: Scene;
  beforeAll(async () => {
    scene = await startScene({ rig: files });
  }, 60_000);
  afterAll(() => scene[Symbol.asyncDispose]());

  /** One of three instances is cut off under load and the registry does not notice. */
  async function crashUnderLoad(name: string, method: string): Promise<LoadResult> {
    const victim = await scene.instance(name, `${name}-1`);
    await scene.instance(name, `${name}-2`);
    await scene.instance(name, `${name}-3`);
    await scene.settled(name, 20);
    const load = scene.load(name, { method, maxSeconds: 3 });
    await pause(500);
    await victim.crash();
    await pause(2000);
    return load.stop();
  }

  it('retries on another host, so a crashed instance costs GETs nothing', async () => {
    const result = await crashUnderLoad('sturdy', 'GET');
    expect(result.failures).toEqual({});
    expect(result.sent).toBeGreaterThan(300);
  });

  it('without the retry and the ejection the same crash fails requests for as long as the registry lags', async () => {
    scene.product.write('frail.yaml', `${service('frail', '{health: {outlier: false}}')}${noRetry('frail')}`);
    const result = await crashUnderLoad('frail', 'GET');
    expect(result.failed).toBeGreaterThan(50);
  });

  it('ejects an instance that answers 503 after three failures in a row', async () => {
    const ill = await scene.instance('watched', 'watched-1');
    await scene.instance('watched', 'watched-2');
    scene.product.write('watched.yaml', noRetry('watched').slice(4));
    await scene.settled('watched', 20);
    ill.answer(503);
    const seen = await scene.tally('watched', 60);
    expect(seen['status 503']).toBeLessThanOrEqual(4);
  });

  it('without ejection the ill instance goes on failing its share', async () => {
    const ill = await scene.instance('unwatched', 'unwatched-1');
    await scene.instance('unwatched', 'unwatched-2');
    scene.product.write(
      'unwatched.yaml',
      `${service('unwatched', '{health: {outlier: false}}')}${noRetry('unwatched')}`,
    );
    await scene.settled('unwatched', 20);
    ill.answer(503);
    const seen = await scene.tally('unwatched', 60);
    expect(seen['status 503']).toBeGreaterThanOrEqual(25);
  });

  it('sends nothing to critical instances while one healthy is left, and tries all when none is', async () => {
    const ill = [1, 2, 3].map((n) => `calm-${n}`);
    for (const id of ill) await scene.instance('calm', id, { critical: true });
    const last = await scene.instance('calm', 'calm-4');
    await scene.settled('calm', 20);
    await eventuallyPasses(async () => expect(await scene.tally('calm', 40)).toEqual({ 'calm-4': 40 }));
    await scene.registry.put({ service: 'calm', id: 'calm-4', port: last.port, critical: true });
    await eventuallyPasses(async () => expect(Object.keys(await scene.tally('calm', 40)).length).toBe(4));
  });

  it("with Envoy's own threshold the critical ones would get traffic", async () => {
    scene.product.write('panicky.yaml', service('panicky', '{health: {panic: 50}}'));
    for (const id of ['panicky-1', 'panicky-2', 'panicky-3']) await scene.instance('panicky', id, { critical: true });
    await scene.instance('panicky', 'panicky-4');
    await scene.settled('panicky', 20);
    await eventuallyPasses(async () => expect(Object.keys(await scene.tally('panicky', 40)).length).toBe(4));
  });

  it('replaces instances without drain and loses no GET', async () => {
    const backends = [await scene.instance('rolling', 'rolling-0'), await scene.instance('rolling', 'rolling-1')];
    await scene.settled('rolling', 20);
    const load = scene.load('rolling', { maxSeconds: 10 });
    for (let i = 2; i < 6; i++) {
      backends.push(await scene.instance('rolling', `rolling-${i}`));
      await pause(400);
      await scene.registry.remove('rolling', `rolling-${i - 2}`);
      await backends[i - 2]?.crash();
      await pause(400);
    }
    const result = await load.stop();
    expect(result.failures).toEqual({});
  });

  it('changes routes in place: no listener is touched, no connection drained', async () => {
    await scene.instance('steady', 'steady-1');
    await scene.settled('steady');
    const before = await Promise.all(
      ['listener_manager.listener_modified', 'listener_manager.listener_added'].map((name) => scene.edge.stat(name)),
    );
    const load = scene.load('steady', { maxSeconds: 5 });
    for (let i = 0; i < 5; i++) {
      scene.product.write(
        'steady.yaml',
        `${service('steady', `{timeouts: {request: ${i + 3}s}}`)}${noRetry('steady')}`,
      );
      await pause(200);
    }
    const result = await load.stop();
    expect(result.failures).toEqual({});
    const after = await Promise.all(
      ['listener_manager.listener_modified', 'listener_manager.listener_added'].map((name) => scene.edge.stat(name)),
    );
    expect(after).toEqual(before);
    expect(await scene.edge.stat('listener_manager.total_listeners_draining')).toBe(0);
  });

  it('takes a change at once while others keep coming, instead of waiting for quiet', async () => {
    const fixed = (name: string, status: number): string =>
      `apiVersion: chancery/v1\nkind: Route\nmetadata: {name: ${name}}\nspec:\n  hosts: [${name}.example]\n  rules: [{respond: {status: ${status}}}]\n`;
    let storming = true;
    let writes = 0;
    const storm = (async () => {
      while (storming) {
        scene.product.write(`storm-${writes % 10}.yaml`, fixed(`storm-${writes % 10}`, 400 + (writes % 90)));
        writes++;
        await pause(5);
      }
    })();
    try {
      await eventuallyPasses(() => expect(writes).toBeGreaterThan(20));
      scene.product.write('amid.yaml', fixed('amid', 299));
      await eventuallyPasses(async () => expect(await scene.who('amid.example')).toBe('status 299'), {
        deadlineMs: 5000,
      });
      const seen = writes;
      await eventuallyPasses(() => expect(writes).toBeGreaterThan(seen + 5));
    } finally {
      storming = false;
      await storm;
    }
  });

  it('binds its own ports and every generated listener to loopback', async () => {
    const listeners = await scene.edge.adminGet('/listeners');
    const addresses = listeners
      .trim()
      .split('\n')
      .map((line) => line.split('::')[1] ?? '');
    expect(addresses.length).toBeGreaterThanOrEqual(2);
    for (const address of addresses) expect(address).toMatch(/^127\.0\.0\.1:/);
  });

  it('reaches an instance that is registered by a host name', async () => {
    const { startBackend } = await import('../support/backends.ts');
    await using backend = await startBackend('named-1');
    scene.product.write('named.yaml', service('named', `{endpoints: [{address: localhost, port: ${backend.port}}]}`));
    await eventuallyPasses(async () => expect(await scene.who('named')).toBe('named-1'));
  });
});

describeWith(['envoy', 'consul'], 'shrink guard', () => {
  it('a Consul agent killed and restarted loses no request, though its checks all start critical', async () => {
    await using scene = await startScene({ rig: consul });
    const one = await scene.instance('guarded', 'guarded-1');
    await scene.instance('guarded', 'guarded-2');
    await scene.settled('guarded', 20);
    const load = scene.load('guarded', { maxSeconds: 30 });
    await pause(500);
    await scene.registry.restart();
    await pause(4000);
    const result = await load.stop();
    expect(result.failures).toEqual({});
    await eventuallyPasses(async () =>
      expect((await scene.product.status()).sources.every(({ degraded }) => degraded?.kind !== 'unreachable')).toBe(
        true,
      ),
    );
    // And what changes afterwards is believed again.
    await scene.registry.put({ service: 'guarded', id: 'guarded-3', port: one.port });
    await eventuallyPasses(async () => {
      const { services } = await scene.product.status();
      expect(services.find(({ id }) => id === 'guarded')?.healthy).toBe(3);
    });
  }, 60_000);
});
