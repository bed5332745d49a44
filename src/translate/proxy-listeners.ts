// Which listeners a proxy has, and what each leads to. It must not encode anything.
// Invariant: total; two listeners on one address and port are never both in the result, the later one is told.
import { isIP } from 'node:net';
import { defaultGatewayListener, type Gateway, type GatewayListener } from '../model/gateway.ts';
import { inboundMtls } from '../model/mtls.ts';
import { createProblem, type Problem } from '../model/problem.ts';
import type { Provenance } from '../model/provenance.ts';
import type { Service } from '../model/service.ts';
import { spiffeId } from '../model/spiffe.ts';
import type { World } from '../model/world.ts';
import { portClashes } from '../resources/check.ts';
import type { Access } from './authorization/table.ts';
import { edgeListener, isEdgeTls, redirectHost } from './edge-listeners.ts';
import { inboundListener, inboundName } from './inbound.ts';
import { httpListener, tcpListener } from './listeners.ts';
import { reachOf } from './mutual-tls.ts';
import { provenanceOf } from './origin.ts';
import type { PlannedListener } from './planned-listener.ts';
import type { EnvoyProfile } from './profile.ts';
import { tcpRoutesOf, tcpShares } from './upstream-groups.ts';

/** What of access stands in listeners. */
export type ListenerAccess = Pick<Access, 'connections' | 'tokens'>;

export interface ListenerPlan {
  readonly listeners: readonly PlannedListener[];
  readonly problems: readonly Problem[];
}

function own(object: string): Provenance {
  return { source: '', file: '', line: 0, column: 0, object };
}

function gatewayListener(
  world: World,
  { key, gateway }: { readonly key: string; readonly gateway: Gateway | undefined },
  listener: GatewayListener,
): PlannedListener | Problem {
  const { address, port } = listener;
  const at = listener.provenance ?? gateway?.provenance;
  const name = `gateway/${listener.name}`;
  const base = { name, address, port, provenance: at === undefined ? [] : [at] };
  const where = at ?? own(`Gateway ${gateway?.name ?? ''}`);
  if (listener.protocol === 'http')
    return {
      ...base,
      json: httpListener({ ...base, routes: name, edge: true, accessLog: world.mesh.accessLog, direction: 'OUTBOUND' }),
      routing:
        listener.httpsRedirect === true && gateway !== undefined
          ? { kind: 'fixed', json: redirectHost(gateway, listener) }
          : { kind: 'hosts', hosts: listener.hosts },
      clusters: [],
    };
  // Without TLS there is no name to choose by: a TCP listener takes the Routes written for its gateway.
  const routes = world.routes.filter(
    (route) =>
      route.protocol === 'tcp' &&
      (listener.hosts.length === 0 || route.hosts.some((host) => listener.hosts.includes(host))),
  );
  const shares = tcpShares(routes, key);
  if (shares === undefined)
    return createProblem('CH1227', where, `listener "${listener.name}" has no Route`, { severity: 'warning' });
  return {
    ...base,
    json: tcpListener({ ...base, shares, accessLog: world.mesh.accessLog, direction: 'OUTBOUND' }),
    routing: { kind: 'none' },
    clusters: shares,
  };
}

function gatewayListeners(world: World, name: string): (PlannedListener | Problem)[] {
  const gateway = world.gateways.get(name);
  if (gateway === undefined && world.gateways.size > 0)
    return [createProblem('CH1206', own(`Gateway ${name}`), `a proxy asks for the listeners of gateway "${name}"`)];
  const listeners = gateway?.listeners ?? [defaultGatewayListener];
  return listeners.flatMap((listener) => {
    if (gateway === undefined || !isEdgeTls(listener))
      return [gatewayListener(world, { key: name, gateway }, listener)];
    // One socket for all of them, where the first of them stands.
    const together = listeners.filter(
      (other) => isEdgeTls(other) && other.address === listener.address && other.port === listener.port,
    );
    if (together[0] !== listener) return [];
    const { planned, problems } = edgeListener({ world, key: name, gateway }, together);
    return [...(planned === undefined ? [] : [planned]), ...problems];
  });
}

