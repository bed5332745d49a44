// A minimal hand-written configuration for a real Envoy: one listener, one route configuration, clusters by EDS.
// Invariant: deps are complete, as translate's are.
import { readFileSync } from 'node:fs';
import { createProtos } from '../../../src/resources/protos.ts';
import type { Resource } from '../../../src/resources/resource.ts';
import { type TypeUrl, typeUrls } from '../../../src/resources/type-urls.ts';
import { resource } from '../../support/static-views.ts';

const protos = createProtos(readFileSync(new URL('../../../src/gen/envoy.binpb', import.meta.url)));

export type Variant = 'sotw' | 'delta';
export interface Channel {
  readonly variant: Variant;
  readonly aggregated: boolean;
}

/** A resource whose bytes are the message. */
export function make(
  type: TypeUrl,
  name: string,
  { json, deps = [] }: { json: object; deps?: Resource['deps'] },
): Resource {
  return resource(type, name, { bytes: protos.encode(type, json), deps });
}

/** The source of everything on an aggregated stream. */
export const ads = { resource_api_version: 'V3', ads: {} };

export interface WorldShape {
  readonly channel: Channel;
  readonly listenPort: number;
  /** Ports of each cluster's endpoints. */
  readonly clusters: Readonly<Record<string, readonly number[]>>;
  /** The cluster every request goes to. */
  readonly route: string;
  /** Changes the clusters' content, as a new setting would. */
  readonly connectTimeout?: string;
}

/** Where a resource of this type comes from, for a config_source inside it. */
export function configSource({ variant, aggregated }: Channel): object {
  if (aggregated) return ads;
  const api_type = variant === 'delta' ? 'DELTA_GRPC' : 'GRPC';
  return {
    resource_api_version: 'V3',
    api_config_source: {
      api_type,
      transport_api_version: 'V3',
      grpc_services: [{ envoy_grpc: { cluster_name: 'xds' } }],
    },
  };
}

export interface ClusterShape {
  readonly channel: Channel;
  readonly ports: readonly number[];
  readonly connectTimeout?: string;
}

/** A cluster by EDS, and its endpoints. */
export function cluster(name: string, { channel, ports, connectTimeout = '1s' }: ClusterShape): Resource[] {
  const eds_cluster_config = { eds_config: configSource(channel) };
  const lb_endpoints = ports.map((port_value) => ({
    endpoint: { address: { socket_address: { address: '127.0.0.1', port_value } } },
  }));
  return [
    make(typeUrls.cluster, name, {
      json: { name, type: 'EDS', connect_timeout: connectTimeout, eds_cluster_config },
      deps: [{ type: typeUrls.endpoints, name }],
    }),
    make(typeUrls.endpoints, name, { json: { cluster_name: name, endpoints: [{ lb_endpoints }] } }),
  ];
}

export function world(shape: WorldShape): Resource[] {
  const source = configSource(shape.channel);
  const { channel, connectTimeout } = shape;
  const clusters = Object.entries(shape.clusters).flatMap(([name, ports]) =>
    cluster(name, { channel, ports, ...(connectTimeout === undefined ? {} : { connectTimeout }) }),
  );
  return [
    ...clusters,
    make(typeUrls.listener, 'in', {
      json: {
        name: 'in',
        address: { socket_address: { address: '127.0.0.1', port_value: shape.listenPort } },
        filter_chains: [{ filters: [manager(source)] }],
      },
      deps: [{ type: typeUrls.routes, name: 'main' }],
    }),
    make(typeUrls.routes, 'main', {
      json: {
        name: 'main',
        virtual_hosts: [
          { name: 'all', domains: ['*'], routes: [{ match: { prefix: '/' }, route: { cluster: shape.route } }] },
        ],
      },
      deps: [{ type: typeUrls.cluster, name: shape.route }],
    }),
  ];
}

/** A cluster that fits its schema and that every Envoy rejects: by EDS, without a source of endpoints. */
export function badCluster(name: string): Resource {
  return make(typeUrls.cluster, name, { json: { name, type: 'EDS', connect_timeout: '1s' } });
}

function manager(source: object): object {
  return {
    name: 'envoy.filters.network.http_connection_manager',
    typed_config: {
      '@type': 'type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager',
      stat_prefix: 'in',
      rds: { route_config_name: 'main', config_source: source },
      http_filters: [
        {
          name: 'envoy.filters.http.router',
          typed_config: { '@type': 'type.googleapis.com/envoy.extensions.filters.http.router.v3.Router' },
        },
      ],
    },
  };
}

/** A bootstrap whose xDS cluster dials the port. */
export function bootstrap(channel: Channel, xdsPort: number): object {
  const source = configSource(channel);
  return {
    node: { id: 'test-node', cluster: 'test' },
    dynamic_resources: {
      lds_config: source,
      cds_config: source,
      ...(channel.aggregated
        ? {
            ads_config: {
              api_type: channel.variant === 'delta' ? 'DELTA_GRPC' : 'GRPC',
              transport_api_version: 'V3',
              grpc_services: [{ envoy_grpc: { cluster_name: 'xds' } }],
            },
          }
        : {}),
    },
    static_resources: {
      clusters: [
        {
          name: 'xds',
          type: 'STATIC',
          connect_timeout: '1s',
          typed_extension_protocol_options: {
            'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
              '@type': 'type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions',
              explicit_http_config: { http2_protocol_options: {} },
            },
          },
          load_assignment: {
            cluster_name: 'xds',
            endpoints: [
              {
                lb_endpoints: [
                  { endpoint: { address: { socket_address: { address: '127.0.0.1', port_value: xdsPort } } } },
                ],
              },
            ],
          },
        },
      ],
    },
  };
}
