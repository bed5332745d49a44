// The file that gRPC libraries read by GRPC_XDS_BOOTSTRAP: who the program is and where Chancery is; all else comes by xDS.
// It must not hold a secret, and does no I/O. Invariant: only members that every gRPC library knows or ignores.
import { isIP } from 'node:net';
import type { Binding } from '../profile.ts';
import type { XdsTls } from '../xds-credentials.ts';
import { serverListenerPrefix } from './listeners.ts';

export interface GrpcBootstrapOptions {
  /** Unique among all clients. */
  readonly node: string;
  /** Whose calls they are; rules may ask for it. */
  readonly service?: string;
  readonly namespace?: string;
  readonly locality?: { readonly region?: string; readonly zone?: string };
  readonly xds: Binding;
  /** gRPC checks the host of `xds` against the certificate, and nothing else. */
  readonly xdsTls?: Omit<XdsTls, 'name'>;
}

/** Source: gRFC A27, A36, A47 and A65. */
export interface GrpcBootstrap {
  readonly xds_servers: readonly {
    readonly server_uri: string;
    readonly channel_creds: readonly { readonly type: string; readonly config?: Readonly<Record<string, string>> }[];
    readonly server_features: readonly string[];
  }[];
  readonly node: {
    readonly id: string;
    readonly cluster: string;
    readonly locality: { readonly region?: string; readonly zone?: string };
    readonly metadata: Readonly<Record<string, unknown>>;
  };
  readonly client_default_listener_resource_name_template: string;
  readonly server_listener_resource_name_template: string;
}

function credentials(
  tls: GrpcBootstrapOptions['xdsTls'],
): GrpcBootstrap['xds_servers'][number]['channel_creds'][number] {
  if (tls === undefined) return { type: 'insecure' };
  const { caFile, certificate } = tls;
  return {
    type: 'tls',
    config: {
      ca_certificate_file: caFile,
      ...(certificate === undefined
        ? {}
        : { certificate_file: certificate.certFile, private_key_file: certificate.keyFile }),
    },
  };
}

export function grpcBootstrap(options: GrpcBootstrapOptions): GrpcBootstrap {
  const { node, service, namespace, locality = {}, xds } = options;
  const host = isIP(xds.address) === 6 ? `[${xds.address}]` : xds.address;
  const claims = {
    ...(service === undefined ? {} : { service }),
    ...(namespace === undefined ? {} : { namespace }),
  };
  return {
    xds_servers: [
      {
        server_uri: `${host}:${xds.port}`,
        channel_creds: [credentials(options.xdsTls)],
        // A service that lost its last instance is not an error of the channel: its calls fail until one is back (gRFC A53).
        // Without it grpc-js 1.14 never notices a service that comes back as it was.
        server_features: ['xds_v3', 'ignore_resource_deletion'],
      },
    ],
    node: {
      id: node,
      cluster: service ?? node,
      // grpc-js refuses a node without one, even if there is nothing to say.
      locality,
      metadata: { chancery: claims },
    },
    // The name after `xds:///` is the name of the listener.
    client_default_listener_resource_name_template: '%s',
    server_listener_resource_name_template: `${serverListenerPrefix}%s`,
  };
}
