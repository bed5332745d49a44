// Consul's Connect as what issues the certificates of proxies, from `trust.connect`.
// It must not know the control plane's own authority. Invariant: resolves once Consul has said what names of its mesh begin with.
import type { ConnectAuthority } from '../ca/connect-authority.ts';
import type { ConnectConfig } from '../model/config-trust.ts';
import { defined } from '../model/defined.ts';
import type { SourceDeps } from '../sources/source-deps.ts';

/** Requests at a time; the agent signs 50 a second unless told otherwise. */
const maxSockets = 8;

export async function openConnect(deps: SourceDeps, connect: ConnectConfig): Promise<ConnectAuthority> {
  const { clock, random, log, metrics } = deps;
  const [{ createConnectAuthority }, { createConsulClient }] = await Promise.all([
    import('../ca/connect-authority.ts'),
    import('../util/consul/client.ts'),
  ]);
  // The agent knows its datacenter; asked for one it would forward.
  const { datacenter, ...access } = connect;
  const consul = createConsulClient(clock, defined(access), maxSockets);
  const authority = createConnectAuthority({ clock, random, log, metrics, consul }, { datacenter });
  await authority.open();
  return authority;
}
