// How a proxy proves itself to Chancery and Chancery to it: TLS to the xDS cluster, and the token beside each stream.
// It must not know what a credential says, and does no I/O. Invariant: whatever is trusted, one exact name is asked for.
import { isIP } from 'node:net';
import type { ClusterJson } from '../gen/envoy/config/cluster/v3/cluster_pb.js';
import type { CredentialInjectorJson } from '../gen/envoy/extensions/filters/http/credential_injector/v3/credential_injector_pb.js';
import type { GenericJson } from '../gen/envoy/extensions/http/injected_credentials/generic/v3/generic_pb.js';
import type { SubjectAltNameMatcherJson } from '../gen/envoy/extensions/transport_sockets/tls/v3/common_pb.js';
import type { SdsSecretConfigJson } from '../gen/envoy/extensions/transport_sockets/tls/v3/secret_pb.js';
import type {
  CommonTlsContextJson,
  UpstreamTlsContextJson,
} from '../gen/envoy/extensions/transport_sockets/tls/v3/tls_pb.js';
import type { HttpProtocolOptionsJson } from '../gen/envoy/extensions/upstreams/http/v3/http_protocol_options_pb.js';

/** Names of the secrets in the files of a node's credentials. They never change: Envoy keeps a secret by its name. */
const names = { roots: 'xds:roots', token: 'xds:token', certificate: 'xds:certificate' } as const;

/** PEM files on the proxy's machine, read once. */
export interface XdsTls {
  readonly caFile: string;
  /** Host name, IP address or `spiffe://` URI that its certificate has; default the host that is dialled. */
  readonly name?: string;
  /** The proxy's own certificate, where Chancery asks for one. */
  readonly certificate?: { readonly certFile: string; readonly keyFile: string };
}

/** Files with one Secret each, as the functions below write it: Envoy reads them again when one is moved in place. */
export interface XdsSecrets {
  readonly rootsFile: string;
  readonly name?: string;
  readonly certificateFile?: string;
}

function fileSecret(name: string, path: string): SdsSecretConfigJson {
  const folder = path.includes('/') ? path.slice(0, Math.max(1, path.lastIndexOf('/'))) : '.';
  return {
    name,
    sdsConfig: { pathConfigSource: { path, watchedDirectory: { path: folder } }, resourceApiVersion: 'V3' },
  };
}

function san(name: string): SubjectAltNameMatcherJson {
  const sanType = name.startsWith('spiffe://') ? 'URI' : isIP(name) === 0 ? 'DNS' : 'IP_ADDRESS';
  return { sanType, matcher: { exact: name } };
}

function credentials(tls: XdsTls | XdsSecrets, host: string): CommonTlsContextJson {
  const matchTypedSubjectAltNames = [san(tls.name ?? host)];
  if ('rootsFile' in tls)
    return {
      ...(tls.certificateFile === undefined
        ? {}
        : { tlsCertificateSdsSecretConfigs: [fileSecret(names.certificate, tls.certificateFile)] }),
      combinedValidationContext: {
        defaultValidationContext: { matchTypedSubjectAltNames },
        validationContextSdsSecretConfig: fileSecret(names.roots, tls.rootsFile),
      },
    };
  const { caFile, certificate } = tls;
  return {
    ...(certificate === undefined
      ? {}
      : {
          tlsCertificates: [
            { certificateChain: { filename: certificate.certFile }, privateKey: { filename: certificate.keyFile } },
          ],
        }),
    validationContext: { trustedCa: { filename: caFile }, matchTypedSubjectAltNames },
  };
}

/**
 * TLS 1.3 with one authority and one exact name, and never a session of an earlier connection. Source: Envoy's
 * CertificateValidationContext and UpstreamTlsContext.
 */
export function tlsSocket(
  tls: XdsTls | XdsSecrets,
  host: string,
  alpn: 'h2' | 'http/1.1',
): NonNullable<ClusterJson['transportSocket']> {
  const named = tls.name?.startsWith('spiffe://') === true ? host : (tls.name ?? host);
  const context: UpstreamTlsContextJson = {
    commonTlsContext: {
      tlsParams: { tlsMinimumProtocolVersion: 'TLSv1_3', tlsMaximumProtocolVersion: 'TLSv1_3' },
      alpnProtocols: [alpn],
      ...credentials(tls, host),
    },
    ...(isIP(named) === 0 ? { sni: named } : {}),
    maxSessionKeys: 0,
  };
  const type = 'envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext';
  return {
    name: 'envoy.transport_sockets.tls',
    typedConfig: { '@type': `type.googleapis.com/${type}`, ...context },
  };
}

/**
 * Filters of the xDS cluster that put `authorization` on each stream, as the file says at that time; without a token there
 * is no stream. Source: Envoy's CredentialInjector and Generic.
 */
export function tokenFilters(tokenFile: string): NonNullable<HttpProtocolOptionsJson['httpFilters']> {
  const generic: GenericJson = { credential: fileSecret(names.token, tokenFile), header: 'authorization' };
  const injector: CredentialInjectorJson = {
    overwrite: true,
    allowRequestWithoutCredential: false,
    credential: {
      name: 'envoy.http.injected_credentials.generic',
      typedConfig: {
        '@type': 'type.googleapis.com/envoy.extensions.http.injected_credentials.generic.v3.Generic',
        ...generic,
      },
    },
  };
  return [
    {
      name: 'envoy.filters.http.credential_injector',
      typedConfig: {
        '@type': 'type.googleapis.com/envoy.extensions.filters.http.credential_injector.v3.CredentialInjector',
        ...injector,
      },
    },
    {
      name: 'envoy.filters.http.upstream_codec',
      typedConfig: {
        '@type': 'type.googleapis.com/envoy.extensions.filters.http.upstream_codec.v3.UpstreamCodec',
      },
    },
  ];
}

function secretDocument(secret: Readonly<Record<string, unknown>>): object {
  const type = 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret';
  return { resources: [{ '@type': type, ...secret }] };
}

/** For `XdsSecrets.rootsFile`: PEM of one or more authorities. */
export function rootsDocument(pem: string): object {
  return secretDocument({ name: names.roots, validationContext: { trustedCa: { inlineString: pem } } });
}

/** For `xdsToken.tokenFile`. */
export function tokenDocument(token: string): object {
  return secretDocument({ name: names.token, genericSecret: { secret: { inlineString: `Bearer ${token}` } } });
}

/** For `XdsSecrets.certificateFile`: PEM of the chain and of its key, together, so that they always fit. */
export function certificateDocument(chain: string, key: string): object {
  return secretDocument({
    name: names.certificate,
    tlsCertificate: { certificateChain: { inlineString: chain }, privateKey: { inlineString: key } },
  });
}
