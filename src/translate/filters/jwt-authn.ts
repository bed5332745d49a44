// The filter that verifies tokens, as it stands in a listener. Its issuers and keys stand here, as Envoy takes them from
// nowhere else: a change of them replaces the filter chain, while one of the rules about claims comes with the routes.
// Invariant: it refuses no request; what it verified it leaves as dynamic metadata, under its own name.
import type { JwtAuthenticationJson } from '../../gen/envoy/extensions/filters/http/jwt_authn/v3/config_pb.js';
import type { HttpFilterJson } from '../../gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js';

const typeName = 'envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication';

/** Also where it leaves what it found, in the dynamic metadata of a request. */
export const jwtAuthnName = 'envoy.filters.http.jwt_authn';

/** Whether it writes what a token says into a header for the application. */
export function handsOn({ typedConfig }: HttpFilterJson): boolean {
  const { providers = {} } = (typedConfig ?? {}) as JwtAuthenticationJson;
  return Object.values(providers).some(({ forwardPayloadHeader = '' }) => forwardPayloadHeader !== '');
}

export function jwtAuthn(config: JwtAuthenticationJson): HttpFilterJson {
  return { name: jwtAuthnName, typedConfig: { '@type': `type.googleapis.com/${typeName}`, ...config } };
}
