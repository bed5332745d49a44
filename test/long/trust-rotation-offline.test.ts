// Nodes whose proxies are away while the root is rotated. Whose `chancery renew` ran in between comes back by itself, in the middle
// of the rotation and after its end; whose did not is told by `chancery renew` to join again, at once, and is back when it has.
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Node, type ShortLivedMesh, startShortLivedMesh } from '../e2e/short-lived-mesh.ts';
import { describeWith, eventually, eventuallyPasses } from '../support/real-parts.ts';

const lives = { leafLifeMs: 6_000, intermediateLifeMs: 15_000, backdateMs: 1_000, shortLives: true };
const patient = { deadlineMs: 60_000 };

describeWith(['envoy'], 'a node that is away while the root is rotated', () => {
  let mesh: ShortLivedMesh;
  beforeAll(async () => {
    mesh = await startShortLivedMesh(lives);
  }, 60_000);
  afterAll(() => mesh[Symbol.asyncDispose]());

  const stateOf = (node: string): string | undefined =>
    mesh
      .plane()
      .control.status()
      .proxies.find((proxy) => proxy.node === node)?.state;
  const reaches = (phase: string): Promise<unknown> =>
    eventually(() => mesh.plane().trust?.rotation.state()?.record.phase === phase, patient);
  const synced = (node: string): Promise<void> => eventuallyPasses(() => expect(stateOf(node)).toBe('synced'), patient);
  const folder = (node: string): string => join(mesh.folder, node);
  async function joined(node: string): Promise<Node> {
    const proxy = await mesh.gateway(node, 'edge');
    await synced(node);
    return proxy;
  }

  it('comes back where it learnt of the next root, and else is told to join again', { timeout: 240_000 }, async () => {
    const told = await joined('told');
    const untold = await joined('untold');
    expect(await mesh.plane().trust?.rotation.begin()).toBe(true);
    await Promise.all([told.stop(), untold.stop()]);
    await reaches('confirm');
    for (const node of ['api-1', 'web-1', 'told']) await mesh.chancery(['renew', folder(node)]);
    await reaches('drain');
    await told.start();
    await synced('told');
    await told.stop();
    await reaches('steady');

    await Promise.all([told.start(), untold.start()]);
    await synced('told');
    expect(stateOf('untold')).not.toBe('synced');
    for (const args of [[], ['--now']])
      await expect(mesh.chancery(['renew', folder('untold'), ...args])).rejects.toThrow(
        /\[CH1852\].*chancery bootstrap NODE --join TOKEN --credentials \S+untold --replace/,
      );

    // Its Envoy runs on: it reads the files of the next credential.
    const { joinTokens, authority } = mesh.plane().trust ?? expect.fail('no trust');
    const pin = authority.roots().roots[0]?.keyId ?? expect.fail('no root');
    const token = await joinTokens.create({ services: [], gateways: ['edge'], pin });
    const { port } = await mesh.plane().listening;
    await mesh.chancery([
      ...['bootstrap', 'untold', '--gateway', 'edge', '--xds', `127.0.0.1:${port}`, '--join', token.text],
      ...['--credentials', folder('untold'), '--replace'],
    ]);
    await synced('untold');
  });
});
