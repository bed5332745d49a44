// The credential of `chancery bootstrap`: redeemed with a join token, or found in its folder. It must not know bootstraps.
// Invariant: a token is used only when its folder is ready, and a credential that is there is not overwritten unasked.
import { resolve } from 'node:path';
import { AppError } from '../util/errors.ts';
import type { HostPort } from '../util/host-port.ts';
import { certificateBlocks } from '../util/pem.ts';
import {
  type CredentialFolder,
  type CredentialRecord,
  credentialFolder,
  type PlaneTrust,
} from './credential-folder.ts';
import { askToJoin } from './enrolment-client.ts';
import type { Io } from './io.ts';
import type { Expected } from './secure-request.ts';

export interface JoinOptions {
  readonly join?: string;
  readonly credentials?: string;
  readonly server?: string;
  readonly certificate?: boolean;
  readonly replace?: boolean;
  readonly xdsCa?: string;
  readonly xdsName?: string;
}

export interface Credential {
  readonly folder: CredentialFolder;
  readonly record: CredentialRecord;
}

/** Undefined: none is asked for. */
export async function credentialOf(
  io: Io,
  node: string,
  { xds, ...options }: JoinOptions & { readonly xds: HostPort },
): Promise<Credential | undefined> {
  const { join: token, credentials } = options;
  if (token === undefined) {
    for (const [option, value] of Object.entries({
      '--server': options.server,
      '--certificate': options.certificate,
      '--replace': options.replace,
    }))
      if (value !== undefined) throw new AppError('CH1601', `${option} says nothing without --join`);
    if (credentials === undefined) return undefined;
    const folder = credentialFolder(io, credentials);
    const record = folder.record();
    if (record !== undefined) {
      // Said here rather than by an Envoy that does not start.
      folder.secret(record);
      folder.roots();
      return { folder, record };
    }
    throw new AppError('CH1854', `there is no credential in "${folder.path}"`, { hint: 'Get one with --join TOKEN.' });
  }
  if (credentials === undefined && !/^[\w-][\w.-]*$/.test(node))
    throw new AppError('CH1601', `"${node}" cannot be the name of a folder: name one with --credentials`);
  const folder = credentialFolder(io, credentials ?? `credentials/${node}`);
  if (options.replace !== true && folder.record() !== undefined)
    throw new AppError('CH1853', `a credential is in "${folder.path}" already`, {
      hint: `Renew it with chancery renew ${folder.path}, leave --join away to print its bootstrap, or say --replace.`,
    });
  await folder.prepare();
  const at = `${xds.address.includes(':') ? `[${xds.address}]` : xds.address}:${xds.port}`;
  const server = options.server ?? `https://${at}`;
  const trust = planeTrust(options, xds);
  const expected = trust.kind === 'mesh' ? {} : { expected: expectedOf(io, trust) };
  const { enrolled, key } = await askToJoin(io, {
    ...{ server, token, certificate: options.certificate === true, ...expected },
  });
  await folder.write(enrolled, { node, server, xds: at, trust }, key);
  const record = folder.record();
  if (record === undefined) throw new AppError('CH1854', `nothing was written to "${folder.path}"`);
  io.err(`${told(record)} in ${folder.path}, until ${new Date(record.notAfterMs).toISOString()}\n`);
  if (options.certificate === true && record.kind === 'token')
    io.err('it is a token: a certificate cannot say that it is for one node, or for several services\n');
  io.err(`renew it with: chancery renew ${folder.path} --watch\n`);
  return { folder, record };
}

/** Files by their full path: what is renewed later is renewed from anywhere. */
function planeTrust({ xdsCa, xdsName }: JoinOptions, xds: HostPort): PlaneTrust {
  return xdsCa === undefined ? { kind: 'mesh' } : { kind: 'files', ca: resolve(xdsCa), name: xdsName ?? xds.address };
}

/** Who must answer, where files say so. */
export function expectedOf(io: Pick<Io, 'readText'>, trust: Extract<PlaneTrust, { kind: 'files' }>): Expected {
  const ca = io.readText(trust.ca);
  const hint = 'Name with --xds-ca the PEM of the authority that the control plane is known by.';
  if (ca === undefined) throw new AppError('CH1608', `the authority file "${trust.ca}" cannot be read`, { hint });
  if (certificateBlocks(ca).length === 0)
    throw new AppError('CH1608', `the authority file "${trust.ca}" holds no certificate in PEM`, { hint });
  return { who: 'named', ca, name: trust.name };
}

function told({ kind, principal }: CredentialRecord): string {
  const bound = principal.nodeId === undefined ? '' : ` on ${principal.nodeId}`;
  return `${kind} for ${[...principal.services, ...principal.gateways].join(', ')}${bound}`;
}
