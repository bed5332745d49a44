// Rows of /v1/health/service/NAME into instances and sidecars, each row on its own: a bad one becomes a Problem.
// Pure. It must not know how rows were fetched. Rules: landscape of Consul's data model, each at its place below.
import { isIP } from 'node:net';
import type { Instance, Locality } from '../../model/instance.ts';
import { createProblem, type Problem } from '../../model/problem.ts';
import type { Provenance } from '../../model/provenance.ts';
import { type Check, instanceHealth, sidecarHealth, weigh } from './health.ts';
import {
  isRecord,
  type Json,
  optionalList,
  optionalNumber,
  optionalRecord,
  optionalText,
  record,
  requiredText,
  ShapeError,
  texts,
} from './json-reader.ts';
import type { CommonParts, PlainInstance } from './row-parts.ts';
import { readSidecar, type Sidecar } from './sidecar.ts';

export interface ParsedRows {
  readonly instances: readonly PlainInstance[];
  readonly sidecars: readonly Sidecar[];
  readonly problems: readonly Problem[];
  /** Rows that make no sense were left out, so what is here may be less than what is registered. */
  readonly torn: boolean;
}

export interface RowContext {
  /** Name of the source. */
  readonly source: string;
  /** The service asked for. */
  readonly service: string;
  /** Only instances with this tag. Sidecars always count: they belong to an instance that has it or not. */
  readonly tag?: string;
  /** Which of TaggedAddresses to dial, e.g. `wan` for a remote datacenter; absent: the plain address. */
  readonly taggedAddress?: string;
}

/** Kinds that are proxies of their own, not services: Consul's gateways. */
const gatewayKinds = new Set(['mesh-gateway', 'terminating-gateway', 'ingress-gateway', 'api-gateway']);

/** `body` is the array of the answer. Order of the result is that of the rows. */
export function parseRows(body: readonly unknown[], context: RowContext): ParsedRows {
  const instances: PlainInstance[] = [];
  const sidecars: Sidecar[] = [];
  const problems: Problem[] = [];
  let torn = false;
  body.forEach((row, position) => {
    const at = provenance(context, isRecord(row) ? rowName(row, position) : `row ${position}`);
    try {
      if (!isRecord(row)) throw new ShapeError('the row is not an object');
      const service = record(row, 'Service');
      const kind = optionalText(service, 'Kind');
      if (gatewayKinds.has(kind)) return;
      if (kind === 'connect-proxy') {
        const parts = commonParts(row, context, { at, problems });
        if (parts !== undefined) sidecars.push(readSidecar(service, { ...parts, health: sidecarHealth(parts.checks) }));
        return;
      }
      if (kind !== '') {
        const message = `kind "${kind}" is not known`;
        problems.push(createProblem('CH1319', at, message, { severity: 'warning' }));
        return;
      }
      const instance = readInstance(row, context, { at, problems });
      if (instance !== undefined) instances.push(instance);
    } catch (error) {
      if (!(error instanceof ShapeError)) throw error;
      torn = true;
      problems.push(createProblem('CH1314', at, error.message));
    }
  });
  return { instances, sidecars, problems, torn };
}

interface Report {
  readonly at: Provenance;
  readonly problems: Problem[];
}

function readInstance(row: Json, context: RowContext, report: Report): PlainInstance | undefined {
  const parts = commonParts(row, context, report);
  if (parts === undefined) return undefined;
  const { node, id, address, port, checks } = parts;
  const service = record(row, 'Service');
  const tags = optionalList(service, 'Tags').filter((tag) => typeof tag === 'string');
  if (context.tag !== undefined && !tags.includes(context.tag)) return undefined;
  const metadata = texts(optionalRecord(service, 'Meta'));
  const locality = readLocality(record(row, 'Node'), service, metadata);
  const weighed = weigh(instanceHealth(checks), readWeights(service, report));
  const instance: Instance = {
    key: `${node}/${id}`,
    id,
    address,
    port,
    ...weighed,
    metadata,
    tags,
    ...(locality === undefined ? {} : { locality }),
  };
  return { node, instance };
}

