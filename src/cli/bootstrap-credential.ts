// Where a bootstrap names the files of a credential. It reads none of them.
// Invariant: no secret is in what is returned; whoever is trusted is asked for one exact name.
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
