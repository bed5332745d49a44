// The file that `envoy -c` takes: who the proxy is, where Chancery is, and a stats listener; all else comes by xDS.
// It must not hold a secret, and does no I/O. Invariant: the admin port is on loopback and never routed to but for
// `GET /stats/prometheus` and `GET /ready`; what the node says of itself only chooses presentation.
import { isIP } from 'node:net';
import type { BootstrapJson } from '../gen/envoy/config/bootstrap/v3/bootstrap_pb.js';
import type { ClusterJson } from '../gen/envoy/config/cluster/v3/cluster_pb.js';
import type { AddressJson } from '../gen/envoy/config/core/v3/address_pb.js';
import type { ListenerJson } from '../gen/envoy/config/listener/v3/listener_pb.js';
import type { HttpConnectionManagerJson } from '../gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js';
import type { HttpProtocolOptionsJson } from '../gen/envoy/extensions/upstreams/http/v3/http_protocol_options_pb.js';
import { AppError } from '../util/errors.ts';
import { bootstrapClusters } from './cluster-names.ts';
import { httpFilters } from './filters/index.ts';
import type { Binding } from './profile.ts';
import { restSource } from './rest-sources.ts';
import { tlsSocket, tokenFilters, type XdsSecrets, type XdsTls } from './xds-credentials.ts';

export interface BootstrapOptions {
  /** Unique among all proxies. */
  readonly node: string;
  readonly role: 'gateway' | 'sidecar';
  /** Of a sidecar. */
  readonly service?: string;
  readonly namespace?: string;
  /** Of a gateway: the name of its Gateway object. */
  readonly gateway?: string;
  /** The registry's id of the instance beside it; default the node. */
  readonly instance?: string;
  readonly outbound?: Binding;
  readonly upstreams?: readonly (Binding & { readonly service: string })[];
  readonly locality?: { readonly region?: string; readonly zone?: string; readonly subZone?: string };
  /** Where Chancery's xDS listens; a host name is resolved by Envoy. */
  readonly xds: Binding;
  /** TLS to it: the authority to trust, and the one name its certificate must have; default the host of `xds`. */
  readonly xdsTls?: XdsTls;
  /** The same by files that are replaced while Envoy runs. Not beside `xdsTls`. */
  readonly xdsSecrets?: XdsSecrets;
  /** The token it proves itself with: only to whom the authority and the name are pinned. */
  readonly xdsToken?: { readonly tokenFile: string };
  /** Default 127.0.0.1:9901. */
  readonly admin?: Binding;
  /** Default 127.0.0.1:9902; false: none. */
  readonly stats?: Binding | false;
  /** Tells Chancery the load of each cluster. */
  readonly loadReports?: boolean;
  /** Default `delta`. `rest` polls over HTTP/1.1, where nothing lets a stream through. */
  readonly variant?: 'delta' | 'sotw' | 'rest';
}

const { xds: xdsCluster, admin: adminCluster } = bootstrapClusters;
const httpOptions = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';
const managerType = 'envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager';

export const defaultAdmin: Binding = { address: '127.0.0.1', port: 9901 };
export const defaultStats: Binding = { address: '127.0.0.1', port: 9902 };

function socket({ address, port }: Binding): AddressJson {
  return { socketAddress: { address, portValue: port } };
}

function staticCluster(name: string, to: Binding): ClusterJson {
  const byName = isIP(to.address) === 0;
  return {
    name,
    type: byName ? 'STRICT_DNS' : 'STATIC',
    ...(byName ? { dnsLookupFamily: 'V4_PREFERRED', respectDnsTtl: true } : {}),
    connectTimeout: '1s',
    loadAssignment: {
      clusterName: name,
      endpoints: [{ lbEndpoints: [{ endpoint: { address: socket(to) } }] }],
    },
  };
}

/** HTTP/2 with keepalive, so that a control plane that vanished without a word is noticed and dialled again. */
function controlPlane({ xds: to, variant, ...credentials }: BootstrapOptions): ClusterJson {
  const tls = credentials.xdsSecrets ?? credentials.xdsTls;
  if (credentials.xdsToken !== undefined && tls === undefined)
    throw new AppError('CH1231', 'a token is sent only to a control plane whose authority and name are pinned');
  const options: HttpProtocolOptionsJson = {
    explicitHttpConfig:
      variant === 'rest'
        ? { httpProtocolOptions: {} }
        : { http2ProtocolOptions: { connectionKeepalive: { interval: '30s', timeout: '5s' } } },
    ...(credentials.xdsToken === undefined ? {} : { httpFilters: [...tokenFilters(credentials.xdsToken.tokenFile)] }),
  };
  return {
    ...staticCluster(xdsCluster, to),
    upstreamConnectionOptions: { tcpKeepalive: { keepaliveTime: 60 } },
    ...(tls === undefined
      ? {}
      : { transportSocket: tlsSocket(tls, to.address, variant === 'rest' ? 'http/1.1' : 'h2') }),
    typedExtensionProtocolOptions: { [httpOptions]: { '@type': `type.googleapis.com/${httpOptions}`, ...options } },
  };
}

