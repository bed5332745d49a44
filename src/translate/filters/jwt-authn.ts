// The filter that verifies tokens. What it verifies comes as a resource of its own (ECDS), so that other issuers and keys
// hold for the next request of every open connection and touch no listener; the rules about claims come with the routes.
// Invariant: it refuses no request; what it verified it leaves as dynamic metadata, under its own name. Where a listener has
// to go on without the resource no token is verified, and headers that say what a token said are taken off all the same.
import type { TypedExtensionConfigJson } from '../../gen/envoy/config/core/v3/extension_pb.js';
import type {
  JwtAuthenticationJson,
  JwtProviderJson,
} from '../../gen/envoy/extensions/filters/http/jwt_authn/v3/config_pb.js';
import type { HttpFilterJson } from '../../gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js';
import type { ResourceRef } from '../../resources/resource.ts';
import { typeUrls } from '../../resources/type-urls.ts';

const typeUrl = 'type.googleapis.com/envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication';

/** Also where it leaves what it found, in the dynamic metadata of a request. */
export const jwtAuthnName = 'envoy.filters.http.jwt_authn';

/** The resource: a sidecar stands before one service, so that there is one of them. */
export const jwtAuthnRef: ResourceRef = { type: typeUrls.extension, name: jwtAuthnName };

export type TokenProviders = Readonly<Record<string, JwtProviderJson>>;

/** Headers that it writes what a token says into, for the application. Sorted. */
export function payloadHeaders(providers: TokenProviders): readonly string[] {
  const names = Object.values(providers).map(({ forwardPayloadHeader = '' }) => forwardPayloadHeader);
  return [...new Set(names.filter((name) => name !== ''))].sort();
}

/** A provider that verifies nothing and takes the header off, which a caller would be believed by. No issuer has a space. */
export function sanitizing(headers: Iterable<string>): TokenProviders {
  return Object.fromEntries(
    [...headers].map((header) => {
      const name = `no issuer: ${header}`;
      return [name, { issuer: name, localJwks: { inlineString: '' }, forwardPayloadHeader: header }];
    }),
  );
}

/** As it stands in a listener. It must not depend on issuers and keys, or a change of them would replace the filter chain. */
export function jwtAuthn(providers: TokenProviders): HttpFilterJson {
  return {
    name: jwtAuthnName,
    configDiscovery: {
      configSource: { ads: {}, resourceApiVersion: 'V3' },
      typeUrls: [typeUrl],
      // Also what connections go on with that outlive the last rule about tokens: without it they would be answered 500.
      defaultConfig: typedConfig(sanitizing(payloadHeaders(providers))),
    },
  };
}

export function jwtAuthnResource(providers: TokenProviders): TypedExtensionConfigJson {
  return { name: jwtAuthnName, typedConfig: typedConfig(providers) };
}

function typedConfig(providers: TokenProviders): NonNullable<TypedExtensionConfigJson['typedConfig']> {
  const config: JwtAuthenticationJson = {
    providers,
    // All tokens are verified, and none is asked for: that is for the rules.
    ...(Object.keys(providers).length === 0
      ? {}
      : { rules: [{ match: { prefix: '/' }, requires: { allowMissingOrFailed: {} } }] }),
  };
  return { '@type': typeUrl, ...config };
}
