// The TLS listeners of a gateway: one for each port, with a filter chain for the server names of each of its parts.
// It must not encode anything. Invariants: total; a chain answers for its own hosts alone, so that what one asks of its
// clients cannot be passed by through another; no two chains of a port have one server name.
import type { FilterChainJson, FilterJson } from '../gen/envoy/config/listener/v3/listener_components_pb.js';
import type { ListenerJson } from '../gen/envoy/config/listener/v3/listener_pb.js';
import type { VirtualHostJson } from '../gen/envoy/config/route/v3/route_components_pb.js';
import { endsTls } from '../model/check-certificates.ts';
import type { Gateway, GatewayListener } from '../model/gateway.ts';
import { createProblem, type Problem } from '../model/problem.ts';
import type { Provenance } from '../model/provenance.ts';
import type { Route } from '../model/route.ts';
import type { World } from '../model/world.ts';
import type { ResourceRef } from '../resources/resource.ts';
import { edgeSecret } from '../resources/secret-names.ts';
import { type EdgeTls, edgeSecretRefs, edgeSocket } from './edge-tls.ts';
import { covers } from './host-match.ts';
import { httpConnectionManager } from './http-connection-manager.ts';
import { sharesProxy, tlsInspectorFilter } from './listeners.ts';
import type { HttpChain, PlannedListener } from './planned-listener.ts';
import type { Share } from './route-action.ts';
import { tcpShares } from './upstream-groups.ts';

/** Server names, then what passes connections for them. */
interface Chain {
  readonly name: string;
  /** Empty: whatever no other chain has, also without a name. */
  readonly names: readonly string[];
  readonly filters: readonly FilterJson[];
  readonly tls?: EdgeTls;
  /** It has a route configuration of its name. */
  readonly http?: boolean;
  readonly shares: readonly Share[];
}

interface Scene {
  readonly world: World;
  /** Of the gateway, as Routes name it. */
  readonly key: string;
  readonly gateway: Gateway;
}

/** How long a handshake may take. */
const handshakeTimeout = '10s';
const noObject: Provenance = { source: '', file: '', line: 0, column: 0, object: '' };

export function isEdgeTls({ protocol }: GatewayListener): boolean {
  return protocol === 'https' || protocol === 'tls';
}

/** All TLS listeners of one address and port as one. Undefined: none of them can be served, which the model has said. */
export function edgeListener(
  scene: Scene,
  parts: readonly GatewayListener[],
): { readonly planned: PlannedListener | undefined; readonly problems: readonly Problem[] } {
  const problems: Problem[] = [];
  const [first] = parts;
  const { provenance: whole = noObject } = scene.gateway;
  const taken = new Map<string, string>();
  const chains = parts.flatMap((part) => {
    const at = part.provenance ?? whole;
    const made = chainsOf(scene, part);
    if (made === undefined)
      problems.push(createProblem('CH1227', at, `listener "${part.name}" has no Route`, { severity: 'warning' }));
    return (made ?? []).flatMap((chain) => {
      const wanted = chain.names.length === 0 ? [''] : chain.names;
      const free = wanted.filter((name) => !taken.has(name));
      for (const name of wanted) {
        const holder = taken.get(name);
        const what = name === '' ? 'whatever has no other listener' : `server name "${name}"`;
        if (holder === undefined) taken.set(name, part.name);
        else
          problems.push(
            createProblem('CH1234', at, `listener "${part.name}" is for ${what}, which "${holder}" has on this port`),
          );
      }
      return free.length === 0 ? [] : [{ ...chain, names: free.filter((name) => name !== '') }];
    });
  });
  if (first === undefined || chains.length === 0) return { planned: undefined, problems };
  const { address, port } = first;
  const name = `gateway/tls/${address}:${port}`;
  const provenance = parts.flatMap((part) => part.provenance ?? scene.gateway.provenance ?? []);
  const json: ListenerJson = {
    name,
    address: { socketAddress: { address, portValue: port } },
    statPrefix: name.replaceAll(/[^\w-]/g, '_'),
    listenerFilters: [tlsInspectorFilter],
    filterChains: chains.map(filterChain),
    trafficDirection: 'OUTBOUND',
  };
  const secrets = new Map<string, ResourceRef>(
    chains.flatMap(({ tls }) => (tls === undefined ? [] : edgeSecretRefs(tls))).map((ref) => [ref.name, ref]),
  );
  const planned: PlannedListener = {
    ...{ name, address, port, json, provenance },
    routing: { kind: 'chains', chains: httpChains(chains, unserved(scene, parts)) },
    clusters: chains.flatMap(({ shares }) => shares),
    secrets: [...secrets.values()],
  };
  return { planned, problems };
}

/** Hosts of what has no certificate yet. No other part answers for them: it may ask less of its clients. */
function unserved({ world }: Scene, parts: readonly GatewayListener[]): readonly string[] {
  return parts.flatMap((part) =>
    endsTls(part) && tlsOf(world, part) === undefined ? part.hosts.filter((host) => host !== '*') : [],
  );
}

