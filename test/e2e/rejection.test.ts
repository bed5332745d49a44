// A proxy refuses what it was sent: one push, one alert that names the proxy, the file and the line; the rest goes on.
import { type AddressInfo, createServer } from 'node:net';
import { expect, it } from 'vitest';
import { describeWith, eventually, eventuallyPasses } from '../support/real-parts.ts';
import { registryRigs } from './registry-rigs.ts';
import { startScene } from './scene.ts';

const files = registryRigs.find(({ name }) => name === 'files');
if (files === undefined) throw new Error('the files rig is missing');

describeWith(['envoy'], 'rejection by a real Envoy', () => {
  it.each([{ workers: 0 }, { workers: 2 }])(
    'is shown with object, file and line, is never sent again, and holds up nothing else, workers: $workers',
    {
      timeout: 60_000,
    },
    async ({ workers }) => {
      await using scene = await startScene({ rig: files, config: { xds: { workers } } });
      await scene.instance('web', 'web-1');
      await scene.settled('web');
      await eventually(async () => scene.product.process().logs().includes('ready: first sync done'));
      // A port that another process holds: valid configuration that this Envoy cannot take.
      const squatter = createServer();
      await new Promise<void>((resolve) => squatter.listen(0, '127.0.0.1', resolve));
      const taken = (squatter.address() as AddressInfo).port;
      scene.product.write(
        'edge.yaml',
        `apiVersion: chancery/v1\nkind: Gateway\nmetadata: {name: edge}\nspec:\n  listeners:\n  - {name: http, port: ${scene.port}, protocol: http}\n  - {name: second, port: ${taken}, protocol: http}\n`,
      );
      const status = await eventually(async () => {
        const current = await scene.product.status();
        return current.rejections.length > 0 ? current : undefined;
      });
      const [rejection] = status.rejections;
      expect(rejection).toMatchObject({ node: 'edge-1', type: expect.stringContaining('Listener') });
      expect(rejection?.message).toMatch(/in use|bind/i);
      const [blamed] = rejection?.resources ?? [];
      expect(blamed?.name).toContain('second');
      expect(blamed?.provenance).toContainEqual(
        expect.objectContaining({ object: 'Gateway default/edge', file: expect.stringContaining('edge.yaml') }),
      );
      const proxy = status.proxies.find(({ node }) => node === 'edge-1');
      expect(proxy?.state).toBe('rejecting');
      expect(status.refusals).toMatchObject([{ type: 'LDS', name: blamed?.name, proxies: 1, nodes: ['edge-1'] }]);
      expect((await scene.product.cli('status')).stdout).toMatch(
        /^refused for \d+s: LDS \S+ from Gateway default\/edge \(.*edge\.yaml:\d+:\d+\) by 1 proxy \(edge-1\)\n {2}.*(in use|bind)/im,
      );
      expect((await scene.product.cli('status', 'edge-1', '--resources')).stdout).toMatch(
        /^LDS +\S*second\S* +error .*bind/im,
      );

      // The rest goes on: traffic, and the next change.
      expect(await scene.tally('web', 10)).toEqual({ 'web-1': 10 });
      await scene.instance('late', 'late-1');
      await eventuallyPasses(async () => expect(await scene.who('late')).toBe('late-1'));
      // No loop: refused once (Envoy may be told again only with other content).
      const refused = await scene.edge.stat('listener_manager.lds.update_rejected');
      expect(refused).toBeLessThanOrEqual(2);
      const lines = scene.product
        .process()
        .logs()
        .split('\n')
        .filter((line) => line.includes('refused configuration'));
      expect(lines.length).toBe(refused);
      expect(lines[0]).toContain('edge.yaml');

      // Mended: the refusal is gone.
      scene.product.write(
        'edge.yaml',
        `apiVersion: chancery/v1\nkind: Gateway\nmetadata: {name: edge}\nspec:\n  listeners: [{name: http, port: ${scene.port}, protocol: http}]\n`,
      );
      await eventuallyPasses(async () => expect((await scene.product.status()).proxies[0]?.state).toBe('synced'));
      expect((await scene.product.status()).refusals).toEqual([]);
      squatter.close();
      expect(await (await scene.product.api('GET', '/metrics')).text()).toMatch(/^chancery_xds_streams 1$/m);
      await scene.product.stop();
      expect(scene.product.process().logs()).toContain('chancery stopped');
    },
  );
});