function statsListener(at: Binding): ListenerJson {
  const get = [{ name: ':method', stringMatch: { exact: 'GET' } }];
  const manager: HttpConnectionManagerJson = {
    statPrefix: 'stats',
    httpFilters: httpFilters(),
    routeConfig: {
      name: 'stats',
      virtualHosts: [
        {
          name: 'stats',
          domains: ['*'],
          routes: ['/stats/prometheus', '/ready'].map((path) => ({
            match: { path, headers: get },
            route: { cluster: adminCluster },
          })),
        },
      ],
    },
    // Only what is routed may pass: no `/stats/../quitquitquit`.
    normalizePath: true,
  };
  return {
    name: 'stats',
    address: socket(at),
    filterChains: [
      {
        filters: [
          {
            name: 'envoy.filters.network.http_connection_manager',
            typedConfig: { '@type': `type.googleapis.com/${managerType}`, ...manager },
          },
        ],
      },
    ],
  };
}

/** As for configuration: on the same connection. */
const loadStatsConfig: NonNullable<BootstrapJson['clusterManager']>['loadStatsConfig'] = {
  apiType: 'GRPC',
  transportApiVersion: 'V3',
  grpcServices: [{ envoyGrpc: { clusterName: xdsCluster } }],
};

function hostPort({ address, port }: Binding): string {
  return isIP(address) === 6 ? `[${address}]:${port}` : `${address}:${port}`;
}

/** What the proxy says of itself; control reads it as claims. */
function claims(options: BootstrapOptions): Readonly<Record<string, unknown>> {
  const { role, service, namespace, gateway, instance, outbound, upstreams = [], stats } = options;
  return {
    role,
    ...(service === undefined ? {} : { service }),
    ...(namespace === undefined ? {} : { namespace }),
    ...(gateway === undefined ? {} : { gateway }),
    ...(instance === undefined ? {} : { instance }),
    ...(outbound === undefined ? {} : { outbound: hostPort(outbound) }),
    ...(upstreams.length === 0
      ? {}
      : { upstreams: upstreams.map(({ service: name, address, port }) => ({ service: name, address, port })) }),
    ...(stats === false ? {} : { stats: hostPort(stats ?? defaultStats) }),
  };
}

function dynamicResources(variant: BootstrapOptions['variant']): NonNullable<BootstrapJson['dynamicResources']> {
  if (variant === 'rest') {
    const source = { apiConfigSource: restSource, resourceApiVersion: 'V3' } as const;
    return { cdsConfig: source, ldsConfig: source };
  }
  return {
    adsConfig: {
      apiType: variant === 'sotw' ? 'GRPC' : 'DELTA_GRPC',
      transportApiVersion: 'V3',
      grpcServices: [{ envoyGrpc: { clusterName: xdsCluster } }],
      setNodeOnFirstMessageOnly: true,
    },
    cdsConfig: { ads: {}, resourceApiVersion: 'V3' },
    ldsConfig: { ads: {}, resourceApiVersion: 'V3' },
  };
}

/** A complete bootstrap. Throws CH1231 where a token would go to whoever answers. Source: Envoy docs, configuration/overview/bootstrap and xds_api. */
export function bootstrap(options: BootstrapOptions): BootstrapJson {
  const { locality, stats = defaultStats, admin = defaultAdmin } = options;
  return {
    node: {
      id: options.node,
      cluster: (options.role === 'gateway' ? options.gateway : options.service) ?? options.node,
      ...(locality === undefined ? {} : { locality }),
      metadata: { chancery: claims(options) } as NonNullable<NonNullable<BootstrapJson['node']>['metadata']>,
    },
    dynamicResources: dynamicResources(options.variant),
    ...(options.loadReports === true ? { clusterManager: { loadStatsConfig } } : {}),
    staticResources: {
      clusters: [controlPlane(options), ...(stats === false ? [] : [staticCluster(adminCluster, admin)])],
      ...(stats === false ? {} : { listeners: [statsListener(stats)] }),
    },
    admin: { address: socket(admin) },
    layeredRuntime: {
      layers: [
        {
          name: 'chancery',
          // Envoy refuses regular expressions above a program size of 100, which a list of a few words already has, and
          // with it all routes beside them. How large one may be is told when its object is read, where it costs only it.
          staticLayer: {
            're2.max_program_size.error_level': 4_294_967_295,
            // Else Envoy counts, and forgets, what ends in an interval in which nothing begins. Older ones ignore it.
            ...(options.loadReports === true
              ? { 'envoy.reloadable_features.report_load_for_non_zero_stats': true }
              : {}),
          },
        },
        { name: 'admin', adminLayer: {} },
      ],
    },
  };
}
