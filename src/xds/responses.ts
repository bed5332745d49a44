// Assembles DiscoveryResponse and DeltaDiscoveryResponse by splicing the resources' bytes, and shares equal messages.
// It must not know streams. The nonce is the number of the message, so one Buffer serves every stream that wants it.
// Invariant: a message is never changed after assembly; two messages never have the same nonce.
import type { Resource, View } from '../resources/resource.ts';
import { type TypeUrl, typeUrls } from '../resources/type-urls.ts';
import { putVarint, varintSize } from '../resources/wire.ts';
import { contentHash } from '../util/hash.ts';
import { allocateFrame, type Frame } from './frame.ts';
import { createFullSets, type FullSet, setVersion } from './full-set.ts';
import { field, fieldHead, number } from './wire-writer.ts';

export interface Message extends Frame {
  readonly type: TypeUrl;
  readonly nonce: string;
  readonly sequence: number;
  readonly resources: ReadonlyMap<string, Resource>;
  /** name -> version of `resources`. */
  readonly versions: ReadonlyMap<string, string>;
  readonly removed: readonly string[];
  /** SotW: version_info; delta: empty. */
  readonly version: string;
}

export interface MessageContent {
  readonly type: TypeUrl;
  /** Each name once, sorted. */
  readonly resources: readonly Resource[];
  /** Delta only: disjoint from `resources`, sorted. */
  readonly removed: readonly string[];
  /** SotW only: names that were asked for and do not exist, told as `resource_errors` (R57). */
  readonly missing?: readonly string[];
  /** `resources` are exactly this set, so neither order nor version has to be found anew. */
  readonly set?: FullSet;
}

export interface Messages {
  /** A response with this content, and a sequence greater than `after`: a shared one where there is one. */
  sotw(content: MessageContent, after: number): Message;
  delta(content: MessageContent, after: number): Message;
  /** Everything the view has of the type; not for endpoints, which change under a view. */
  fullSet(view: View, type: TypeUrl): FullSet;
  /** The sequence in a nonce of this server, 0 for a foreign one. */
  sequenceOf(nonce: string): number;
}

/** The resource that was sent alone last, and the message. */
interface Latest {
  only: Resource | undefined;
  message: Message | undefined;
}

const maxShared = 512;
const maxSharedBytes = 32 * 1024 * 1024;

/**
 * `identifier` is control_plane.identifier (R10). `epoch` tells the nonces of this process from those of others (R6);
 * it holds no '-'.
 */
export function createMessages(identifier: string, epoch: string): Messages {
  const controlPlane = field(1, identifier);
  const shared = new Map<string, Message>();
  const ofType = { sotw: new Map<TypeUrl, Latest>(), delta: new Map<TypeUrl, Latest>() };
  const ids = new WeakMap<Resource, number>();
  const heads: ResourceHeads = new WeakMap();
  let lastId = 0;
  let sharedBytes = 0;
  let sequence = 0;

  function share(key: string, message: Message): void {
    const old = shared.get(key);
    if (old !== undefined) {
      sharedBytes -= old.bytes.length;
      shared.delete(key);
    }
    shared.set(key, message);
    sharedBytes += message.bytes.length;
    for (const [oldest, { bytes }] of shared) {
      if (shared.size <= maxShared && sharedBytes <= maxSharedBytes) break;
      shared.delete(oldest);
      sharedBytes -= bytes.length;
    }
  }

  function idOf(resource: Resource): number {
    let id = ids.get(resource);
    if (id === undefined) {
      id = ++lastId;
      ids.set(resource, id);
    }
    return id;
  }

  /** Tells contents apart: an unchanged resource is the same object, but for those that bear the names they were asked by. */
  function identify(resources: readonly Resource[]): string {
    let key = '';
    for (const resource of resources) {
      const { name, version, aliases } = resource;
      key += aliases === undefined ? `${idOf(resource)},` : `${nameKey([name, version, ...aliases])};`;
    }
    return key;
  }

  /** The usual change is of one resource: all streams that are told of it ask for the same message in a row. */
  function latest(
    variant: 'sotw' | 'delta',
    { resources, removed, missing = [], set }: MessageContent,
  ): Latest | undefined {
    const [only] = resources;
    if (only === undefined || only.aliases !== undefined || set !== undefined) return undefined;
    if (resources.length + removed.length + missing.length > 1) return undefined;
    let found = ofType[variant].get(only.type);
    if (found === undefined) {
      found = { only: undefined, message: undefined };
      ofType[variant].set(only.type, found);
    }
    if (found.only !== only) {
      found.only = only;
      found.message = undefined;
    }
    return found;
  }

  function obtain(variant: 'sotw' | 'delta', content: MessageContent, after: number): Message {
    const last = latest(variant, content);
    const known = last?.message;
    if (known !== undefined && known.sequence > after) return known;
    const message = find(variant, content, after);
    if (last !== undefined) last.message = message;
    return message;
  }

  function find(variant: 'sotw' | 'delta', content: MessageContent, after: number): Message {
    const { set, missing = [] } = content;
    const identity = set?.version ?? identify(content.resources);
    const key = [variant, content.type, identity, nameKey(content.removed), nameKey(missing)].join('\n');
    const known = shared.get(key);
    if (known !== undefined && known.sequence > after) return known;
    const version = variant === 'sotw' ? (known?.version ?? set?.version ?? setVersion(content.resources)) : '';
    sequence++;
    const nonce = `${epoch}-${sequence}`;
    const head = { version, nonce, controlPlane };
    const message: Message = {
      type: content.type,
      nonce,
      sequence,
      ...(variant === 'sotw' ? encodeSotw(content, head) : encodeDelta(content, head, heads)),
      resources:
        known?.resources ?? set?.byName ?? new Map(content.resources.map((resource) => [resource.name, resource])),
      versions: known?.versions ?? new Map(content.resources.map(({ name, version: own }) => [name, own])),
      removed: content.removed,
      version,
    };
    share(key, message);
    return message;
  }

  return {
    sotw: (content, after) => obtain('sotw', content, after),
    delta: (content, after) => obtain('delta', content, after),
    fullSet: createFullSets(),
    sequenceOf: (nonce) => (nonce.startsWith(`${epoch}-`) ? Number(nonce.slice(epoch.length + 1)) || 0 : 0),
  };
}

