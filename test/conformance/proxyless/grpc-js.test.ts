// grpc-js and its xDS client against the real product.
import { describe } from 'vitest';
import { startGrpcClient } from '../../support/grpc-client.ts';
import { proxylessSuite } from './client-suite.ts';

describe('a proxyless client on grpc-js', () => {
  proxylessSuite({
    userAgent: 'gRPC Node Pure JS',
    workers: 0,
    // 1.14.1 keeps a deleted resource to compare with, and takes an equal one that returns for no news.
    deletes: false,
    start: (bootstrap) => startGrpcClient(bootstrap),
  });
});
