// Sidecar registrations (Kind connect-proxy) and how they join the instances they stand before.
// Pure. A sidecar is never a service of its own: it is the `proxy` of an instance, and its upstreams are that instance's.
import type { Health, Instance } from '../../model/instance.ts';
import type { Provenance } from '../../model/provenance.ts';
import type { DeclaredUpstream } from '../../model/snapshot.ts';
import { worst } from './health.ts';
import {
  isRecord,
  type Json,
  optionalList,
  optionalNumber,
  optionalRecord,
  optionalText,
  requiredText,
} from './json-reader.ts';
import type { CommonParts, PlainInstance } from './row-parts.ts';

export interface Sidecar {
  readonly node: string;
  readonly id: string;
  /** Service and, if given, id of the instance it stands before. */
  readonly destination: string;
  readonly destinationId: string;
  readonly address: string;
  readonly port: number;
  readonly localAddress: string;
  /** 0: the instance's own port. */
  readonly localPort: number;
  readonly upstreams: readonly DeclaredUpstream[];
  readonly health: Health;
  readonly at: Provenance;
}

/** Throws ShapeError. Defaults are Consul's: the local application and upstreams are on 127.0.0.1. */
export function readSidecar(service: Json, parts: CommonParts & { readonly health: Health }): Sidecar {
  const proxy = optionalRecord(service, 'Proxy');
  return {
    node: parts.node,
    id: parts.id,
    destination: requiredText(proxy, 'DestinationServiceName'),
    destinationId: optionalText(proxy, 'DestinationServiceID'),
    address: parts.address,
    port: parts.port,
    localAddress: optionalText(proxy, 'LocalServiceAddress') || '127.0.0.1',
    localPort: optionalNumber(proxy, 'LocalServicePort', 0),
    upstreams: optionalList(proxy, 'Upstreams').flatMap((entry) => readUpstream(entry)),
    health: parts.health,
    at: parts.at,
  };
}

/** Upstreams of other kinds than services, or without a port of their own, have no listener here and are left out. */
function readUpstream(entry: unknown): readonly DeclaredUpstream[] {
  if (!isRecord(entry)) return [];
  const type = optionalText(entry, 'DestinationType');
  const service = optionalText(entry, 'DestinationName');
  const port = optionalNumber(entry, 'LocalBindPort', 0);
  if ((type !== '' && type !== 'service') || service === '') return [];
  if (!Number.isInteger(port) || port < 1 || port > 65535) return [];
  return [{ service, address: optionalText(entry, 'LocalBindAddress') || '127.0.0.1', port }];
}

/**
 * The sidecar of each instance: the one on the same node that names its id, else the one that names only the service
 * where the node has a single instance of it.
 */
export function matchSidecars(
  instances: readonly PlainInstance[],
  sidecars: readonly Sidecar[],
): { readonly matched: ReadonlyMap<PlainInstance, Sidecar>; readonly left: readonly Sidecar[] } {
  const matched = new Map<PlainInstance, Sidecar>();
  const left: Sidecar[] = [];
  for (const sidecar of sidecars) {
    const here = instances.filter(({ node }) => node === sidecar.node);
    const one =
      sidecar.destinationId === ''
        ? here.length === 1
          ? here[0]
          : undefined
        : here.find(({ instance }) => instance.id === sidecar.destinationId);
    if (one === undefined) left.push(sidecar);
    else if (!matched.has(one)) matched.set(one, sidecar);
  }
  return { matched, left };
}

/** The instance with its sidecar; traffic passes both, so health is the worse of the two. */
export function withSidecar(instance: Instance, sidecar: Sidecar): Instance {
  return {
    ...instance,
    health: worst(instance.health, sidecar.health),
    proxy: {
      address: sidecar.address,
      port: sidecar.port,
      localAddress: sidecar.localAddress,
      localPort: sidecar.localPort === 0 ? instance.port : sidecar.localPort,
    },
  };
}
