// The HTTP filters of every generated listener, in one place and one order.
// Invariant: a filter's place in this array is its place in Envoy, and each says why it stands there.
import type { HttpFilterJson } from '../../gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js';

const router = 'envoy.extensions.filters.http.router.v3.Router';

export function httpFilters(): HttpFilterJson[] {
  return [
    // Last: it ends the chain by sending the request on; Envoy refuses anything behind it.
    { name: 'envoy.filters.http.router', typedConfig: { '@type': `type.googleapis.com/${router}` } },
  ];
}