/** Names may come from a client and hold any character: none may pass for two. */
function nameKey(names: readonly string[]): string {
  return names.map((name) => `${name.length}:${name}`).join();
}

/** A ClusterLoadAssignment that has a name and no endpoints (R40). */
export function emptyAssignment(name: string): Resource {
  const bytes = field(1, name);
  return { type: typeUrls.endpoints, name, version: contentHash(bytes), bytes, deps: [], provenance: [] };
}

/** The answer to names of virtual hosts that nothing serves: a resource without a body (R33). */
export function unresolvedHost(name: string): Resource {
  const bytes = new Uint8Array(0);
  return { type: typeUrls.virtualHost, name, version: 'none', bytes, deps: [], provenance: [], aliases: [name] };
}

/** True if the resource only says that there is none. */
export function isUnresolved({ bytes, aliases }: Resource): boolean {
  return aliases !== undefined && bytes.length === 0;
}

interface Head {
  readonly version: string;
  readonly nonce: string;
  readonly controlPlane: Buffer;
}

/** Any { 1 type_url, 2 value }: size of its body. */
function anySize(typeField: Buffer, bytes: Uint8Array): number {
  return typeField.length + 1 + varintSize(bytes.length) + bytes.length;
}

function writeAny(target: Buffer, at: number, [typeField, bytes]: readonly [Buffer, Uint8Array]): number {
  let position = at + typeField.copy(target, at);
  target[position++] = 2 * 8 + 2;
  position = putVarint(target, position, bytes.length);
  target.set(bytes, position);
  return position + bytes.length;
}

/** DiscoveryResponse { 1 version_info, 2 resources, 4 type_url, 5 nonce, 6 control_plane, 7 resource_errors }. */
function encodeSotw({ type, resources, missing = [] }: MessageContent, head: Head): Frame {
  const anyType = field(1, type);
  const before = [field(1, head.version)];
  const after = [
    field(4, type),
    field(5, head.nonce),
    fieldHead(6, head.controlPlane.length),
    head.controlPlane,
    ...missing.map(notFound),
  ];
  const sizes = resources.map(({ bytes }) => anySize(anyType, bytes));
  const total = sizes.reduce((sum, size) => sum + 1 + varintSize(size) + size, byteSum(before) + byteSum(after));
  const frame = allocateFrame(total);
  const target = frame.bytes;
  let at = put(target, 0, before);
  resources.forEach(({ bytes }, index) => {
    target[at++] = 2 * 8 + 2;
    at = putVarint(target, at, sizes[index] ?? 0);
    at = writeAny(target, at, [anyType, bytes]);
  });
  put(target, at, after);
  return frame;
}

/**
 * ResourceError { 1 resource_name { 1 name }, 2 error_detail { 1 code, 2 message } }, newer than the protos we build from:
 * cncf/xds, proposal TP3.
 */
function notFound(name: string): Buffer {
  const status = field(2, [number(1, 5), field(2, 'there is no resource of this name')]);
  return field(7, [field(1, [field(1, name)]), status]);
}

/** What stands before the bytes of a resource in a delta response: the same in every message that has it. */
type ResourceHeads = WeakMap<Resource, Buffer>;

/** Resource { 1 version, 3 name, 4 aliases, 2 resource: Any { 1 type_url, 2 value } }, up to the value's bytes. */
function encodeResourceHead(resource: Resource): Buffer {
  const { type, name, version, bytes, aliases = [] } = resource;
  const parts = [field(1, version), field(3, name), ...aliases.map((alias) => field(4, alias))];
  if (!isUnresolved(resource)) {
    const anyType = field(1, type);
    parts.push(fieldHead(2, anySize(anyType, bytes)), anyType, fieldHead(2, bytes.length));
  }
  return Buffer.concat([fieldHead(2, byteSum(parts) + bytes.length), ...parts]);
}

/** DeltaDiscoveryResponse { 2 resources, 4 type_url, 5 nonce, 6 removed, 7 control_plane }. */
function encodeDelta({ type, resources, removed }: MessageContent, head: Head, heads: ResourceHeads): Frame {
  const after = [
    field(4, type),
    field(5, head.nonce),
    ...removed.map((name) => field(6, name)),
    fieldHead(7, head.controlPlane.length),
    head.controlPlane,
  ];
  let total = byteSum(after);
  const leading = resources.map((resource) => {
    let own = heads.get(resource);
    if (own === undefined) {
      own = encodeResourceHead(resource);
      heads.set(resource, own);
    }
    total += own.length + resource.bytes.length;
    return own;
  });
  const frame = allocateFrame(total);
  const target = frame.bytes;
  let at = 0;
  for (const [index, own] of leading.entries()) {
    at += own.copy(target, at);
    const bytes = resources[index]?.bytes;
    if (bytes === undefined) continue;
    target.set(bytes, at);
    at += bytes.length;
  }
  put(target, at, after);
  return frame;
}

function byteSum(parts: readonly Buffer[]): number {
  return parts.reduce((sum, part) => sum + part.length, 0);
}

function put(target: Buffer, at: number, parts: readonly Buffer[]): number {
  return parts.reduce((position, part) => position + part.copy(target, position), at);
}
