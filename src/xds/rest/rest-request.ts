// Reads a DiscoveryRequest in proto3 JSON, in either spelling of its names. Everything of the node is the client's word only.
// It must not know HTTP. Invariant: depth and size of what is kept are bounded; metadata objects have no prototype.
import { maxDepth, maxValues, type NodeClaims, nodeFault } from '../node.ts';

export interface RestRequest {
  readonly claims: NodeClaims;
  /** Tells nodes apart that claim different things. */
  readonly nodeText: string;
  readonly typeUrl: string;
  readonly versionInfo: string;
  /** Each name once. */
  readonly names: readonly string[];
  /** The client's words about what it refused. */
  readonly error: string | undefined;
}

/** The body is not a discovery request; the message says why. */
export class RestRequestError extends Error {
  override readonly name = 'RestRequestError';
}

type Json = Readonly<Record<string, unknown>>;

const maxNames = 20_000;
const maxNameLength = 4096;
const maxNodeText = 64 * 1024;
const maxErrorText = 8192;

/** Throws RestRequestError. */
export function readRequest(body: string): RestRequest {
  let parsed: unknown;
  try {
    parsed = JSON.parse(body);
  } catch {
    throw new RestRequestError('the body is not JSON');
  }
  const request = objectOf(parsed, 'the request');
  const node = objectOf(member(request, 'node', 'node'), 'node');
  // Of what was read only, whose depth is bounded: an Envoy lists every extension it was built with, each time.
  const claims = readNode(node);
  const fault = nodeFault(claims);
  if (fault !== undefined) throw new RestRequestError(fault);
  const nodeText = JSON.stringify(claims);
  if (nodeText.length > maxNodeText) throw new RestRequestError(`node has more than ${maxNodeText} characters`);
  return {
    claims,
    nodeText,
    typeUrl: textOf(request, 'typeUrl', 'type_url'),
    versionInfo: textOf(request, 'versionInfo', 'version_info'),
    names: readNames(member(request, 'resourceNames', 'resource_names')),
    error: readError(member(request, 'errorDetail', 'error_detail')),
  };
}

function readNode(node: Json): NodeClaims {
  const locality = objectOf(node['locality'] ?? {}, 'node.locality');
  const features = member(node, 'clientFeatures', 'client_features');
  const metadata = plain(objectOf(node['metadata'] ?? {}, 'node.metadata'), { left: maxValues, depth: 0 });
  return {
    nodeId: textOf(node, 'id', 'id'),
    nodeCluster: textOf(node, 'cluster', 'cluster'),
    metadata: metadata as Json,
    locality: {
      region: textOf(locality, 'region', 'region'),
      zone: textOf(locality, 'zone', 'zone'),
      subZone: textOf(locality, 'subZone', 'sub_zone'),
    },
    userAgentName: textOf(node, 'userAgentName', 'user_agent_name'),
    userAgentVersion: textOf(node, 'userAgentVersion', 'user_agent_version') || buildVersion(node),
    clientFeatures: Array.isArray(features)
      ? features.filter((one): one is string => typeof one === 'string').slice(0, 1000)
      : [],
  };
}

/** BuildVersion.version as Envoy sends it. */
function buildVersion(node: Json): string {
  const build = member(node, 'userAgentBuildVersion', 'user_agent_build_version');
  if (build === undefined) return '';
  const version = objectOf(objectOf(build, 'build version')['version'] ?? {}, 'version');
  const part = (value: unknown): number => (typeof value === 'number' ? value : 0);
  return [
    part(member(version, 'majorNumber', 'major_number')),
    part(member(version, 'minorNumber', 'minor_number')),
    part(member(version, 'patch', 'patch')),
  ].join('.');
}

function readNames(value: unknown): readonly string[] {
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value)) throw new RestRequestError('resource_names is not a list');
  if (value.length > maxNames) throw new RestRequestError(`more than ${maxNames} names in one request`);
  for (const name of value)
    if (typeof name !== 'string' || name.length > maxNameLength)
      throw new RestRequestError(`a resource name is a text of at most ${maxNameLength} characters`);
  return [...new Set(value as readonly string[])];
}

function readError(value: unknown): string | undefined {
  if (value === undefined || value === null) return undefined;
  return textOf(objectOf(value, 'error_detail'), 'message', 'message').slice(0, maxErrorText);
}

function member(object: Json, camel: string, snake: string): unknown {
  return object[camel] ?? object[snake];
}

function textOf(object: Json, camel: string, snake: string): string {
  const value = member(object, camel, snake);
  if (value === undefined || value === null) return '';
  if (typeof value !== 'string') throw new RestRequestError(`${snake} is not a text`);
  return value;
}

function objectOf(value: unknown, what: string): Json {
  if (value === null || typeof value !== 'object' || Array.isArray(value))
    throw new RestRequestError(`${what} is missing or not an object`);
  return value as Json;
}

/** A copy whose objects have no prototype. */
function plain(value: unknown, bounds: { left: number; readonly depth: number }): unknown {
  if (value === null || typeof value !== 'object') return value;
  if (bounds.depth >= maxDepth) throw new RestRequestError(`node.metadata is nested deeper than ${maxDepth}`);
  const inner = { left: bounds.left - 1, depth: bounds.depth + 1 };
  const take = (item: unknown): unknown => {
    if (--inner.left < 0) throw new RestRequestError(`node.metadata has more than ${maxValues} values`);
    return plain(item, inner);
  };
  if (Array.isArray(value)) return value.map(take);
  const copy = Object.create(null) as Record<string, unknown>;
  for (const [key, item] of Object.entries(value)) copy[key] = take(item);
  return copy;
}
