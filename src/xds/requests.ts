// Decodes DiscoveryRequest and DeltaDiscoveryRequest (envoy/service/discovery/v3/discovery.proto) by hand.
// It must not know subscriptions or streams. Unknown fields, locators and dynamic parameters are skipped (R56).
// Invariant: bounded work; what is not a message throws WireError.
import type { NameList, NameLists } from './name-lists.ts';
import { canonicalName } from './resource-names.ts';
import { eachField, varintSize, WireError } from './wire.ts';

/** google.rpc.Status of a NACK. */
export interface ErrorDetail {
  readonly code: number;
  readonly message: string;
}

export interface SotwRequest {
  readonly variant: 'sotw';
  readonly typeUrl: string;
  readonly nonce: string;
  readonly error: ErrorDetail | undefined;
  /** The encoded Node, if the message has one. */
  readonly node: Buffer | undefined;
  readonly versionInfo: string;
  /** The whole subscription, each name once; the same array as before where the client repeats itself. */
  readonly names: readonly string[];
  /** `names` as they came, to recognise them in the next request; undefined where they were not in one piece. */
  readonly list?: NameList | undefined;
}

export interface DeltaRequest {
  readonly variant: 'delta';
  readonly typeUrl: string;
  readonly nonce: string;
  readonly error: ErrorDetail | undefined;
  readonly node: Buffer | undefined;
  readonly subscribe: readonly string[];
  readonly unsubscribe: readonly string[];
  /** initial_resource_versions: name -> version. */
  readonly versions: ReadonlyMap<string, string>;
}

export type DiscoveryRequest = SotwRequest | DeltaRequest;

/** Names one message may carry, over all its lists. */
const maxNames = 200_000;
/** Bytes of one name; it is kept while it is subscribed. */
const maxNameBytes = 4096;
/** An Envoy quotes whole rejected configurations; more than this helps nobody. */
const maxErrorText = 8192;

export interface NameMemory {
  readonly lists: NameLists;
  /** What this client sent last, of each type. */
  readonly last: Iterable<NameList>;
}

/** The tag of `resource_names`. */
const nameTag = 3 * 8 + 2;

/** Reads a DiscoveryRequest. A list of names that is in `memory` is compared as bytes, not read. Throws WireError. */
export function decodeSotw(bytes: Buffer, memory?: NameMemory): SotwRequest {
  let typeUrl = '';
  let nonce = '';
  let versionInfo = '';
  let node: Buffer | undefined;
  let error: ErrorDetail | undefined;
  let list: NameList | undefined;
  const names = new Set<string>();
  let count = 0;
  /** Where the names are, as long as they are in one piece. */
  let piece: { from: number; to: number } | undefined;
  eachField(bytes, [0, bytes.length], (field) => {
    const { number, wireType, start, end } = field;
    if (wireType !== 2) return;
    if (number === 1) versionInfo = bytes.toString('utf8', start, end);
    else if (number === 2) node = bytes.subarray(start, end);
    else if (number === 3) {
      const from = start - 1 - varintSize(end - start);
      if (count === 0 && list === undefined && memory !== undefined) {
        list = repeated(bytes, from, memory.last);
        if (list !== undefined) {
          field.next = from + list.raw.length;
          return;
        }
      }
      if (count === 0 && list === undefined) piece = { from, to: end };
      else piece = piece?.to === from ? { from: piece.from, to: end } : undefined;
      // More names after those recognised: not the same list.
      for (const name of list?.names ?? []) names.add(name);
      list = undefined;
      names.add(nameOf(bytes, start, end));
      checkCount(++count);
    } else if (number === 4) typeUrl = bytes.toString('utf8', start, end);
    else if (number === 5) nonce = bytes.toString('utf8', start, end);
    else if (number === 6) error = decodeStatus(bytes, start, end);
  });
  if (list === undefined && piece !== undefined && memory !== undefined)
    list = memory.lists.intern(bytes.subarray(piece.from, piece.to), [...names]);
  return { variant: 'sotw', typeUrl, nonce, error, node, versionInfo, names: list?.names ?? [...names], list };
}

/** The list whose bytes stand at `from`, whole: no further name follows them. */
function repeated(bytes: Buffer, from: number, last: Iterable<NameList>): NameList | undefined {
  for (const list of last) {
    const to = from + list.raw.length;
    if (to <= bytes.length && bytes[to] !== nameTag && bytes.compare(list.raw, 0, list.raw.length, from, to) === 0)
      return list;
  }
  return undefined;
}

/** Reads a DeltaDiscoveryRequest. Throws WireError. */
export function decodeDelta(bytes: Buffer): DeltaRequest {
  let typeUrl = '';
  let nonce = '';
  let node: Buffer | undefined;
  let error: ErrorDetail | undefined;
  const subscribe = new Set<string>();
  const unsubscribe = new Set<string>();
  const versions = new Map<string, string>();
  let count = 0;
  eachField(bytes, [0, bytes.length], ({ number, wireType, start, end }) => {
    if (wireType !== 2) return;
    if (number >= 3 && number <= 5) checkCount(++count);
    if (number === 1) node = bytes.subarray(start, end);
    else if (number === 2) typeUrl = bytes.toString('utf8', start, end);
    else if (number === 3) subscribe.add(nameOf(bytes, start, end));
    else if (number === 4) unsubscribe.add(nameOf(bytes, start, end));
    else if (number === 5) {
      const [name, version] = decodeEntry(bytes, start, end);
      versions.set(name, version);
    } else if (number === 6) nonce = bytes.toString('utf8', start, end);
    else if (number === 7) error = decodeStatus(bytes, start, end);
  });
  return {
    variant: 'delta',
    typeUrl,
    nonce,
    error,
    node,
    subscribe: [...subscribe],
    unsubscribe: [...unsubscribe],
    versions,
  };
}

function checkCount(count: number): void {
  if (count > maxNames) throw new WireError(`more than ${maxNames} names in one message`);
}

function nameOf(bytes: Buffer, start: number, end: number): string {
  if (end - start > maxNameBytes) throw new WireError(`a name is longer than ${maxNameBytes} bytes`);
  return canonicalName(bytes.toString('utf8', start, end));
}

function decodeEntry(bytes: Buffer, start: number, end: number): [string, string] {
  let key = '';
  let value = '';
  eachField(bytes, [start, end], (field) => {
    if (field.wireType !== 2) return;
    if (field.number === 1) key = nameOf(bytes, field.start, field.end);
    else if (field.number === 2) value = nameOf(bytes, field.start, field.end);
  });
  return [key, value];
}

function decodeStatus(bytes: Buffer, start: number, end: number): ErrorDetail {
  let code = 0;
  let message = '';
  eachField(bytes, [start, end], (field) => {
    if (field.number === 1 && field.wireType === 0) code = field.value;
    else if (field.number === 2 && field.wireType === 2)
      message = bytes.toString('utf8', field.start, Math.min(field.end, field.start + maxErrorText));
  });
  return { code, message };
}
