// Hand-written configuration for real Envoys that take scoped routes, runtime, extensions and secrets from us, or virtual
// hosts and clusters when a request needs them. Everything comes over ADS.
// Invariant: deps are complete, as translate's are.
import { readFileSync } from 'node:fs';
import type { Resource } from '../../../src/resources/resource.ts';
import { typeUrls } from '../../../src/resources/type-urls.ts';
import { ads, make } from './envoy-world.ts';

const extensions = 'type.googleapis.com/envoy.extensions';
const faultType = `${extensions}.filters.http.fault.v3.HTTPFault`;
const router = {
  name: 'envoy.filters.http.router',
  typed_config: { '@type': `${extensions}.filters.http.router.v3.Router` },
};

/** Routes every path to a fixed answer. */
export function answering(text: string): object {
  return { match: { prefix: '/' }, direct_response: { status: 200, body: { inline_string: text } } };
}

export interface ListenerShape {
  readonly port: number;
  /** Of the HTTP connection manager: routes and filters before the router. */
  readonly manager: object;
  readonly filters?: readonly object[];
  readonly transportSocket?: object;
  readonly deps?: Resource['deps'];
}

export function listener(
  name: string,
  { port, manager, filters = [], transportSocket, deps = [] }: ListenerShape,
): Resource {
  const typed_config = {
    '@type': `${extensions}.filters.network.http_connection_manager.v3.HttpConnectionManager`,
    stat_prefix: name,
    http_filters: [...filters, router],
    ...manager,
  };
  const chain = {
    filters: [{ name: 'envoy.filters.network.http_connection_manager', typed_config }],
    ...(transportSocket === undefined ? {} : { transport_socket: transportSocket }),
  };
  const address = { socket_address: { address: '127.0.0.1', port_value: port } };
  return make(typeUrls.listener, name, { json: { name, address, filter_chains: [chain] }, deps });
}

/** Routes by the header x-scope; `scopes` tells one subscription from another. */
export function scopedRoutes(scopes: string): object {
  return {
    scoped_routes: {
      name: scopes,
      scope_key_builder: { fragments: [{ header_value_extractor: { name: 'x-scope', index: 0 } }] },
      rds_config_source: ads,
      scoped_rds: { scoped_rds_config_source: ads },
    },
  };
}

/** A scope and its routes. */
export function scope(name: string, text: string): Resource[] {
  const routes = `routes-${name}`;
  const key = { fragments: [{ string_key: name }] };
  return [
    make(typeUrls.scopedRoutes, name, {
      json: { name, route_configuration_name: routes, key },
      deps: [{ type: typeUrls.routes, name: routes }],
    }),
    make(typeUrls.routes, routes, {
      json: { name: routes, virtual_hosts: [{ name: 'all', domains: ['*'], routes: [answering(text)] }] },
    }),
  ];
}

export function fixedRoutes(text: string): object {
  return {
    route_config: { name: 'fixed', virtual_hosts: [{ name: 'all', domains: ['*'], routes: [answering(text)] }] },
  };
}

export function runtime(value: string): Resource {
  return make(typeUrls.runtime, 'rt', { json: { name: 'rt', layer: { feature: value } } });
}

/** A filter of this name whose configuration comes by ECDS. */
export function discoveredFilter(name: string): object {
  return { name, config_discovery: { config_source: ads, type_urls: [faultType] } };
}

/** Aborts requests that carry x-fault. */
export function fault(name: string, http_status: number): Resource {
  const abort = { http_status, percentage: { numerator: 100 } };
  const headers = [{ name: 'x-fault', present_match: true }];
  return make(typeUrls.extension, name, { json: { name, typed_config: { '@type': faultType, abort, headers } } });
}

export function tlsSocket(secret: string): object {
  return {
    name: 'envoy.transport_sockets.tls',
    typed_config: {
      '@type': `${extensions}.transport_sockets.tls.v3.DownstreamTlsContext`,
      common_tls_context: { tls_certificate_sds_secret_configs: [{ name: secret, sds_config: ads }] },
    },
  };
}

export function secret(name: string, { cert, key }: { readonly cert: string; readonly key: string }): Resource {
  const inline = (file: string): object => ({ inline_string: readFileSync(file, 'utf8') });
  const tls_certificate = { certificate_chain: inline(cert), private_key: inline(key) };
  return make(typeUrls.secret, name, { json: { name, tls_certificate } });
}

export const discoveredRoutes: object = { rds: { route_config_name: 'main', config_source: ads } };

/** Routes whose virtual hosts come one by one from `source`; `note` is a header of every answer. */
export function routesByHost(note: string, source: object): Resource {
  const response_headers_to_add = [{ header: { key: 'x-note', value: note } }];
  return make(typeUrls.routes, 'main', {
    json: { name: 'main', vhds: { config_source: source }, response_headers_to_add },
  });
}

export function virtualHost(name: string, hosts: readonly string[], text: string): Resource {
  const own = `main/${name}`;
  const made = make(typeUrls.virtualHost, own, { json: { name: own, domains: hosts, routes: [answering(text)] } });
  return { ...made, aliases: hosts.map((host) => `main/${host}`) };
}

/** Pauses requests for what is not there yet; `clusters` also for clusters. */
export function onDemand(clusters: boolean): object {
  // Far longer than a test waits: only our answer ends it.
  const odcds = { source: ads, timeout: '60s' };
  const typed_config = { '@type': `${extensions}.filters.http.on_demand.v3.OnDemand`, ...(clusters ? { odcds } : {}) };
  return { name: 'envoy.filters.http.on_demand', typed_config };
}

/** The cluster is what the header x-cluster says. */
export const routesByHeader: object = {
  route_config: {
    name: 'by-header',
    virtual_hosts: [
      { name: 'all', domains: ['*'], routes: [{ match: { prefix: '/' }, route: { cluster_header: 'x-cluster' } }] },
    ],
  },
};
