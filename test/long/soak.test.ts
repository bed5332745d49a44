// Minutes of constant requests through a real Envoy while instances are replaced, routes are edited and broken, and the
// control plane is killed and restarted, over and over: not one request fails, and memory stays where it was.
// TEST_SOAK_SECONDS sets the length (default 180).
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { type Backend, startBackend } from '../support/backends.ts';
import { ask, startLoad } from '../support/load.ts';
import { type Product, startProduct } from '../support/product.ts';
import { describeWith, eventuallyPasses, freePort } from '../support/real-parts.ts';
import { createTempDir } from '../support/temp-dir.ts';

const seconds = Number(process.env['TEST_SOAK_SECONDS'] ?? 180);
const residentMb = (pid: number): number =>
  Number(execFileSync('ps', ['-o', 'rss=', '-p', String(pid)], { encoding: 'utf8' })) / 1024;

const gateway = (port: number): string =>
  `apiVersion: chancery/v1\nkind: Gateway\nmetadata: {name: edge}\nspec:\n  listeners: [{name: http, port: ${port}, protocol: http}]\n`;
const route = (round: number): string =>
  `apiVersion: chancery/v1\nkind: Route\nmetadata: {name: shop}\nspec:\n  hosts: [shop.service.local]\n  rules:\n` +
  `  - match: [{path: {exact: /round}}]\n    respond: {status: 200, body: "${round}"}\n  - to: [{service: web}]\n`;

async function synced(product: Product): Promise<void> {
  await eventuallyPasses(
    async () => {
      const { proxies } = await product.status();
      expect(proxies.map(({ state }) => state)).toEqual(['synced']);
    },
    { deadlineMs: 30_000 },
  );
}

describeWith(['envoy'], 'soak', () => {
  it(
    'loses no request and keeps its memory',
    async () => {
      using registry = createTempDir('soak');
      const register = (backends: readonly Backend[]): void =>
        writeFileSync(
          join(registry.path, 'web.yaml'),
          JSON.stringify({
            service: 'web',
            instances: backends.map(({ name, port }) => ({ id: name, address: '127.0.0.1', port })),
          }),
        );
      let backends = [await startBackend('web-0'), await startBackend('web-1')];
      register(backends);
      await using product = await startProduct({ registries: [{ kind: 'files', path: registry.path }] });
      const port = await freePort();
      product.write('edge.yaml', gateway(port));
      product.write('shop.yaml', route(0));
      await product.envoy('edge-1', ['--gateway', 'edge']);
      const host = 'shop.service.local';
      await eventuallyPasses(async () => expect((await ask({ port, host })).status).toBe(200));

      const load = startLoad({ port, host, perSecond: 100, maxSeconds: seconds + 120 });
      const end = performance.now() + seconds * 1000;
      let memoryAfterWarmUp: number | undefined;
      let round = 0;
      while (performance.now() < end) {
        round++;
        // A new instance comes, an old one goes once no proxy has it any more.
        const fresh = await startBackend(`web-${round + 1}`);
        const [old, ...rest] = backends;
        backends = [...rest, fresh];
        register(backends);
        product.write('shop.yaml', route(round));
        await eventuallyPasses(async () =>
          expect((await ask({ port, host, path: '/round' })).body).toBe(String(round)),
        );
        await eventuallyPasses(() => expect(fresh.requests()).toBeGreaterThan(0));
        await synced(product);
        await old?.stop();
        product.write(
          'broken.yaml',
          round % 2 === 0
            ? 'apiVersion: chancery/v1\nkind: Route\n  bad'
            : route(round).replaceAll('shop', 'bad').replace('to:', 'too:'),
        );
        if (round % 10 === 5) {
          await product.kill();
          await product.start();
          memoryAfterWarmUp = undefined;
        } else if (round % 10 === 9) {
          memoryAfterWarmUp ??= residentMb(product.process().pid);
        }
      }
      const memory = residentMb(product.process().pid);
      const result = await load.stop();
      await Promise.all(backends.map((backend) => backend.crash()));
      expect(result.failures).toEqual({});
      expect(result.sent).toBeGreaterThan(seconds * 50);
      expect(round).toBeGreaterThan(5);
      if (memoryAfterWarmUp !== undefined) expect(memory - memoryAfterWarmUp).toBeLessThan(60);
    },
    (seconds + 180) * 1000,
  );
});