/** What instances and sidecars have in common; undefined when it cannot be dialled, with the Problem reported. */
function commonParts(row: Json, context: RowContext, report: Report): CommonParts | undefined {
  const node = record(row, 'Node');
  const service = record(row, 'Service');
  const id = requiredText(service, 'ID');
  const nodeName = requiredText(node, 'Node');
  const checks = optionalList(row, 'Checks').map((check): Check => {
    if (!isRecord(check)) throw new ShapeError('Checks holds something that is not an object');
    return { status: requiredText(check, 'Status'), output: optionalText(check, 'Output') };
  });
  const { address, port } = readAddress(node, service, context.taggedAddress);
  if (!usable(address)) {
    const message = address === '' ? `"${id}" has no address` : `"${id}" has the address "${address.slice(0, 80)}"`;
    report.problems.push(createProblem('CH1315', report.at, message));
    return undefined;
  }
  if (!Number.isInteger(port) || port < 0 || port > 65535) {
    report.problems.push(createProblem('CH1316', report.at, `"${id}" has the port ${port}`));
    return undefined;
  }
  // The same id on two nodes is two instances; Enterprise and peering add their own dimensions.
  const scope = [
    optionalText(node, 'Datacenter'),
    optionalText(service, 'Partition'),
    optionalText(service, 'Namespace'),
    optionalText(service, 'PeerName'),
    nodeName,
  ];
  return { node: [context.source, ...scope].join('/'), id, address, port, checks, at: report.at };
}

/** Service.Address else Node.Address; a tagged address where asked for and there. Port 0: none. */
function readAddress(node: Json, service: Json, tag: string | undefined): { address: string; port: number } {
  const address = optionalText(service, 'Address') || optionalText(node, 'Address');
  const port = optionalNumber(service, 'Port', 0);
  if (tag === undefined) return { address, port };
  const tagged = optionalRecord(optionalRecord(service, 'TaggedAddresses'), tag);
  if (tagged['Address'] !== undefined) {
    return { address: optionalText(tagged, 'Address'), port: optionalNumber(tagged, 'Port', port) };
  }
  return { address: optionalText(optionalRecord(node, 'TaggedAddresses'), tag) || address, port };
}

/** An IP that can be dialled, or a host name. */
function usable(address: string): boolean {
  if (address === '0.0.0.0' || address === '::') return false;
  return isIP(address) !== 0 || (address.length < 254 && /^[a-z0-9_]([a-z0-9_.-]*[a-z0-9])?\.?$/i.test(address));
}

function readWeights(service: Json, report: Report): { passing: number; warning: number } {
  const weights = optionalRecord(service, 'Weights');
  const passing = optionalNumber(weights, 'Passing', 1);
  const warning = optionalNumber(weights, 'Warning', 1);
  const odd = [passing, warning].find((weight) => !Number.isInteger(weight) || weight < 0 || weight > 128);
  if (odd !== undefined) {
    report.problems.push(createProblem('CH1317', report.at, `the weight is ${odd}`, { severity: 'warning' }));
  }
  return { passing, warning };
}

/** Consul's own Locality, of the service before that of the node, else `zone` and `region` in their metadata. */
function readLocality(node: Json, service: Json, metadata: Readonly<Record<string, string>>): Locality | undefined {
  const nodeMeta = texts(optionalRecord(node, 'Meta'));
  const own = optionalRecord(service, 'Locality');
  const ofNode = optionalRecord(node, 'Locality');
  const pick = (field: string, key: string): string =>
    optionalText(own, field) || metadata[key] || optionalText(ofNode, field) || nodeMeta[key] || '';
  const zone = pick('Zone', 'zone');
  const region = pick('Region', 'region');
  if (zone === '' && region === '') return undefined;
  return { region: region || optionalText(node, 'Datacenter'), zone, subZone: metadata['subzone'] ?? '' };
}

function rowName(row: Json, position: number): string {
  const service = row['Service'];
  const id = isRecord(service) ? service['ID'] : undefined;
  return typeof id === 'string' && id !== '' ? `instance ${id}` : `row ${position}`;
}

function provenance(context: RowContext, object: string): Provenance {
  return { source: context.source, file: `health/service/${context.service}`, line: 1, column: 1, object };
}
