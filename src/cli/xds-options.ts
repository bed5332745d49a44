// How the configuration's `xds` section becomes the options of the xDS server, here and in every worker thread.
// It must not read files. Invariant: the result is plain data, which threads can pass on.
import type { Config } from '../model/config.ts';
import type { XdsServerOptions } from '../xds/grpc/server.ts';

export function xdsOptions(config: Config['xds']): XdsServerOptions {
  const { address, port, insecure, transport, tls, newStreamsPerSecond } = config;
  return {
    ...{ address, port, insecure, transport, loadIntervalMs: config.loadReportSeconds * 1000 },
    ...(tls === undefined ? {} : { tls: tlsOptions(tls) }),
    maxConnections: config.maxConnections,
    maxStreamsPerConnection: config.maxStreamsPerConnection,
    maxStreamsPerNode: config.maxStreamsPerNode,
    admission: {
      ...{ perSecond: newStreamsPerSecond, burst: newStreamsPerSecond, maxWaiting: newStreamsPerSecond * 10 },
      maxPerAddress: config.maxStreamsPerAddress,
    },
    maxConnectionAgeMs: config.maxConnectionAgeSeconds * 1000,
  };
}

function tlsOptions({ cert, key, clientCa, minVersion }: NonNullable<Config['xds']['tls']>) {
  return { cert, key, minVersion, ...(clientCa === undefined ? {} : { clientCa }) };
}
