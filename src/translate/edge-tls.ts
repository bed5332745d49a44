// TLS with clients of an edge, which nobody knows: browsers, apps, programs. It must not know listeners or routes; keys and
// authorities come by SDS. Invariants: TLS 1.2 at least; where clients are asked for a certificate no session is resumed.
import type { FilterChainJson } from '../gen/envoy/config/listener/v3/listener_components_pb.js';
import type { DownstreamTlsContextJson } from '../gen/envoy/extensions/transport_sockets/tls/v3/tls_pb.js';
import type { ListenerTls } from '../model/gateway.ts';
import type { ResourceRef } from '../resources/resource.ts';
import { rootsSecret } from '../resources/secret-names.ts';
import { typeUrls } from '../resources/type-urls.ts';
import { secretSource } from './mutual-tls.ts';

export interface EdgeTls {
  /** Name of the secret that is shown. */
  readonly secret: string;
  /** `optional`: who shows none is let in; who shows one that is not of the mesh is not. */
  readonly client: ListenerTls['client'];
  readonly trustDomain: string;
  /** HTTP, by version 2 or 1.1; else bytes. */
  readonly http: boolean;
}

const contextType = 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext';

export function edgeSocket({
  secret,
  client,
  trustDomain,
  http,
}: EdgeTls): NonNullable<FilterChainJson['transportSocket']> {
  const asks = client !== 'none';
  const context: DownstreamTlsContextJson = {
    commonTlsContext: {
      tlsParams: { tlsMinimumProtocolVersion: 'TLSv1_2', tlsMaximumProtocolVersion: 'TLSv1_3' },
      tlsCertificateSdsSecretConfigs: [{ name: secret, sdsConfig: secretSource }],
      ...(asks
        ? {
            combinedValidationContext: {
              defaultValidationContext: {
                matchTypedSubjectAltNames: [{ sanType: 'URI', matcher: { prefix: `spiffe://${trustDomain}/` } }],
              },
              validationContextSdsSecretConfig: { name: rootsSecret, sdsConfig: secretSource },
            },
          }
        : {}),
      ...(http ? { alpnProtocols: ['h2', 'http/1.1'] } : {}),
    },
    requireClientCertificate: client === 'required',
    // A resumed session would be let in on what was checked before a certificate ended. Browsers save a round trip by them.
    ...(asks ? { disableStatelessSessionResumption: true, disableStatefulSessionResumption: true } : {}),
  };
  return { name: 'envoy.transport_sockets.tls', typedConfig: { '@type': contextType, ...context } };
}

/** What a listener with this socket waits for. */
export function edgeSecretRefs({ secret, client }: Pick<EdgeTls, 'secret' | 'client'>): readonly ResourceRef[] {
  const refs = [{ type: typeUrls.secret, name: secret }];
  return client === 'none' ? refs : [...refs, { type: typeUrls.secret, name: rootsSecret }];
}
