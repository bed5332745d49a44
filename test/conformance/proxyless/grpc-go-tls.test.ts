// grpc-go reaches the control plane over TLS with the very bootstrap that is printed for it.
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { registryRigs } from '../../e2e/registry-rigs.ts';
import { createAuthority, describeWithOpenssl } from '../../support/certificates.ts';
import { startGrpcBackend } from '../../support/grpc-backends.ts';
import { startGrpcClient } from '../../support/grpc-client.ts';
import { describeWithGo, grpcGoBuildMs, grpcGoClient } from '../../support/grpc-go.ts';
import { startProduct } from '../../support/product.ts';
import { eventuallyPasses } from '../../support/real-parts.ts';
import { createTempDir } from '../../support/temp-dir.ts';

describeWithOpenssl('TLS to the control plane', () => {
  describeWithGo('from grpc-go', () => {
    it(
      'is what its bootstrap says, with a certificate of its own',
      async () => {
        const dir = createTempDir('grpc-tls');
        const authority = createAuthority(dir.path);
        const tls = { ...authority.leaf('plane', 'IP:127.0.0.1'), clientCa: authority.ca };
        const own = authority.leaf('caller', 'DNS:caller');
        const rig = registryRigs.find(({ name }) => name === 'files');
        await using registry = await rig?.start();
        await using backend = await startGrpcBackend('cart-1');
        await registry?.put({ service: 'cart', id: 'cart-1', port: backend.port });
        await using product = await startProduct({
          registries: registry === undefined ? [] : [registry.config],
          config: { xds: { tls } },
        });
        const printed = await product.cli(
          ...['bootstrap', 'caller-1', '--grpc', '--xds', `127.0.0.1:${product.xdsPort}`],
          ...['--xds-ca', join(dir.path, 'ca.pem'), '--xds-cert', own.cert, '--xds-key', own.key],
        );
        await using client = await startGrpcClient(printed.stdout, await grpcGoClient());
        await eventuallyPasses(async () =>
          expect(await client.call('xds:///cart', { deadlineMs: 5000 })).toMatchObject({ seen: { 'cart-1': 1 } }),
        );
        dir.remove();
      },
      grpcGoBuildMs,
    );
  });
});
