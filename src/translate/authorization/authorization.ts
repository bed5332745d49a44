// Who may call a service, for the sidecar before it: on requests as a configuration that comes with the routes, so that a
// change touches no listener and holds for the next request of a warm connection; on connections as a network filter.
// It must not know listeners. Invariant: undefined means that everybody is let in and nothing is counted.
import type { FilterJson } from '../../gen/envoy/config/listener/v3/listener_components_pb.js';
import type { RBACJson as PolicySetJson } from '../../gen/envoy/config/rbac/v3/rbac_pb.js';
import type { VirtualHostJson } from '../../gen/envoy/config/route/v3/route_components_pb.js';
import type { RBACPerRouteJson } from '../../gen/envoy/extensions/filters/http/rbac/v3/rbac_pb.js';
import type { RBACJson as NetworkRbacJson } from '../../gen/envoy/extensions/filters/network/rbac/v3/rbac_pb.js';
import type { StringMatcherJson } from '../../gen/envoy/type/matcher/v3/string_pb.js';
import { believedIssuers } from '../../model/authorization-tokens.ts';
import type { ServiceId } from '../../model/names.ts';
import type { Service } from '../../model/service.ts';
import type { World } from '../../model/world.ts';
import { httpRbacName } from '../filters/rbac.ts';
import { admitsUnnamed, admittedNames } from './connections.ts';
import { enforcedRules } from './policies.ts';
import { shadowRules } from './shadow.ts';

const perRouteType = 'envoy.extensions.filters.http.rbac.v3.RBACPerRoute';
const networkType = 'envoy.extensions.filters.network.rbac.v3.RBAC';

export type AccessWorld = Pick<World, 'mesh' | 'services' | 'gateways' | 'authorizations'>;

interface Rules {
  readonly rules?: PolicySetJson;
  readonly shadowRules?: PolicySetJson;
}

/** What the answers for a service depend on: equal members, equal answers. */
export function authorizationInputs(world: AccessWorld, id: ServiceId): readonly unknown[] {
  const list = world.authorizations.get(id);
  const counting = list?.some(({ mode }) => mode === 'shadow') ?? false;
  return [list, world.mesh, world.services.get(id), ...(counting ? [world.services, world.gateways] : [])];
}

function rulesOf(world: AccessWorld, id: ServiceId, protocol: Service['protocol']): Rules | undefined {
  const list = world.authorizations.get(id);
  if (list === undefined) return undefined;
  const believed = new Set(believedIssuers(list).keys());
  const ground = { trustDomain: world.mesh.trustDomain, protocol, believed };
  const rules = enforcedRules(list, ground);
  const shadow = shadowRules(list, { services: world.services.keys(), gateways: world.gateways.keys() }, ground);
  if (rules === undefined && shadow === undefined) return undefined;
  return { ...(rules === undefined ? {} : { rules }), ...(shadow === undefined ? {} : { shadowRules: shadow }) };
}

/** For the virtual host of a service's inbound side; it stands in for the filter's own, empty, configuration. */
export function httpAuthorization(world: AccessWorld, id: ServiceId): VirtualHostJson['typedPerFilterConfig'] {
  const rules = rulesOf(world, id, 'http');
  if (rules === undefined) return undefined;
  const perRoute: RBACPerRouteJson = { rbac: { ...rules, trackPerRuleStats: true } };
  return { [httpRbacName]: { '@type': `type.googleapis.com/${perRouteType}`, ...perRoute } };
}

/** What a listener does with connections that it cannot read, or that carry no requests. */
export interface ConnectionAccess {
  /** Before whatever takes the connection. */
  readonly filter: FilterJson;
  /** Names of which a client certificate must bear one, in the handshake; undefined: any of the trust domain. */
  readonly names?: readonly StringMatcherJson[];
  /** Whether a connection without a client certificate may be taken at all; where it is, the filter refuses none of them. */
  readonly unnamed: boolean;
  /** Whether the filter counts what it would refuse. */
  readonly counting: boolean;
}

/** Undefined: every connection is taken. */
export function connectionAccess(world: AccessWorld, id: ServiceId): ConnectionAccess | undefined {
  const filter = tcpAuthorization(world, id);
  if (filter === undefined) return undefined;
  const list = world.authorizations.get(id) ?? [];
  const names = admittedNames(list, world.mesh.trustDomain);
  const counting = list.some(({ mode }) => mode === 'shadow');
  return { filter, counting, unnamed: admitsUnnamed(list), ...(names === undefined ? {} : { names }) };
}

export function tcpAuthorization(world: AccessWorld, id: ServiceId): FilterJson | undefined {
  const rules = rulesOf(world, id, 'tcp');
  if (rules === undefined) return undefined;
  const filter: NetworkRbacJson = { statPrefix: 'authorization.', ...rules };
  return {
    name: 'envoy.filters.network.rbac',
    typedConfig: { '@type': `type.googleapis.com/${networkType}`, ...filter },
  };
}
