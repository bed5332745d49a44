// TLS between real Envoys and the control plane, as `chancery bootstrap --xds-ca` sets it up: traffic flows, and an Envoy
// that is shown another authority or another name takes nothing.
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Backend, startBackend } from '../support/backends.ts';
import { type Authority, createAuthority, describeWithOpenssl, replaceFile } from '../support/certificates.ts';
import { ask } from '../support/load.ts';
import { type Product, startProduct } from '../support/product.ts';
import { describeWith, eventually, eventuallyPasses, freePort, type RunningEnvoy } from '../support/real-parts.ts';
import { createTempDir, type TempDir } from '../support/temp-dir.ts';

describeWithOpenssl('xDS over TLS', () => {
  let place: TempDir;
  let authority: Authority;
  let stranger: Authority;
  let files: { readonly cert: string; readonly key: string };
  let backend: Backend;
  let product: Product;

  beforeAll(async () => {
    place = createTempDir('xds-tls');
    authority = createAuthority(place.path);
    stranger = createAuthority(place.path, 'stranger');
    files = authority.leaf('plane', 'IP:127.0.0.1,DNS:plane.internal');
    backend = await startBackend('cart');
    // On every address, with nothing said to allow it but the certificate.
    product = await startProduct({
      config: { xds: { address: '0.0.0.0', tls: { ...files, clientCa: authority.ca } } },
    });
  }, 60_000);
  afterAll(async () => {
    await product?.[Symbol.asyncDispose]();
    await backend?.crash();
    place?.remove();
  });

  const own = (): string[] => {
    const { cert, key } = authority.leaf('proxy', 'DNS:proxy');
    return ['--xds-cert', cert, '--xds-key', key];
  };

  for (const [part, bin] of [
    ['envoy', undefined],
    ['envoy-oldest', 'oldest'],
  ] as const) {
    const options = bin === undefined ? {} : { bin };
    const refused = async (args: readonly string[], stat: string): Promise<void> => {
      const envoy = await product.envoy('refused', ['--gateway', 'edge', ...args], { ...options, waitFor: 'admin' });
      await eventually(async () => (await envoy.stat(`cluster.chancery.${stat}`)) > 0);
      expect(await envoy.stat('cluster_manager.cds.update_success')).toBe(0);
      await envoy.stop();
    };

    const timesRead = (): number => product.process().logs().split('certificate of the xDS port read').length - 1;
    /** The product has read its certificate so often. */
    const read = (times: number): Promise<unknown> => eventually(() => timesRead() >= times);

    describeWith([part], part, () => {
      it('serves traffic, over a new certificate too', { timeout: 60_000 }, async () => {
        const port = await freePort();
        const service = `{address: 127.0.0.1, port: ${backend.port}}`;
        product.write(
          'all.yaml',
          `{apiVersion: chancery/v1, kind: Gateway, metadata: {name: edge}, spec: {listeners: [{port: ${port}}]}}\n---\n` +
            `{apiVersion: chancery/v1, kind: Service, metadata: {name: cart}, spec: {endpoints: [${service}]}}\n`,
        );
        const args = ['--gateway', 'edge', '--xds-ca', authority.ca, ...own()];
        const envoy: RunningEnvoy = await product.envoy('edge-1', args, options);
        await eventuallyPasses(async () => {
          expect((await ask({ port, host: 'cart' })).headers['x-backend']).toBe('cart');
        });
        expect(await envoy.stat('cluster.chancery.ssl.versions.TLSv1.3')).toBeGreaterThan(0);

        const next = authority.leaf('next', 'DNS:plane.internal');
        const before = { cert: `${files.cert}.before`, key: `${files.key}.before`, times: timesRead() };
        replaceFile(files.cert, before.cert);
        replaceFile(files.key, before.key);
        replaceFile(next.key, files.key);
        replaceFile(next.cert, files.cert);
        const named = [...args, '--xds-name', 'plane.internal'];
        await read(before.times + 1);
        const second = await product.envoy('edge-2', named, { ...options, waitFor: 'admin' });
        await eventually(async () => (await second.stat('cluster_manager.cds.update_success')) > 0);
        await second.stop();
        // The first one was not disturbed.
        expect(await envoy.stat('cluster.chancery.upstream_cx_total')).toBe(1);
        await envoy.stop();
        replaceFile(before.key, files.key);
        replaceFile(before.cert, files.cert);
        await read(before.times + 2);
      });

      it('takes nothing from a stranger, by authority or by name, and lets in none', { timeout: 60_000 }, async () => {
        const mine = own();
        await Promise.all([
          refused(['--xds-ca', stranger.ca, ...mine], 'ssl.fail_verify_error'),
          refused(['--xds-ca', authority.ca, '--xds-name', 'other.internal', ...mine], 'ssl.fail_verify_san'),
          // TLS 1.3: the client believes it is connected before the server has looked at what it showed.
          refused(['--xds-ca', authority.ca], 'upstream_cx_destroy_remote'),
          refused([], 'upstream_cx_destroy_remote'),
        ]);
        await eventuallyPasses(() =>
          expect(product.process().logs()).toContain('"reason":"peer did not return a certificate"'),
        );
        expect(product.process().logs()).not.toContain('openssl');
      });
    });
  }
});
