// A view as a bootstrap that needs no control plane: endpoints and routes written into clusters and listeners.
// What Envoy says of it, it would say of the same resources over xDS.
import type { Resource } from '../../src/resources/resource.ts';
import { type TypeUrl, typeUrls } from '../../src/resources/type-urls.ts';
import { bootstrap } from '../../src/translate/bootstrap.ts';
import { protocolOptions } from '../../src/translate/clusters.ts';
import type { ViewContent } from '../../src/translate/contract.ts';
import { testProtos } from './protos.ts';

export type Json = Record<string, unknown>;

/** Resources of one type as Envoy's own YAML names them, in the order of their names. */
export function readable(resources: ReadonlyMap<string, Resource> | undefined): Json[] {
  return [...(resources?.values() ?? [])]
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .map((resource) => testProtos().decode(resource.type, resource.bytes, { protoNames: true }) as Json);
}

export function ofType(content: ViewContent, type: TypeUrl): Json[] {
  return readable(content.resources.get(type));
}

/** The content with what it makes on demand for these names. */
export function asked(content: ViewContent, names: readonly string[]): ViewContent {
  const { onDemand } = content;
  if (onDemand === undefined) return content;
  const made = new Map(names.flatMap((name) => onDemand.get(name) ?? []).map((resource) => [resource.name, resource]));
  return { ...content, resources: new Map([...content.resources, [onDemand.type, made]]) };
}

/** Endpoints that the view's clusters ask for. */
export function endpointsOf(content: ViewContent, endpoints: ReadonlyMap<string, Resource>): Map<string, Resource> {
  const wanted = new Map<string, Resource>();
  for (const cluster of content.resources.get(typeUrls.cluster)?.values() ?? [])
    for (const { type, name } of cluster.deps) {
      const found = type === typeUrls.endpoints ? endpoints.get(name) : undefined;
      if (found !== undefined) wanted.set(name, found);
    }
  return wanted;
}

/** Any value with `change` applied to every object in it, deepest first. */
function mapObjects(value: unknown, change: (object: Json) => Json): unknown {
  if (Array.isArray(value)) return value.map((item) => mapObjects(item, change));
  if (value === null || typeof value !== 'object') return value;
  return change(Object.fromEntries(Object.entries(value).map(([key, item]) => [key, mapObjects(item, change)])));
}

/**
 * A gRPC client's listener as one Envoy can have: stock builds are without API listeners ("missing the API listener
 * extension"), so its connection manager gets an address.
 */
function withAddress({ api_listener: api, ...listener }: Json, index: number): Json {
  if (api === undefined) return listener;
  const { api_listener: typed_config } = api as { api_listener: Json };
  return {
    ...listener,
    address: { socket_address: { address: '127.0.0.1', port_value: 20_000 + index } },
    filter_chains: [{ filters: [{ name: 'envoy.filters.network.http_connection_manager', typed_config }] }],
  };
}

/** Where secrets come from when there are none: Envoy checks what names them, and would wait. (By ADS its check crashes.) */
const secretsToCome: Json = {
  api_config_source: {
    api_type: 'GRPC',
    transport_api_version: 'V3',
    grpc_services: [{ envoy_grpc: { cluster_name: 'nowhere' } }],
  },
  resource_api_version: 'V3',
};
const nowhere: Json = {
  name: 'nowhere',
  type: 'STATIC',
  connect_timeout: '1s',
  load_assignment: { cluster_name: 'nowhere' },
  ...protocolOptions('http2'),
};

/** `secrets`: what the view's clusters and listeners name, as Secret messages. Without them Envoy can check, but not serve. */
export function staticConfig(
  content: ViewContent,
  endpoints: ReadonlyMap<string, Resource>,
  secrets?: readonly Json[],
): Json {
  const assignments = new Map(
    readable(endpointsOf(content, endpoints)).map((assignment) => [assignment['cluster_name'], assignment]),
  );
  const routes = new Map(ofType(content, typeUrls.routes).map((routeConfig) => [routeConfig['name'], routeConfig]));
  // Of a cluster that asks for no endpoints.
  const bare = new Set(
    [...(content.resources.get(typeUrls.cluster)?.values() ?? [])]
      .filter(({ deps }) => deps.length === 0)
      .map(({ name }): unknown => name),
  );
  const clusters = ofType(content, typeUrls.cluster).map(({ eds_cluster_config: eds, ...cluster }) => {
    if (eds === undefined) return cluster;
    const { name } = cluster;
    const assignment = assignments.get(name) ?? (bare.has(name) ? { cluster_name: name } : undefined);
    if (assignment === undefined) throw new Error(`cluster ${String(cluster['name'])} has no endpoints`);
    return { ...cluster, type: 'STATIC', load_assignment: assignment };
  });
  const listeners = ofType(content, typeUrls.listener).map((listener, index) =>
    mapObjects(withAddress(listener, index), ({ rds, ...rest }) => {
      if (rds === undefined) return rest;
      const { route_config_name: name } = rds as { route_config_name: string };
      const routeConfig = routes.get(name);
      if (routeConfig === undefined) throw new Error(`there is no route configuration ${name}`);
      return { ...rest, route_config: routeConfig };
    }),
  );
  let named = false;
  const resolved = mapObjects({ clusters, listeners }, ({ sds_config: source, ...rest }) => {
    named ||= source !== undefined;
    return source === undefined || secrets !== undefined ? rest : { ...rest, sds_config: secretsToCome };
  }) as { clusters: Json[]; listeners: Json[] };
  const toCome = named && secrets === undefined;
  return {
    node: { id: 'static', cluster: 'static' },
    // As in every bootstrap of ours.
    layeredRuntime: bootstrap({ node: 'static', role: 'gateway', xds: { address: '127.0.0.1', port: 1 } })
      .layeredRuntime,
    static_resources: {
      clusters: toCome ? [...resolved.clusters, nowhere] : resolved.clusters,
      listeners: resolved.listeners,
      ...(secrets === undefined ? {} : { secrets }),
    },
    admin: { address: { socket_address: { address: '127.0.0.1', port_value: 0 } } },
  };
}
