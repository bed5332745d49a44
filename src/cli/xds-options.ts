// How the configuration's `xds` section becomes the options of the xDS server, here and in every worker thread.
// It must not read files. Invariant: the result is plain data, which threads can pass on; without TLS only where `insecure` says so.
import type { Config } from '../model/config.ts';
import { AppError } from '../util/errors.ts';
import type { XdsServerOptions } from '../xds/grpc/server.ts';
import type { Trust } from './trust.ts';

/**
 * `own`: files of our own authority; the certificate in them is shown where the configuration names none. Throws CH1501 for
 * plaintext that nobody asked for.
 */
export function xdsOptions(config: Config['xds'], own?: Trust['files']): XdsServerOptions {
  const { address, port, insecure, transport, tls, newStreamsPerSecond } = config;
  const secured = tlsOptions(tls, own);
  if (secured.tls === undefined && !insecure)
    throw new AppError('CH1501', `xDS would listen in plaintext on ${address}`);
  return {
    ...{ address, port, insecure, transport, loadIntervalMs: config.loadReportSeconds * 1000 },
    ...secured,
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

/** What whoever starts it ought to know, where less is asked of proxies than by default. */
export function trustNotice({ trust, xds }: Pick<Config, 'trust' | 'xds'>): string | undefined {
  if (trust !== undefined) return undefined;
  if (xds.tls === undefined)
    return 'insecure: xDS speaks plaintext, nobody is asked who they are, and proxies get no certificates. Start without --insecure (xds.insecure) to have trust';
  const asked =
    xds.tls.clientCa === undefined ? 'nobody is asked who they are' : 'any client certificate may be any proxy';
  return `no trust: xds.tls has certificates of yours, ${asked}, and proxies get no certificates. Write "trust: {}" to have trust`;
}

function tlsOptions(tls: Config['xds']['tls'], own: Trust['files'] | undefined): Pick<XdsServerOptions, 'tls'> {
  const { cert, key } = tls ?? own ?? {};
  if (cert === undefined || key === undefined) return {};
  const shown = { cert, key, minVersion: tls?.minVersion ?? ('1.3' as const) };
  if (tls?.clientCa !== undefined) return { tls: { ...shown, clientCa: tls.clientCa } };
  // Those who have no certificate show a token.
  return { tls: own === undefined ? shown : { ...shown, clientCa: own.roots, clientCertificates: 'optional' } };
}
