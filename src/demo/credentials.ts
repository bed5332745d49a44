// How the demo's proxies come by credentials: as a user's do, with a one-time join token for each from the HTTP API.
// It must not know how a token is redeemed. Invariant: every credential lies in its own folder below the demo's.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { BootstrapOptions } from '../translate/bootstrap.ts';
import { AppError } from '../util/errors.ts';
import type { HostPort } from '../util/host-port.ts';
import type { Client } from './request.ts';

export interface JoinRequest {
  /** Of `POST /api/v1/trust/join-tokens`. */
  readonly token: string;
  readonly xds: HostPort;
  /** Where the credential is to lie. */
  readonly folder: string;
  /** A certificate instead of a token. */
  readonly certificate: boolean;
}

/** PEM. */
export interface Certificate {
  readonly chain: string;
  readonly key: string;
}

export interface Joined {
  /** As a bootstrap names the files. */
  readonly bootstrap: Pick<BootstrapOptions, 'xdsTls' | 'xdsSecrets' | 'xdsToken'>;
  /** Where a certificate was asked for. */
  readonly certificate?: Certificate;
}

/** What a token is for. */
export type Owner = { readonly services: readonly [string] } | { readonly gateways: readonly [string] };

export interface CredentialsDeps {
  readonly client: Client;
  /** Redeems a token, as `chancery bootstrap NODE --join` does. */
  readonly join: (node: string, request: JoinRequest) => Promise<Joined>;
}

export interface CredentialsOptions {
  readonly directory: string;
  readonly http: number;
  readonly xds: number;
  /** Of the HTTP API's token. */
  readonly tokenPath: string;
}

export interface Credentials {
  /** A token for this node alone. */
  forNode(node: string, owner: Owner): Promise<Joined['bootstrap']>;
  /** A certificate as any node of the service may have. */
  certificateOf(service: string): Promise<Certificate>;
}

export function createCredentials({ client, join: redeem }: CredentialsDeps, options: CredentialsOptions): Credentials {
  const { directory, http, tokenPath } = options;
  const xds = { address: '127.0.0.1', port: options.xds };

  async function joinToken(request: Owner & { readonly node?: string }): Promise<string> {
    const secret = (await readFile(tokenPath, 'utf8')).trim();
    const { status, body } = await client.post(http, '/api/v1/trust/join-tokens', request, {
      authorization: `Bearer ${secret}`,
    });
    if (status !== 201) throw new AppError('CH1611', `no join token was made (status ${status})`);
    return (JSON.parse(body) as { readonly token: string }).token;
  }

  return {
    async forNode(node, owner) {
      const token = await joinToken({ ...owner, node });
      return (await redeem(node, { token, xds, folder: join(directory, node), certificate: false })).bootstrap;
    },
    async certificateOf(service) {
      const token = await joinToken({ services: [service] });
      const folder = join(directory, `certificate-of-${service}`);
      const { certificate } = await redeem(service, { token, xds, folder, certificate: true });
      if (certificate === undefined) throw new AppError('CH1611', `no certificate was issued to ${service}`);
      return certificate;
    },
  };
}
