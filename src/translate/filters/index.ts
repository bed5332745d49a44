// The HTTP filters of every generated listener, in one place and one order.
// Invariant: a filter's place in this array is its place in Envoy, and each says why it stands there.
import type { HttpFilterJson } from '../../gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js';
import { jwtAuthn, type TokenProviders } from './jwt-authn.ts';
import { httpRbac } from './rbac.ts';

const router = 'envoy.extensions.filters.http.router.v3.Router';

export interface HttpFilterOptions {
  /** Callers show who they are, and the route configuration says who may call. */
  readonly authorization?: boolean;
  /** Verifies tokens. */
  readonly tokens?: TokenProviders | undefined;
}

export function httpFilters({ authorization = false, tokens }: HttpFilterOptions = {}): HttpFilterJson[] {
  return [
    // Before the rules that ask for what it finds.
    ...(tokens === undefined ? [] : [jwtAuthn(tokens)]),
    // Before all that does something: nothing is done for a request that is refused.
    ...(authorization ? [httpRbac()] : []),
    // Last: it ends the chain by sending the request on; Envoy refuses anything behind it.
    { name: 'envoy.filters.http.router', typedConfig: { '@type': `type.googleapis.com/${router}` } },
  ];
}
