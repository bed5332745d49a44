// The xDS resource types, their order in one change, and which are wildcard types.

export const typeUrls = {
  cluster: 'type.googleapis.com/envoy.config.cluster.v3.Cluster',
  endpoints: 'type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment',
  listener: 'type.googleapis.com/envoy.config.listener.v3.Listener',
  routes: 'type.googleapis.com/envoy.config.route.v3.RouteConfiguration',
  scopedRoutes: 'type.googleapis.com/envoy.config.route.v3.ScopedRouteConfiguration',
  virtualHost: 'type.googleapis.com/envoy.config.route.v3.VirtualHost',
  secret: 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret',
  runtime: 'type.googleapis.com/envoy.service.runtime.v3.Runtime',
  extension: 'type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig',
} as const;

export type TypeUrl = (typeof typeUrls)[keyof typeof typeUrls];

/** Short names for people and metric labels. */
export const shortNames: Readonly<Record<TypeUrl, string>> = {
  [typeUrls.cluster]: 'CDS',
  [typeUrls.endpoints]: 'EDS',
  [typeUrls.listener]: 'LDS',
  [typeUrls.routes]: 'RDS',
  [typeUrls.scopedRoutes]: 'SRDS',
  [typeUrls.virtualHost]: 'VHDS',
  [typeUrls.secret]: 'SDS',
  [typeUrls.runtime]: 'RTDS',
  [typeUrls.extension]: 'ECDS',
};

export function isTypeUrl(text: string): text is TypeUrl {
  return Object.hasOwn(shortNames, text);
}
