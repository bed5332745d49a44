// Mutual TLS between proxies as Envoy's transport sockets. It must not know views or who asks; keys and authorities come by
// SDS. Invariants: TLS 1.3, one exact name of the callee, no session of an earlier connection; the bytes of the secret
// source never change, as Envoy keeps a secret by its name and those.
import type { ClusterJson } from '../gen/envoy/config/cluster/v3/cluster_pb.js';
import type { ConfigSourceJson } from '../gen/envoy/config/core/v3/config_source_pb.js';
import type { FilterChainJson } from '../gen/envoy/config/listener/v3/listener_components_pb.js';
import type { SubjectAltNameMatcherJson } from '../gen/envoy/extensions/transport_sockets/tls/v3/common_pb.js';
import type {
  CommonTlsContextJson,
  DownstreamTlsContextJson,
  UpstreamTlsContextJson,
} from '../gen/envoy/extensions/transport_sockets/tls/v3/tls_pb.js';
import type { StringMatcherJson } from '../gen/envoy/type/matcher/v3/string_pb.js';
import type { Mesh } from '../model/mesh.ts';
import { effectiveMtls, type Mtls } from '../model/mtls.ts';
import { defaultNamespace } from '../model/names.ts';
import type { Protocol, Service } from '../model/service.ts';
import { spiffeId } from '../model/spiffe.ts';
import { plaintextMatch } from '../resources/load-assignment.ts';
import type { ResourceRef } from '../resources/resource.ts';
import { identitySecret, rootsSecret } from '../resources/secret-names.ts';
import { typeUrls } from '../resources/type-urls.ts';

/**
 * Where both secrets come from. Without a limit on the wait: with one, Envoy puts a listener or cluster to use that has no
 * certificate yet, and closes every connection; so the one before serves on.
 */
export const secretSource = Object.freeze({
  ads: Object.freeze({}),
  initialFetchTimeout: '0s',
  resourceApiVersion: 'V3',
} as const) satisfies ConfigSourceJson;

/** What every cluster and listener in mutual TLS names beside its own. */
export const secretRefs: readonly ResourceRef[] = [
  { type: typeUrls.secret, name: identitySecret },
  { type: typeUrls.secret, name: rootsSecret },
];

/** Whether control puts the secret beside the resources of a view. */
export function isMeshSecret({ type, name }: ResourceRef): boolean {
  return type === typeUrls.secret && (name === identitySecret || name === rootsSecret || name.startsWith('edge/'));
}

/**
 * What a client of the mesh offers first, and no application's own TLS does: by it a permissive listener tells one from the
 * other. The protocol that is agreed on is one of those after it, as Envoy reads the HTTP version from it.
 */
export const meshAlpn = 'chancery';

/**
 * How long a connection in mutual TLS takes new requests. A certificate is looked at when a connection begins, and never again,
 * so that without a bound who was let in once would stay in for ever. The caller goes first: it knows that none of its requests
 * is under way to a connection that closes. What is under way ends first. Bytes of TCP cannot be moved to another connection,
 * and have no bound.
 * Source: Envoy's HttpProtocolOptions.max_connection_duration, for both sides.
 */
export const connectionLifeMs = { caller: 3_000_000, callee: 3_600_000 } as const;

/** How callers reach a service. `peer` is the SPIFFE id that its sidecars show; undefined: its name cannot be one. */
export type Reach =
  | { readonly mtls: 'off' }
  | { readonly mtls: Exclude<Mtls, 'off'>; readonly peer: string | undefined };

export function reachOf(service: Pick<Service, 'id' | 'tls'>, mesh: Mesh): Reach {
  const mtls = effectiveMtls(service, mesh);
  if (mtls === 'off') return { mtls };
  return { mtls, peer: spiffeId({ kind: 'service', trustDomain: mesh.trustDomain, service: service.id }) };
}

function common(sans: SubjectAltNameMatcherJson[], alpnProtocols: string[]): CommonTlsContextJson {
  return {
    tlsParams: { tlsMinimumProtocolVersion: 'TLSv1_3', tlsMaximumProtocolVersion: 'TLSv1_3' },
    tlsCertificateSdsSecretConfigs: [{ name: identitySecret, sdsConfig: secretSource }],
    combinedValidationContext: {
      // Its names and those of the secret would add up to "any of them", so the secret has none.
      defaultValidationContext: { matchTypedSubjectAltNames: sans },
      validationContextSdsSecretConfig: { name: rootsSecret, sdsConfig: secretSource },
    },
    alpnProtocols,
  };
}

/** For logs and for whoever forwards by it; the callee is known by its certificate. Too long for a name: none. */
function sni({ name, namespace }: Pick<Service, 'name' | 'namespace'>): { sni?: string } {
  const text = namespace === defaultNamespace ? name : `${name}.${namespace}`;
  return text.length > 253 ? {} : { sni: text };
}

const httpVersions: Readonly<Record<Protocol, readonly string[]>> = {
  http: ['http/1.1'],
  http2: ['h2'],
  grpc: ['h2'],
  tcp: [],
};

const tls = 'envoy.transport_sockets.tls';
const contextType = 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3';

/**
 * The sockets of a cluster: mutual TLS, unless an endpoint says itself that it speaks plaintext. The same for `strict` and
 * `permissive`, so that going from one to the other closes no connection to a sidecar.
 */
export function upstreamSockets(
  service: Pick<Service, 'name' | 'namespace' | 'protocol'>,
  peer: string,
): Pick<ClusterJson, 'transportSocket' | 'transportSocketMatches'> {
  const context: UpstreamTlsContextJson = {
    commonTlsContext: common(
      [{ sanType: 'URI', matcher: { exact: peer } }],
      [meshAlpn, ...httpVersions[service.protocol]],
    ),
    ...sni(service),
    maxSessionKeys: 0,
  };
  return {
    transportSocketMatches: [
      {
        name: plaintextMatch.value,
        match: { [plaintextMatch.key]: plaintextMatch.value },
        transportSocket: {
          name: 'envoy.transport_sockets.raw_buffer',
          typedConfig: {
            '@type': 'type.googleapis.com/envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer',
          },
        },
      },
    ],
    transportSocket: { name: tls, typedConfig: { '@type': `${contextType}.UpstreamTlsContext`, ...context } },
  };
}

/** `names`: whose certificates are taken; any identity of the trust domain if left out, and nobody else. */
export function downstreamSocket(
  trustDomain: string,
  protocol: Protocol,
  names: readonly StringMatcherJson[] = [{ prefix: `spiffe://${trustDomain}/` }],
): NonNullable<FilterChainJson['transportSocket']> {
  const context: DownstreamTlsContextJson = {
    commonTlsContext: common(
      names.map((matcher) => ({ sanType: 'URI', matcher })),
      protocol === 'tcp' ? [meshAlpn] : ['h2', 'http/1.1', meshAlpn],
    ),
    requireClientCertificate: true,
    // A resumed session would be let in on what was checked before a certificate ended or was withdrawn.
    disableStatelessSessionResumption: true,
    disableStatefulSessionResumption: true,
  };
  return { name: tls, typedConfig: { '@type': `${contextType}.DownstreamTlsContext`, ...context } };
}
