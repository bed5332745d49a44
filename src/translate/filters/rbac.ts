// The filter that asks who may call, as it stands in a listener: empty, so that no change of policy touches the listener.
// Invariant: the policy comes with the route configuration, under this name.
import type { RBACJson } from '../../gen/envoy/extensions/filters/http/rbac/v3/rbac_pb.js';
import type { HttpFilterJson } from '../../gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js';

const typeName = 'envoy.extensions.filters.http.rbac.v3.RBAC';

/** Also where it leaves what it found, in the dynamic metadata of a request. */
export const httpRbacName = 'envoy.filters.http.rbac';

export function httpRbac(): HttpFilterJson {
  const empty: RBACJson = {};
  return { name: httpRbacName, typedConfig: { '@type': `type.googleapis.com/${typeName}`, ...empty } };
}
