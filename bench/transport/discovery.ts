// The discovery messages as the load client needs them: requests written, responses read, by hand and no more than that.
// Field numbers: envoy/service/discovery/v3/discovery.proto.

export type Variant = 'delta' | 'sotw';

const utf8 = new TextEncoder();

export function varint(value: number): number[] {
  const out: number[] = [];
  let rest = value;
  for (; rest >= 128; rest = Math.floor(rest / 128)) out.push((rest % 128) | 0x80);
  out.push(rest);
  return out;
}

function field(number: number, body: Uint8Array | string): Buffer {
  const bytes = typeof body === 'string' ? utf8.encode(body) : body;
  return Buffer.concat([Buffer.from([number * 8 + 2, ...varint(bytes.length)]), bytes]);
}

export interface NodeClaims {
  readonly id: string;
  readonly cluster: string;
  /** The outbound listener claimed in node.metadata.chancery; proxies with different ones have different views. */
  readonly outboundPort?: number;
}

/** google.protobuf.Struct of one text, nested once: {chancery: {role, outbound}}. */
function metadata(port: number): Buffer {
  const entry = (key: string, value: Buffer): Buffer => field(1, Buffer.concat([field(1, key), field(2, value)]));
  const said = Buffer.concat([
    entry('role', field(3, 'sidecar')),
    entry('service', field(3, 'service-0')),
    entry('outbound', field(3, `127.0.0.1:${port}`)),
  ]);
  return entry('chancery', field(5, said));
}

function encodeNode({ id, cluster, outboundPort }: NodeClaims): Buffer {
  return Buffer.concat([
    field(1, id),
    field(2, cluster),
    ...(outboundPort === undefined ? [] : [field(3, metadata(outboundPort))]),
    field(6, 'envoy'),
  ]);
}

export interface FirstRequest {
  readonly typeUrl: string;
  readonly node: NodeClaims;
  readonly names: readonly string[];
  /** name -> version of what the client still has from before. */
  readonly versions?: ReadonlyMap<string, string>;
}

/** The first request of a stream. No names: wildcard. */
export function firstRequest(variant: Variant, { typeUrl, node, names, versions }: FirstRequest): Buffer {
  const of = encodeNode(node);
  if (variant === 'sotw')
    return Buffer.concat([field(2, of), ...names.map((name) => field(3, name)), field(4, typeUrl)]);
  return Buffer.concat([
    field(1, of),
    field(2, typeUrl),
    ...names.map((name) => field(3, name)),
    ...[...(versions ?? [])].map(([name, version]) => field(5, Buffer.concat([field(1, name), field(2, version)]))),
  ]);
}

/** What stands before the nonce in every ACK of a type, for `ackRequest`. SotW repeats its names (none: wildcard). */
export function ackHead(variant: Variant, typeUrl: string, names: readonly string[]): Buffer {
  if (variant === 'delta') return field(2, typeUrl);
  return Buffer.concat([...names.map((name) => field(3, name)), field(4, typeUrl)]);
}

export interface Resource {
  nameStart: number;
  nameEnd: number;
  versionStart: number;
  versionEnd: number;
  /** The Any's value; `start` -1: it is gone. */
  start: number;
  end: number;
}

/** Positions in a response; -1 where a field is absent. */
export interface Response {
  versionStart: number;
  versionEnd: number;
  nonceStart: number;
  nonceEnd: number;
  typeStart: number;
  typeEnd: number;
}

let at = 0;

function readVarint(bytes: Buffer): number {
  let result = 0;
  let scale = 1;
  for (;;) {
    const byte = bytes[at++];
    if (byte === undefined) throw new Error('a response is cut off');
    result += (byte & 0x7f) * scale;
    if (byte < 0x80) return result;
    scale *= 128;
  }
}

/**
 * Walks a response. `onResource` is called for each resource of a delta response, and for each name of removed_resources
 * with `start` -1; what it is given is valid during the call. SotW resources are skipped here: see `sotwResources`.
 */
export function readResponse(bytes: Buffer, variant: Variant, onResource: (resource: Resource) => void): Response {
  const out: Response = { versionStart: 0, versionEnd: 0, nonceStart: 0, nonceEnd: 0, typeStart: 0, typeEnd: 0 };
  at = 0;
  while (at < bytes.length) {
    const tag = readVarint(bytes);
    if ((tag & 7) === 0) {
      readVarint(bytes);
      continue;
    }
    const size = readVarint(bytes);
    const start = at;
    const end = at + size;
    const number = tag >> 3;
    if (number === 1) [out.versionStart, out.versionEnd] = [start, end];
    else if (number === 4) [out.typeStart, out.typeEnd] = [start, end];
    else if (number === 5) [out.nonceStart, out.nonceEnd] = [start, end];
    else if (variant === 'delta' && number === 2) onResource(readResource(bytes, start, end));
    else if (variant === 'delta' && number === 6)
      onResource(Object.assign(resource, { nameStart: start, nameEnd: end, start: -1, end: -1 }));
    at = end;
  }
  return out;
}

/** Written anew for each resource: there are a hundred thousand of them when a fleet connects. */
const resource: Resource = { nameStart: 0, nameEnd: 0, versionStart: 0, versionEnd: 0, start: 0, end: 0 };

/** Resource { 1 version, 2 resource (Any), 3 name }. */
function readResource(bytes: Buffer, from: number, to: number): Resource {
  at = from;
  while (at < to) {
    const number = readVarint(bytes) >> 3;
    const size = readVarint(bytes);
    const next = at + size;
    if (number === 1) {
      resource.versionStart = at;
      resource.versionEnd = next;
    } else if (number === 3) {
      resource.nameStart = at;
      resource.nameEnd = next;
    } else if (number === 2) [resource.start, resource.end] = anyValue(bytes, at, next);
    at = next;
  }
  return resource;
}

/** Any { 1 type_url, 2 value }: where the value lies. Leaves `at` behind it. */
function anyValue(bytes: Buffer, from: number, to: number): [number, number] {
  at = from;
  let found: [number, number] = [to, to];
  while (at < to) {
    const number = readVarint(bytes) >> 3;
    const size = readVarint(bytes);
    if (number === 2) found = [at, at + size];
    at += size;
  }
  return found;
}

/** The Any values of a SotW response. */
export function sotwResources(bytes: Buffer): [number, number][] {
  const out: [number, number][] = [];
  at = 0;
  while (at < bytes.length) {
    const number = readVarint(bytes) >> 3;
    const size = readVarint(bytes);
    const end = at + size;
    if (number === 2) out.push(anyValue(bytes, at, end));
    at = end;
  }
  return out;
}

/** Field 1 of a resource where that is its name (ClusterLoadAssignment, Cluster). */
export function nameInside(bytes: Buffer, [start, end]: readonly [number, number]): string {
  at = start;
  while (at < end) {
    const number = readVarint(bytes) >> 3;
    const size = readVarint(bytes);
    if (number === 1) return bytes.toString('latin1', at, at + size);
    at += size;
  }
  return '';
}

/** FNV-1a, 32 bits: tells contents apart, the same in the peer. */
export function fnv(bytes: Uint8Array, start = 0, end = bytes.length): number {
  let hash = 0x811c9dc5;
  for (let i = start; i < end; i++) hash = Math.imul(hash ^ (bytes[i] ?? 0), 0x01000193);
  return hash >>> 0;
}
