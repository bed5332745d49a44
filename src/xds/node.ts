// Decodes config.core.v3.Node of a stream's first message into plain claims, and says what claims must be like to be served.
// Everything in it is the client's word only.
// It must not know views. Invariant: depth and size are bounded; metadata objects have no prototype.
import type { ClientInfo } from './contract.ts';
import { eachField, WireError } from './wire.ts';

export type NodeClaims = Omit<ClientInfo, 'streamId' | 'peer' | 'principal'>;

type Json = unknown;
type Range = readonly [number, number];

/** Nesting of the metadata, and all its values; of every form that a node comes in. */
export const maxDepth = 32;
export const maxValues = 20_000;
/** Id and cluster stand in logs, status and discovery of targets. */
const maxNameLength = 512;
/** All texts of a node together: they are kept as long as the stream is, and some of them after it. */
const maxTextBytes = 64 * 1024;

/** What keeps a node from being served, in words. */
export function nodeFault({ nodeId, nodeCluster }: NodeClaims): string | undefined {
  if (nodeId === '') return 'node.id is empty';
  return nodeId.length > maxNameLength || nodeCluster.length > maxNameLength
    ? `node.id and node.cluster have at most ${maxNameLength} characters`
    : undefined;
}

/** gRPC libraries call themselves `gRPC Go`, `gRPC Node Pure JS` or `grpc-...`; no Envoy does. */
export function isGrpcLibrary({ userAgentName }: Pick<NodeClaims, 'userAgentName'>): boolean {
  return /^grpc/i.test(userAgentName);
}

/** Reads a Node message. Throws WireError. */
export function decodeNode(bytes: Buffer): NodeClaims {
  let nodeId = '';
  let nodeCluster = '';
  let metadata: Record<string, Json> = emptyObject();
  let locality = { region: '', zone: '', subZone: '' };
  let userAgentName = '';
  let userAgentVersion = '';
  const clientFeatures: string[] = [];
  const budget = { left: maxValues, bytes: maxTextBytes };
  const text = (start: number, end: number): string => readText(bytes, [start, end], budget);
  eachField(bytes, [0, bytes.length], ({ number, wireType, start, end }) => {
    if (wireType !== 2) return;
    if (number === 1) nodeId = text(start, end);
    else if (number === 2) nodeCluster = text(start, end);
    else if (number === 3) metadata = decodeStruct(bytes, [start, end], { budget, depth: 0 });
    else if (number === 4) locality = decodeLocality(bytes, [start, end], budget);
    else if (number === 6) userAgentName = text(start, end);
    else if (number === 7) userAgentVersion = text(start, end);
    else if (number === 8) userAgentVersion = decodeBuildVersion(bytes, [start, end]);
    else if (number === 10 && clientFeatures.length < 1000) clientFeatures.push(text(start, end));
  });
  return { nodeId, nodeCluster, metadata, locality, userAgentName, userAgentVersion, clientFeatures };
}

interface Budget {
  /** Values of the metadata. */
  left: number;
  bytes: number;
}

function readText(bytes: Buffer, [start, end]: Range, budget: Budget): string {
  budget.bytes -= end - start;
  if (budget.bytes < 0) throw new WireError(`node has more than ${maxTextBytes} bytes of text`);
  return bytes.toString('utf8', start, end);
}

function emptyObject(): Record<string, Json> {
  return Object.create(null) as Record<string, Json>;
}

function decodeLocality(
  bytes: Buffer,
  range: Range,
  budget: Budget,
): { region: string; zone: string; subZone: string } {
  const parts: string[] = ['', '', ''];
  eachField(bytes, range, ({ number, wireType, start, end }) => {
    if (wireType === 2 && number <= 3) parts[number - 1] = readText(bytes, [start, end], budget);
  });
  return { region: parts[0] ?? '', zone: parts[1] ?? '', subZone: parts[2] ?? '' };
}

/** BuildVersion.version: type.v3.SemanticVersion. */
function decodeBuildVersion(bytes: Buffer, range: Range): string {
  const numbers = [0, 0, 0];
  eachField(bytes, range, (build) => {
    if (build.number !== 1 || build.wireType !== 2) return;
    eachField(bytes, [build.start, build.end], ({ number, wireType, value }) => {
      if (wireType === 0 && number <= 3) numbers[number - 1] = value;
    });
  });
  return numbers.join('.');
}

interface Bounds {
  readonly budget: Budget;
  readonly depth: number;
}

function deeper(bounds: Bounds): Bounds {
  if (bounds.depth >= maxDepth) throw new WireError(`node metadata is nested deeper than ${maxDepth}`);
  if (--bounds.budget.left < 0) throw new WireError(`node metadata has more than ${maxValues} values`);
  return { budget: bounds.budget, depth: bounds.depth + 1 };
}

function decodeStruct(bytes: Buffer, range: Range, bounds: Bounds): Record<string, Json> {
  const inner = deeper(bounds);
  const result = emptyObject();
  eachField(bytes, range, (entry) => {
    if (entry.number !== 1 || entry.wireType !== 2) return;
    let key = '';
    let value: Json = null;
    eachField(bytes, [entry.start, entry.end], ({ number, wireType, start, end }) => {
      if (wireType !== 2) return;
      if (number === 1) key = readText(bytes, [start, end], inner.budget);
      else if (number === 2) value = decodeValue(bytes, [start, end], inner);
    });
    result[key] = value;
  });
  return result;
}

function decodeValue(bytes: Buffer, range: Range, bounds: Bounds): Json {
  const inner = deeper(bounds);
  let result: Json = null;
  eachField(bytes, range, ({ number, wireType, value, start, end }) => {
    if (number === 2 && wireType === 1) result = value;
    else if (number === 3 && wireType === 2) result = readText(bytes, [start, end], inner.budget);
    else if (number === 4 && wireType === 0) result = value !== 0;
    else if (number === 5 && wireType === 2) result = decodeStruct(bytes, [start, end], inner);
    else if (number === 6 && wireType === 2) result = decodeList(bytes, [start, end], inner);
  });
  return result;
}

function decodeList(bytes: Buffer, range: Range, bounds: Bounds): Json[] {
  const result: Json[] = [];
  eachField(bytes, range, ({ number, wireType, start, end }) => {
    if (number === 1 && wireType === 2) result.push(decodeValue(bytes, [start, end], bounds));
  });
  return result;
}
