// Where a bootstrap names the files of a credential, and what to type where there is none. It reads none of them.
// Invariant: no secret is in what is returned; whoever is trusted is asked for one exact name.
import { defaultNamespace } from '../model/names.ts';
import type { BootstrapOptions } from '../translate/bootstrap.ts';
import type { GrpcBootstrapOptions } from '../translate/proxyless/bootstrap.ts';
import { AppError } from '../util/errors.ts';
import type { Credential } from './join.ts';

/** For Envoy, which reads all of them again. */
export function xdsCredential({
  folder,
  record,
}: Credential): Pick<BootstrapOptions, 'xdsTls' | 'xdsSecrets' | 'xdsToken'> {
  const { tokenSecret, certificateSecret, rootsSecret, chain, key } = folder.files;
  const { kind, trust, controlPlane } = record;
  const token = kind === 'token' ? { xdsToken: { tokenFile: tokenSecret } } : {};
  if (trust.kind === 'mesh') {
    const certificate = kind === 'certificate' ? { certificateFile: certificateSecret } : {};
    return { xdsSecrets: { rootsFile: rootsSecret, name: controlPlane, ...certificate }, ...token };
  }
  const certificate = kind === 'certificate' ? { certificate: { certFile: chain, keyFile: key } } : {};
  return { xdsTls: { caFile: trust.ca, name: trust.name, ...certificate }, ...token };
}

/** For gRPC libraries, which read PEM files again and send no token. Throws CH1601 for a token. */
export function grpcCredential({ folder, record }: Credential): Required<Pick<GrpcBootstrapOptions, 'xdsTls'>> {
  if (record.kind === 'token')
    throw new AppError('CH1601', 'gRPC libraries send no token: join with --certificate', {
      hint: 'Make another token with `chancery token create`, for one service and no node.',
    });
  const { rootsPem, chain, key } = folder.files;
  const caFile = record.trust.kind === 'mesh' ? rootsPem : record.trust.ca;
  return { xdsTls: { caFile, certificate: { certFile: chain, keyFile: key } } };
}

interface Wanted {
  readonly service?: string;
  readonly gateway?: string;
  readonly namespace?: string;
  readonly grpc?: boolean;
  readonly xds: string;
}

/** CH1860, with the commands that get this node a credential: what its control plane asks cannot be known here. */
export function noCredential(node: string, { service, gateway, namespace, grpc = false, xds }: Wanted): AppError {
  const named = service ?? (grpc ? 'SERVICE' : undefined);
  const inside = namespace === undefined || namespace === defaultNamespace || named?.includes('/') === true;
  const owned =
    named === undefined ? `--gateway ${gateway ?? node}` : `--service ${inside ? named : `${namespace}/${named}`}`;
  const role = named === undefined ? owned : `--service ${named}${inside ? '' : ` --namespace ${namespace}`}`;
  // A certificate, which is all that gRPC libraries show, says nothing of a node.
  const make = grpc ? owned : `${owned} --node ${node}`;
  const use = grpc ? `--grpc ${role} --certificate` : role;
  return new AppError('CH1860', `nothing says what ${node} is to show to the control plane at ${xds}`, {
    hint: `It asks everybody for a credential. Make a token that is good once where it runs, then say this again with it:
  chancery token create ${make}
  chancery bootstrap ${node} ${use} --xds ${xds} --join TOKEN > ${grpc ? 'grpc.json' : 'envoy.yaml'}
A credential that is here already is named by --credentials FOLDER, certificates of your own by --xds-ca. Only for a
control plane that was started with --insecure, say --insecure here too.`,
  });
}
