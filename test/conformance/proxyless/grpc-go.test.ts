// grpc-go's xDS client against the real product.
import { startGrpcClient } from '../../support/grpc-client.ts';
import { describeWithGo, grpcGoBuildMs, grpcGoClient } from '../../support/grpc-go.ts';
import { proxylessSuite } from './client-suite.ts';

describeWithGo('a proxyless client on grpc-go', () => {
  proxylessSuite({
    userAgent: 'gRPC Go',
    setUpMs: grpcGoBuildMs,
    workers: 2,
    deletes: true,
    start: async (bootstrap) => startGrpcClient(bootstrap, await grpcGoClient()),
  });
});
