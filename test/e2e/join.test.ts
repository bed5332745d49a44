// A node from its join token to traffic: the product with its own authority, its command line on the node, and real Envoys
// that prove themselves with what lies in files, also after those were replaced.
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Product, startProduct } from '../support/product.ts';
import { describeWith, eventually, eventuallyPasses, startEnvoy } from '../support/real-parts.ts';
import { createTempDir, type TempDir } from '../support/temp-dir.ts';

describe('joining', () => {
  let product: Product;
  let place: TempDir;
  beforeAll(async () => {
    place = createTempDir('join');
    product = await startProduct({ config: { trust: {} } });
    product.write(
      'all.yaml',
      '{apiVersion: chancery/v1, kind: Service, metadata: {name: web}, spec: {endpoints: [{address: 127.0.0.1, port: 1}]}}\n',
    );
  }, 60_000);
  afterAll(async () => {
    await product?.[Symbol.asyncDispose]();
    place?.remove();
  });

  const xds = (): string[] => ['--xds', `127.0.0.1:${product.xdsPort}`];
  const newToken = async (...args: string[]): Promise<string> => {
    const { code, stdout, stderr } = await product.cli('token', 'create', ...args);
    expect([code, stderr]).toEqual([0, expect.stringContaining('chancery bootstrap')]);
    return stdout.trim();
  };
  const folder = (node: string): string => join(place.path, node);
  const secretOf = (node: string): string =>
    /Bearer ([^"]+)/.exec(readFileSync(join(folder(node), 'token.json'), 'utf8'))?.[1] ?? expect.fail('no token');

  it('gives one node a credential in files of its owner', { timeout: 60_000 }, async () => {
    const token = await newToken('--service', 'web', '--ttl', '5m');
    const args = (node: string) => ['bootstrap', node, '--join', token, '--credentials', folder(node), ...xds()];
    const joined = await product.cli(...args('web-1'));
    expect([joined.code, joined.stderr]).toEqual([0, expect.stringContaining('token for web in')]);
    expect(statSync(folder('web-1')).mode & 0o777).toBe(0o700);
    for (const file of readdirSync(folder('web-1')))
      expect(statSync(join(folder('web-1'), file)).mode & 0o777).toBe(0o600);
    // T4: once.
    const again = await product.cli(...args('web-2'));
    expect([again.code, again.stderr]).toEqual([1, expect.stringContaining('[CH1851]')]);
    expect(existsSync(join(folder('web-2'), 'credential.json'))).toBe(false);
    // T21: neither secret is in what was printed or logged, nor in what the API tells.
    const secrets = [secretOf('web-1'), token.split('.')[2] ?? expect.fail('no secret')];
    const told = [
      ...[joined.stdout, joined.stderr, again.stderr, product.process().logs()],
      ...(await Promise.all(
        ['/api/v1/trust/join-tokens', '/api/v1/trust/certificates', '/api/v1/status', '/metrics'].map(async (path) =>
          (await product.api('GET', path)).text(),
        ),
      )),
    ];
    for (const secret of secrets) for (const text of told) expect(text).not.toContain(secret);
    expect(product.process().logs()).toContain('a node got a credential');
  });

  it('makes a token worth nothing before it is used', { timeout: 60_000 }, async () => {
    const token = await newToken('--service', 'web');
    expect((await product.cli('token', 'list')).stdout).toContain(token.split('.')[1]);
    expect((await product.cli('token', 'revoke', token)).code).toBe(0);
    const refused = await product.cli('bootstrap', 'x', '--join', token, '--credentials', folder('x'), ...xds());
    expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining('[CH1851]')]);
  });

  for (const [part, bin] of [
    ['envoy', undefined],
    ['envoy-oldest', 'oldest'],
  ] as const)
    describeWith([part], part, () => {
      const options = bin === undefined ? {} : { bin };

      it('lets an Envoy in by its token, by its next one, and by none other', { timeout: 90_000 }, async () => {
        const node = `${part}-token`;
        const token = await newToken('--gateway', 'edge');
        const envoy = await product.envoy(node, ['--join', token, '--credentials', folder(node)], options);
        await eventually(async () => (await envoy.stat('cluster_manager.cds.update_success')) > 0);
        const before = secretOf(node);

        const renewed = await product.cli('renew', folder(node), '--now');
        expect([renewed.code, renewed.stdout]).toEqual([0, expect.stringContaining('renewed, until')]);
        expect(secretOf(node)).not.toBe(before);
        await eventuallyPasses(async () => expect(await envoy.stat('sds.xds_token.update_success')).toBeGreaterThan(1));
        // The earlier one holds no more: its stream ends, and the next one is of the next token.
        const streams = await envoy.stat('cluster.chancery.upstream_rq_total');
        const { jti } = JSON.parse(Buffer.from(before.split('.')[1] ?? '', 'base64url').toString()) as { jti: string };
        const revoked = await product.api(
          'POST',
          '/api/v1/trust/revocations',
          JSON.stringify({ kind: 'token', id: jti, only: true }),
        );
        expect(revoked.status).toBe(201);
        await eventually(async () => (await envoy.stat('cluster.chancery.upstream_rq_total')) > streams);
        await eventuallyPasses(async () => {
          expect(await envoy.stat('control_plane.connected_state')).toBe(1);
          const { proxies } = await product.status();
          expect(proxies.find((proxy) => proxy.node === node)?.state).toBe('synced');
        });
        await envoy.stop();

        const bootstrap = await product.cli('bootstrap', node, '--credentials', folder(node), '-o', 'json', ...xds());
        writeFileSync(
          join(folder(node), 'token.json'),
          readFileSync(join(folder(node), 'token.json'), 'utf8').replace(secretOf(node), before),
        );
        const document = JSON.parse(bootstrap.stdout) as { admin?: unknown; staticResources: { listeners?: unknown } };
        const { admin: _, ...rest } = document;
        const { listeners: __, ...resources } = document.staticResources;
        const thief = await startEnvoy({ ...rest, staticResources: resources }, { ...options, waitFor: 'admin' });
        await eventually(async () => (await thief.stat('cluster.chancery.upstream_rq_total')) > 0);
        await eventuallyPasses(async () =>
          expect(await thief.stat('cluster_manager.cds.update_attempt')).toBeGreaterThan(0),
        );
        expect(await thief.stat('cluster_manager.cds.update_success')).toBe(0);
        await thief.stop();
      });

      it('lets an Envoy in that polls', { timeout: 60_000 }, async () => {
        const node = `${part}-polls`;
        const token = await newToken('--gateway', 'edge');
        const joining = ['--join', token, '--credentials', folder(node)];
        // Secrets of the mesh are not told to polls, so that what needs them does not get ready.
        const asked = ['bootstrap', node, '--xds', `127.0.0.1:${product.xdsPort}`];
        const refused = await product.cli(...asked, '--rest', ...joining);
        expect([refused.code, refused.stderr]).toEqual([64, expect.stringContaining('polls are never given secrets')]);
        expect((await product.cli(...asked, ...joining)).code).toBe(0);
        const name = 'spiffe://service.local/chancery';
        const files = ['--xds-ca', join(folder(node), 'roots.pem'), '--xds-token', join(folder(node), 'token.json')];
        const envoy = await product.envoy(node, ['--rest', '--gateway', 'edge', ...files, '--xds-name', name], {
          ...options,
          waitFor: 'admin',
        });
        await eventually(async () => (await envoy.stat('cluster_manager.cds.update_success')) > 0);
        await envoy.stop();
      });

      it('lets an Envoy in by a certificate whose key stayed on its machine', { timeout: 90_000 }, async () => {
        const node = `${part}-certificate`;
        const token = await newToken('--service', 'web');
        const args = ['--join', token, '--certificate', '--credentials', folder(node)];
        const envoy = await product.envoy(node, args, options);
        await eventually(async () => (await envoy.stat('cluster_manager.cds.update_success')) > 0);
        expect((await product.cli('renew', folder(node), '--now')).code).toBe(0);
        await eventuallyPasses(async () =>
          expect(
            await envoy.stat('cluster.chancery.client_ssl_socket_factory.ssl_context_update_by_sds'),
          ).toBeGreaterThan(2),
        );
        await envoy.stop();
      });
    });
});
