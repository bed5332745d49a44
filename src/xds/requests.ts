// Decodes DiscoveryRequest and DeltaDiscoveryRequest (envoy/service/discovery/v3/discovery.proto) by hand.
// It must not know subscriptions or streams. Unknown fields, locators and dynamic parameters are skipped (R56).
// Invariant: bounded work; what is not a message throws WireError.
import {
  createNameReader,
  maxNameBytes,
  maxNames,
  type NameList,
  type NameMemory,
  type NameReader,
} from './name-lists.ts';
import { canonicalName } from './resource-names.ts';
import { eachField, WireError } from './wire.ts';

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
  /** `subscribe` as it came, shared with others that ask for the same. */
  readonly list?: NameList | undefined;
  readonly unsubscribe: readonly string[];
  /** initial_resource_versions: name -> version. */
  readonly versions: ReadonlyMap<string, string>;
}

export type DiscoveryRequest = SotwRequest | DeltaRequest;

/** An Envoy quotes whole rejected configurations; more than this helps nobody. */
const maxErrorText = 8192;

/** Reads a DiscoveryRequest. A list of names that is in `memory` is compared as bytes, not read. Throws WireError. */
export function decodeSotw(bytes: Buffer, memory?: NameMemory): SotwRequest {
  let typeUrl = '';
  let nonce = '';
  let versionInfo = '';
  let node: Buffer | undefined;
  let error: ErrorDetail | undefined;
  const names = createNameReader(bytes, memory);
  eachField(bytes, [0, bytes.length], (field) => {
    const { number, wireType, start, end } = field;
    if (wireType !== 2) return;
    if (number === 1) versionInfo = bytes.toString('utf8', start, end);
    else if (number === 2) node = bytes.subarray(start, end);
    else if (number === 3) names.take(field);
    else if (number === 4) typeUrl = bytes.toString('utf8', start, end);
    else if (number === 5) nonce = bytes.toString('utf8', start, end);
    else if (number === 6) error = decodeStatus(bytes, start, end);
  });
  return { variant: 'sotw', typeUrl, nonce, error, node, versionInfo, ...names.read() };
}

const noVersions: ReadonlyMap<string, string> = new Map();

/** Reads a DeltaDiscoveryRequest. Throws WireError. */
export function decodeDelta(bytes: Buffer, memory?: NameMemory): DeltaRequest {
  let typeUrl = '';
  let nonce = '';
  let node: Buffer | undefined;
  let error: ErrorDetail | undefined;
  // An ACK has none of these.
  let subscribe: NameReader | undefined;
  let unsubscribe: Set<string> | undefined;
  let versions: Map<string, string> | undefined;
  let count = 0;
  eachField(bytes, [0, bytes.length], (field) => {
    const { number, wireType, start, end } = field;
    if (wireType !== 2) return;
    if (number === 4 || number === 5) checkCount(++count);
    if (number === 1) node = bytes.subarray(start, end);
    else if (number === 2) typeUrl = bytes.toString('utf8', start, end);
    else if (number === 3) {
      subscribe ??= createNameReader(bytes, memory);
      subscribe.take(field);
    } else if (number === 4) {
      unsubscribe ??= new Set();
      unsubscribe.add(nameOf(bytes, start, end));
    } else if (number === 5) {
      const [name, version] = decodeEntry(bytes, start, end);
      versions ??= new Map();
      versions.set(name, version);
    } else if (number === 6) nonce = bytes.toString('utf8', start, end);
    else if (number === 7) error = decodeStatus(bytes, start, end);
  });
  const { names, list } = subscribe?.read() ?? { names: [], list: undefined };
  return {
    ...{ variant: 'delta', typeUrl, nonce, error, node },
    ...{ subscribe: names, list, unsubscribe: [...(unsubscribe ?? [])], versions: versions ?? noVersions },
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
