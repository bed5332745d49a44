// ClusterLoadAssignment by hand: the one message written on every endpoint event (the library was measured
// at ten times the cost). It must not know instances. Invariant: byte-equal to the library's encoding; a test holds that.
// Field numbers: envoy/config/endpoint/v3/endpoint.proto, endpoint_components.proto, config/core/v3/address.proto, base.proto.
import { concat, delimited, putVarint, varintSize } from './wire.ts';

export interface EndpointEntry {
  /** IP literal. */
  readonly address: string;
  readonly port: number;
  /** envoy.config.core.v3.HealthStatus: 1 healthy, 2 unhealthy. */
  readonly healthStatus: 1 | 2;
  /** 1..128. */
  readonly weight: number;
  /** Marks it for the cluster's plaintext socket; absent: it is reached by the default one. */
  readonly plaintext?: boolean;
}

export interface LocalityEntry {
  readonly region: string;
  readonly zone: string;
  readonly subZone: string;
  readonly endpoints: readonly EndpointEntry[];
}

/** The mark of an endpoint that is reached in plaintext. */
export const plaintextMatch = { key: 'chancery', value: 'plaintext' } as const;

const matchMetadata = 'envoy.transport_socket_match';
const utf8 = new TextEncoder();
const largestWeight = 4_294_967_295;

function text(field: number, value: string): Uint8Array {
  if (value === '') return new Uint8Array(0);
  const body = utf8.encode(value);
  const target = new Uint8Array(1 + varintSize(body.length) + body.length);
  target[0] = (field << 3) | 2;
  target.set(body, putVarint(target, 1, body.length));
  return target;
}

/** `metadata` of an endpoint in plaintext: a Metadata with one Struct in it, the same bytes for all. */
const plaintextField = delimited(
  3,
  delimited(
    1,
    text(1, matchMetadata),
    delimited(2, delimited(1, text(1, plaintextMatch.key), delimited(2, text(3, plaintextMatch.value)))),
  ),
);

/** One `lb_endpoints` field of a locality, tag included. */
function endpoint({ address, port, healthStatus, weight, plaintext = false }: EndpointEntry): Uint8Array {
  const addressBytes = Buffer.from(address, 'utf8');
  const socket = 1 + varintSize(addressBytes.length) + addressBytes.length + 1 + varintSize(port);
  const wrapped = 1 + varintSize(socket) + socket;
  const inner = 1 + varintSize(wrapped) + wrapped;
  // The default weight is 1 where none is written, so the common case stays small.
  const weightSize = weight === 1 ? 0 : 3 + varintSize(weight);
  const body = 1 + varintSize(inner) + inner + 2 + (plaintext ? plaintextField.length : 0) + weightSize;
  const target = new Uint8Array(1 + varintSize(body) + body);
  let at = 0;
  const open = (field: number, length: number): void => {
    target[at++] = (field << 3) | 2;
    at = putVarint(target, at, length);
  };
  open(2, body);
  open(1, inner);
  open(1, wrapped);
  open(1, socket);
  open(2, addressBytes.length);
  target.set(addressBytes, at);
  at += addressBytes.length;
  target[at++] = 3 << 3;
  at = putVarint(target, at, port);
  target[at++] = 2 << 3;
  target[at++] = healthStatus;
  if (plaintext) {
    target.set(plaintextField, at);
    at += plaintextField.length;
  }
  if (weight !== 1) {
    open(4, 1 + varintSize(weight));
    target[at++] = 1 << 3;
    putVarint(target, at, weight);
  }
  return target;
}

/**
 * What a locality may take, for gRPC clients, which ignore one without a weight (gRFC A27): the sum over its healthy
 * endpoints, at least 1. Envoy does not look at it unless its cluster asks for locality weights.
 */
function localityWeight(endpoints: readonly EndpointEntry[]): number {
  let sum = 0;
  for (const { healthStatus, weight } of endpoints) if (healthStatus === 1) sum += weight;
  return Math.min(Math.max(sum, 1), largestWeight);
}

/** `load_balancing_weight` of a locality: a UInt32Value in field 3. */
function weightField(weight: number): Uint8Array {
  const inner = 1 + varintSize(weight);
  const target = new Uint8Array(2 + inner);
  target[0] = (3 << 3) | 2;
  target[1] = inner;
  target[2] = 1 << 3;
  putVarint(target, 3, weight);
  return target;
}

function field(number: number, parts: readonly Uint8Array[]): Uint8Array {
  const body = concat(parts);
  const target = new Uint8Array(1 + varintSize(body.length) + body.length);
  target[0] = (number << 3) | 2;
  target.set(body, putVarint(target, 1, body.length));
  return target;
}

/** Localities and endpoints are written in the order given. */
export function encodeLoadAssignment(clusterName: string, localities: readonly LocalityEntry[]): Uint8Array {
  return concat([
    text(1, clusterName),
    ...localities.map(({ region, zone, subZone, endpoints }) =>
      field(2, [
        field(1, [text(1, region), text(2, zone), text(3, subZone)]),
        ...endpoints.map(endpoint),
        weightField(localityWeight(endpoints)),
      ]),
    ),
  ]);
}

/** The same as JSON, for static load assignments and for tests. */
export function loadAssignmentJson(clusterName: string, localities: readonly LocalityEntry[]) {
  return {
    clusterName,
    endpoints: localities.map(({ region, zone, subZone, endpoints }) => ({
      locality: { region, zone, subZone },
      lbEndpoints: endpoints.map(({ address, port, healthStatus, weight, plaintext }) => ({
        endpoint: { address: { socketAddress: { address, portValue: port } } },
        healthStatus: healthStatus === 1 ? ('HEALTHY' as const) : ('UNHEALTHY' as const),
        ...(plaintext === true
          ? { metadata: { filterMetadata: { [matchMetadata]: { [plaintextMatch.key]: plaintextMatch.value } } } }
          : {}),
        ...(weight === 1 ? {} : { loadBalancingWeight: weight }),
      })),
      loadBalancingWeight: localityWeight(endpoints),
    })),
  };
}