function httpChains(chains: readonly Chain[], further: readonly string[]): readonly HttpChain[] {
  return chains.flatMap((chain) => {
    const others = chains.flatMap((other) => (other === chain ? [] : other.names));
    const taken = [...new Set([...others, ...further])].filter((name) => !chain.names.includes(name)).sort();
    return chain.http === true ? [{ name: chain.name, hosts: chain.names, taken }] : [];
  });
}

function filterChain({ name, names, filters, tls }: Chain): FilterChainJson {
  return {
    name,
    filterChainMatch: { transportProtocol: 'tls', ...(names.length === 0 ? {} : { serverNames: [...names] }) },
    filters: [...filters],
    ...(tls === undefined ? {} : { transportSocket: edgeSocket(tls), transportSocketConnectTimeout: handshakeTimeout }),
  };
}

/** Undefined: no Route leads anywhere. */
function chainsOf(scene: Scene, listener: GatewayListener): readonly Chain[] | undefined {
  const { world, key } = scene;
  const tls = tlsOf(world, listener);
  if (endsTls(listener) && tls === undefined) return [];
  const name = `gateway/${listener.name}`;
  const { accessLog } = world.mesh;
  const hosts = listener.hosts.includes('*') ? [] : listener.hosts;
  if (listener.protocol === 'https' && tls !== undefined) {
    const filter = httpConnectionManager({
      routes: name,
      statPrefix: name.replaceAll(/[^\w-]/g, '_'),
      listener: name,
      edge: true,
      inbound: false,
      tls: true,
      peerNames: tls.client !== 'none',
      accessLog,
    });
    return [{ name, names: hosts, filters: [filter], tls, http: true, shares: [] }];
  }
  const routes = world.routes.filter(({ protocol }) => protocol === 'tcp');
  const chains = serverNames(routes, hosts).flatMap(([serverName, own]): Chain[] => {
    const shares = tcpShares(own, key);
    if (shares === undefined) return [];
    return [
      {
        name: serverName === '*' ? name : `${name}/${serverName}`,
        names: serverName === '*' ? [] : [serverName],
        filters: [sharesProxy({ name, accessLog }, shares)],
        ...(tls === undefined ? {} : { tls }),
        shares,
      },
    ];
  });
  return chains.length === 0 ? undefined : chains;
}

function tlsOf(world: World, { protocol, tls }: GatewayListener): EdgeTls | undefined {
  const certificate = tls === undefined ? undefined : world.certificates.get(tls.certificate);
  // Without an authority nobody proves who he is, and no key is sent to anybody.
  if (tls === undefined || certificate === undefined) return undefined;
  if (world.mesh.certificates !== true) return undefined;
  return {
    secret: edgeSecret(certificate),
    client: tls.client,
    trustDomain: world.mesh.trustDomain,
    http: protocol === 'https',
  };
}

/** Each host of TCP Routes that the listener admits, the narrower of both, with the Routes for it; sorted. */
function serverNames(
  routes: readonly Route[],
  admitted: readonly string[],
): readonly (readonly [string, readonly Route[]])[] {
  const names = new Map<string, Route[]>();
  for (const route of routes) {
    for (const host of route.hosts) {
      const all = admitted.length === 0 || admitted.some((pattern) => covers(pattern, host));
      for (const name of all ? [host] : admitted.filter((pattern) => covers(host, pattern))) {
        const own = names.get(name);
        if (own === undefined) names.set(name, [route]);
        else if (!own.includes(route)) own.push(route);
      }
    }
  }
  return [...names].sort(([a], [b]) => (a < b ? -1 : 1));
}

/** Where `httpsRedirect` leads: the port of the first https listener of the gateway that admits the same hosts. */
export function redirectHost({ listeners }: Gateway, { name, hosts }: GatewayListener): VirtualHostJson {
  const target = listeners.find(
    ({ protocol, hosts: its }) =>
      protocol === 'https' &&
      (its.length === 0 || hosts.length === 0 || hosts.some((host) => its.some((pattern) => covers(pattern, host)))),
  );
  const port = target?.port ?? 443;
  return {
    name: `gateway/${name}/https`,
    domains: hosts.length === 0 ? ['*'] : [...hosts],
    routes: [
      {
        name: 'https',
        match: { prefix: '/' },
        redirect: {
          httpsRedirect: true,
          // The port of a plain Host header is no port of https; 443 needs no name.
          ...(port === 443 ? {} : { portRedirect: port }),
          responseCode: 'MOVED_PERMANENTLY',
        },
      },
    ],
  };
}

/**
 * What answers for hosts that are not a chain's own. A browser that knows one certificate for two hosts may ask for the
 * other on a connection that it has: it is to open another. So is whoever wants to pass by what the other asks of clients.
 */
export function misdirected({ hosts, taken }: HttpChain): VirtualHostJson | undefined {
  const others = taken.filter((other) => hosts.length === 0 || hosts.some((own) => covers(own, other)));
  const domains = hosts.length === 0 ? others : ['*', ...others];
  if (domains.length === 0) return undefined;
  return {
    name: 'misdirected',
    domains,
    routes: [{ name: 'misdirected', match: { prefix: '/' }, directResponse: { status: 421 } }],
  };
}
