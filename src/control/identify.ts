// From what a client says of itself to the profile its configuration is made for.
// With a principal its claims only choose among what that owns; where nobody is asked for a credential they are taken as
// they are. Invariant: pure; equal claims and equal World give an equal profile.
import type { Instance } from '../model/instance.ts';
import { defaultNamespace, type ServiceId, serviceId } from '../model/names.ts';
import type { DeclaredUpstream } from '../model/snapshot.ts';
import { spiffeId } from '../model/spiffe.ts';
import type { World } from '../model/world.ts';
import {
  type Binding,
  defaultOutbound,
  type InboundBinding,
  type ProxyProfile,
  type UpstreamBinding,
} from '../translate/profile.ts';
import { hostPort } from '../util/host-port.ts';
import type { ClientInfo, Refusal } from '../xds/contract.ts';
import { isGrpcLibrary } from '../xds/node.ts';
import { type Entitled, entitled } from './entitlement.ts';

/** `node.metadata.chancery` as `chancery bootstrap` writes it; every member optional, nothing else is read. */
export interface Claims {
  readonly role?: 'gateway' | 'sidecar';
  readonly gateway?: string;
  readonly service?: string;
  readonly namespace?: string;
  readonly instance?: string;
  readonly outbound?: Binding;
  readonly upstreams: readonly (Binding & { readonly service: string })[];
  readonly stats?: string;
}

function record(value: unknown): Readonly<Record<string, unknown>> {
  return value !== null && typeof value === 'object' && !Array.isArray(value) ? (value as Record<string, unknown>) : {};
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}

/** `HOST:PORT` or `{address, port}`; undefined for anything else. */
function binding(value: unknown): Binding | undefined {
  if (typeof value === 'string') return hostPort(value);
  const { address, port } = record(value);
  return typeof address === 'string' && typeof port === 'number' ? { address, port } : undefined;
}

/** Reads the claims; what does not fit its form is left out. */
export function readClaims(client: ClientInfo): Claims {
  const said = record(client.metadata['chancery']);
  const role = said['role'];
  const outbound = binding(said['outbound']);
  const upstreams = (Array.isArray(said['upstreams']) ? said['upstreams'] : []).flatMap((item: unknown) => {
    const service = text(record(item)['service']);
    const bound = binding(item);
    return service === undefined || bound === undefined ? [] : [{ service, ...bound }];
  });
  const gateway = text(said['gateway']);
  const service = text(said['service']);
  const namespace = text(said['namespace']);
  const instance = text(said['instance']);
  const stats = text(said['stats']);
  return {
    ...(role === 'gateway' || role === 'sidecar' ? { role } : {}),
    ...(gateway === undefined ? {} : { gateway }),
    ...(service === undefined ? {} : { service }),
    ...(namespace === undefined ? {} : { namespace }),
    ...(instance === undefined ? {} : { instance }),
    ...(outbound === undefined ? {} : { outbound }),
    ...(stats === undefined ? {} : { stats }),
    upstreams,
  };
}

/** A service as claims or registrations name it: `cart`, `namespace/cart`, or an id such as `namespace|cart`. */
function named(name: string, namespace: string): ServiceId {
  const [first = '', second] = name.split(/[/|]/, 2);
  return second === undefined ? serviceId(namespace, first) : serviceId(first, second);
}

function inboundOf(instances: readonly Instance[], id: string): readonly InboundBinding[] {
  return instances.flatMap((instance) =>
    instance.id === id && instance.proxy !== undefined
      ? [
          {
            address: instance.proxy.address,
            port: instance.proxy.port,
            appAddress: instance.proxy.localAddress,
            appPort: instance.proxy.localPort,
          },
        ]
      : [],
  );
}

function upstreamsOf(
  claims: Claims,
  declared: readonly DeclaredUpstream[],
  namespace: string,
): readonly UpstreamBinding[] {
  const byPort = new Map<string, UpstreamBinding>();
  for (const { service, address, port } of [...declared, ...claims.upstreams]) {
    byPort.set(`${address}:${port}`, { service: named(service, namespace), address, port });
  }
  return [...byPort.values()].sort((a, b) => a.port - b.port || (a.address < b.address ? -1 : 1));
}

/** What it says it is, believed: nobody is asked for a credential. */
function claimed(client: ClientInfo, claims: Claims, world: World): Entitled {
  const service = named(claims.service ?? client.nodeCluster, claims.namespace ?? defaultNamespace);
  const isSidecar = !world.gateways.has(client.nodeCluster) && world.services.has(service);
  const role = isGrpcLibrary(client) ? 'sidecar' : (claims.role ?? (isSidecar ? 'sidecar' : 'gateway'));
  return role === 'sidecar' ? { role, service } : { role, gateway: claims.gateway ?? client.nodeCluster };
}

/**
 * The profile of a client, or why it is refused one: it claims what its principal does not own. Role: `proxyless` for a
 * gRPC library, whatever it claims; else the claim, else what it owns; with nobody asked for a credential `sidecar` where
 * `node.cluster` names a known service and no Gateway, else `gateway`. A sidecar's inbound listeners are those the registry
 * holds for its instance (claim, else node id).
 */
export function identify(client: ClientInfo, world: World): ProxyProfile | Refusal {
  const claims = readClaims(client);
  const namespace = claims.namespace ?? defaultNamespace;
  const zone = client.locality.zone === '' ? {} : { zone: client.locality.zone };
  const being =
    client.principal === undefined
      ? claimed(client, claims, world)
      : entitled(client.principal, {
          ...(claims.role === undefined ? {} : { role: claims.role }),
          ...(claims.gateway === undefined ? {} : { gateway: claims.gateway }),
          ...(claims.service === undefined ? {} : { service: named(claims.service, namespace) }),
        });
  if ('refused' in being) return being;
  if (isGrpcLibrary(client)) {
    const known =
      being.role === 'sidecar' &&
      (client.principal !== undefined || claims.service !== undefined || world.services.has(being.service));
    return { role: 'proxyless', ...(known ? { service: being.service } : {}), ...zone };
  }
  if (being.role === 'gateway') return { ...being, ...zone };
  const { service } = being;
  const instance = claims.instance ?? client.nodeId;
  return {
    ...being,
    inbound: inboundOf(world.endpoints.get(service) ?? [], instance),
    outbound: claims.outbound ?? defaultOutbound,
    upstreams: upstreamsOf(claims, world.upstreams.get(service)?.get(instance) ?? [], namespace),
    ...zone,
  };
}

/**
 * A sidecar whose instance has left the registry keeps its way in while its stream lives: its callers hear of it when they do,
 * and what they have sent by then is answered. Of a new registration, or with another stream, the registry alone decides.
 */
export function keepingWayIn(before: ProxyProfile, now: ProxyProfile): ProxyProfile {
  const left = now.role === 'sidecar' && before.role === 'sidecar' && now.service === before.service;
  return left && now.inbound.length === 0 ? { ...now, inbound: before.inbound } : now;
}

/** The SPIFFE id of a proxy; undefined for what has no certificate, and for a name that none can bear. */
export function identityOf(profile: ProxyProfile, { mesh: { trustDomain } }: Pick<World, 'mesh'>): string | undefined {
  if (profile.role === 'sidecar') return spiffeId({ kind: 'service', trustDomain, service: profile.service });
  return profile.role === 'gateway' ? spiffeId({ kind: 'gateway', trustDomain, gateway: profile.gateway }) : undefined;
}
