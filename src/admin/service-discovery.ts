// Targets for Prometheus' http_sd: Chancery itself and the stats listener of every connected proxy.
// Invariant: a proxy's admin port is never listed; a proxy that told no stats address is left out.
import type { ProxyStatus } from '../control/contract.ts';

export interface TargetGroup {
  readonly targets: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
}

export interface DiscoveryInput {
  /** `host:port` under which the asking Prometheus reached this server. */
  readonly self: string;
  readonly node: string;
  readonly proxies: readonly ProxyStatus[];
}

const wildcard = /^(0\.0\.0\.0|\[?::\]?):(\d+)$/;

/** A stats listener bound to every address is reached at the one its proxy came from. */
function target(stats: string, peer: string): string {
  const port = wildcard.exec(stats)?.[2];
  return port === undefined ? stats : `${peer.replace(/:\d+$/, '')}:${port}`;
}

export function prometheusTargets({ self, node, proxies }: DiscoveryInput): readonly TargetGroup[] {
  return [
    {
      targets: [self],
      labels: {
        __metrics_path__: '/metrics',
        job: 'chancery',
        service: 'chancery',
        proxy: node,
        role: 'control-plane',
      },
    },
    ...proxies.flatMap((proxy) =>
      proxy.stats === undefined || proxy.state === 'offline'
        ? []
        : [
            {
              targets: [target(proxy.stats, proxy.peer)],
              labels: {
                __metrics_path__: '/stats/prometheus',
                job: 'envoy',
                service: proxy.service,
                proxy: proxy.node,
                role: proxy.role,
              },
            },
          ],
    ),
  ];
}
