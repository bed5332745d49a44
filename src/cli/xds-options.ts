// How the configuration's `xds` section becomes the options of the xDS server, here and in every worker thread.
// It must not read files. Invariant: the result is plain data, which threads can pass on.
import type { Config } from '../model/config.ts';
import type { XdsServerOptions } from '../xds/grpc/server.ts';

export function xdsOptions({ address, port, insecure, tls }: Config['xds']): XdsServerOptions {
  return {
    ...{ address, port, insecure },
    ...(tls === undefined ? {} : { tls: tlsOptions(tls) }),
  };
}

function tlsOptions({ cert, key, clientCa, minVersion }: NonNullable<Config['xds']['tls']>) {
  return { cert, key, minVersion, ...(clientCa === undefined ? {} : { clientCa }) };
}