function upstreamListener(
  world: World,
  { service: id, address, port }: Extract<EnvoyProfile, { role: 'sidecar' }>['upstreams'][number],
): PlannedListener {
  const service: Service | undefined = world.services.get(id);
  const base = { name: `upstream/${id}/${port}`, address, port, provenance: service?.provenance ?? [] };
  const options = { ...base, accessLog: world.mesh.accessLog, direction: 'OUTBOUND' as const };
  if (service?.protocol !== 'tcp')
    return {
      ...base,
      json: httpListener({ ...options, routes: base.name, edge: false }),
      routing: { kind: 'service', service: id },
      clusters: [],
    };
  const shares = tcpShares(tcpRoutesOf(world, service), 'mesh') ?? [{ service: id, weight: 1 }];
  return { ...base, json: tcpListener({ ...options, shares }), routing: { kind: 'none' }, clusters: shares };
}

function inboundListeners(
  world: World,
  profile: Extract<EnvoyProfile, { role: 'sidecar' }>,
  access: ListenerAccess | undefined,
): (PlannedListener | Problem)[] {
  const service = world.services.get(profile.service);
  const named = service ?? ({ id: profile.service, tls: 'mesh', protocol: 'http' } as const);
  const reach = reachOf(named, world.mesh);
  if (reach.mtls !== 'off' && reach.peer === undefined) {
    const at = service === undefined ? own(`Service ${profile.service}`) : provenanceOf(service);
    return [createProblem('CH1237', at, `"${profile.service}" cannot stand in a certificate`)];
  }
  const { accessLog, trustDomain } = world.mesh;
  const shown = spiffeId({ kind: 'service', trustDomain, service: profile.service }) !== undefined;
  const mtls = shown ? inboundMtls(named, world.mesh) : reach.mtls;
  const options = {
    protocol: named.protocol,
    accessLog,
    mtls,
    trustDomain,
    access: access?.connections,
    tokens: access?.tokens,
  };
  return profile.inbound.map((binding) => ({
    name: inboundName(binding),
    address: binding.address,
    port: binding.port,
    json: inboundListener(binding, options),
    routing: { kind: 'inbound', binding },
    clusters: [],
    mutualTls: mtls !== 'off',
    provenance: service?.provenance ?? [],
  }));
}

function sidecarListeners(
  world: World,
  profile: Extract<EnvoyProfile, { role: 'sidecar' }>,
  access: ListenerAccess | undefined,
): (PlannedListener | Problem)[] {
  const log = world.mesh.accessLog;
  const inbound = inboundListeners(world, profile, access);
  const { outbound } = profile;
  const plain: PlannedListener[] =
    outbound === undefined
      ? []
      : [
          {
            name: 'outbound',
            ...outbound,
            json: httpListener({
              name: 'outbound',
              ...outbound,
              routes: 'outbound',
              edge: false,
              accessLog: log,
              direction: 'OUTBOUND',
            }),
            routing: { kind: 'hosts', hosts: [] },
            clusters: [],
            provenance: [],
          },
        ];
  return [...inbound, ...plain, ...profile.upstreams.map((upstream) => upstreamListener(world, upstream))];
}

/**
 * The listeners of a proxy, in the order that decides which of two on one port is kept. `access`: what its own service does
 * with connections.
 */
export function planListeners(world: World, profile: EnvoyProfile, access?: ListenerAccess): ListenerPlan {
  const planned =
    profile.role === 'gateway' ? gatewayListeners(world, profile.gateway) : sidecarListeners(world, profile, access);
  const problems = planned.flatMap((item) => ('json' in item ? [] : [item]));
  const listeners = planned.flatMap((item) => {
    if (!('json' in item)) return [];
    if (isIP(item.address) !== 0) return [item];
    const message = `listener "${item.name}" asks for "${item.address}", which is no IP address`;
    problems.push(createProblem('CH1229', item.provenance[0] ?? own(`Listener ${item.name}`), message));
    return [];
  });
  const clashes = portClashes(listeners);
  for (const [later, first] of clashes)
    problems.push(
      createProblem(
        'CH1223',
        later.provenance[0] ?? own(`Listener ${later.name}`),
        `listener "${later.name}" asks for ${later.address}:${later.port}, which "${first.name}" has`,
      ),
    );
  const kept: PlannedListener[] = [];
  for (const item of listeners) {
    if (clashes.has(item)) continue;
    // One port on two addresses: listeners are named by port.
    const double = kept.find(({ name }) => name === item.name);
    if (double === undefined) kept.push(item);
    else
      problems.push(
        createProblem(
          'CH1223',
          item.provenance[0] ?? own(`Listener ${item.name}`),
          `listener "${item.name}" is asked for at ${item.address} too, and has ${double.address} already`,
        ),
      );
  }
  return { listeners: kept, problems };
}
