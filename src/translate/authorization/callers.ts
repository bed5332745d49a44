// Callers as what their certificates bear. It must not know requests.
// Invariant: a name is compared whole and exactly, never as a pattern, so that no caller passes for another; whoever shows
// no certificate of the mesh meets none of these.
import type { PrincipalJson } from '../../gen/envoy/config/rbac/v3/rbac_pb.js';
import type { Caller } from '../../model/authorization.ts';
import { identityPrefix, spiffeId } from '../../model/spiffe.ts';
import type { Condition } from './condition.ts';

/** What tells callers apart. */
export type CallerName = Pick<Extract<Caller, { kind: 'service' }>, 'kind' | 'service'> | GatewayName;
type GatewayName = Pick<Extract<Caller, { kind: 'gateway' }>, 'kind' | 'gateway'>;

function named(id: string): PrincipalJson {
  return { authenticated: { principalName: { exact: id } } };
}

/** False where no certificate can bear the name. */
export function isCaller(caller: Caller | CallerName, trustDomain: string): Condition {
  if (caller.kind === 'anyone') return hasIdentity(trustDomain);
  const id =
    caller.kind === 'service'
      ? spiffeId({ kind: 'service', trustDomain, service: caller.service })
      : spiffeId({ kind: 'gateway', trustDomain, gateway: caller.gateway });
  return id === undefined ? false : named(id);
}

/**
 * Anybody of this trust domain. The prefix ends with the slash behind the domain, which no domain holds. Without a name
 * Envoy's `authenticated` would take every TLS connection, one without a client certificate too.
 */
export function hasIdentity(trustDomain: string): Condition {
  const prefix = identityPrefix(trustDomain);
  return prefix === undefined ? false : { authenticated: { principalName: { prefix } } };
}
