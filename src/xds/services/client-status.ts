// envoy.service.status.v3.ClientStatusDiscoveryService: what the server knows of each client, resource by resource.
// It must not know streams, nor who may ask. Invariants: a secret's content is never shown; one answer is made at a time and is
// bounded.
import { typeUrls } from '../../resources/type-urls.ts';
import type { Logger } from '../../util/log.ts';
import type { ClientConfig, ResourceConfig } from '../contract.ts';
import { maxDescribed } from '../description.ts';
import type { Sink, StreamListener } from '../sink.ts';
import { eachField } from '../wire.ts';
import { field, jsonStruct, number, text } from '../wire-writer.ts';
import { decodeNodeMatcher, type NodeMatcher } from './node-matcher.ts';
import { takeTurns } from './turn-taking.ts';

export interface ClientStatusDeps {
  readonly log: Logger;
  /** The clients that one of the matchers matches, or all of them. */
  clients(matchers: readonly NodeMatcher[]): Promise<readonly ClientConfig[]>;
}

/** Bytes of one answer. */
const maxAnswerBytes = 64 * 1024 * 1024;
const tooLarge = 'the answer is too large: ask with node_matchers or exclude_resource_contents';

const configStatus: Readonly<Record<ResourceConfig['status'], number>> = {
  synced: 1,
  'not-sent': 2,
  stale: 3,
  error: 4,
};
/** envoy.admin.v3.ClientResourceStatus */
const clientStatus = { requested: 1, missing: 2, acked: 3, nacked: 4 } as const;

interface Question {
  readonly matchers: readonly NodeMatcher[];
  readonly withoutContents: boolean;
}

/** The handler of both methods; `unary` answers one request and ends. */
export function createClientStatus({ log, clients }: ClientStatusDeps, unary: boolean): (sink: Sink) => StreamListener {
  return (sink) =>
    takeTurns(sink, {
      ...{ name: 'client status', log, unary },
      async answer(request) {
        const { matchers, withoutContents } = decodeQuestion(request);
        const message = encodeClients(await clients(matchers), withoutContents);
        return message ?? { denied: 'resource-exhausted', details: tooLarge };
      },
    });
}

/** ClientStatusRequest { 1 node_matchers, 3 exclude_resource_contents }. */
function decodeQuestion(bytes: Buffer): Question {
  const matchers: NodeMatcher[] = [];
  let withoutContents = false;
  eachField(bytes, [0, bytes.length], ({ number: field, wireType, value, start, end }) => {
    if (field === 1 && wireType === 2) matchers.push(decodeNodeMatcher(bytes, [start, end]));
    else if (field === 3 && wireType === 0) withoutContents = value !== 0;
  });
  return { matchers, withoutContents };
}

/** ClientStatusResponse { 1 config }; undefined if it is too large. */
function encodeClients(clients: readonly ClientConfig[], withoutContents: boolean): Buffer | undefined {
  const parts: Buffer[] = [];
  let total = 0;
  if (clients.reduce((sum, { resources }) => sum + resources.length, 0) > maxDescribed) return undefined;
  for (const client of clients) {
    const resources = client.resources.map((resource) => field(3, encodeResource(resource, withoutContents)));
    const part = field(1, [field(1, encodeNode(client)), ...resources]);
    total += part.length;
    if (total > maxAnswerBytes) return undefined;
    parts.push(part);
  }
  return Buffer.concat(parts);
}

function encodeNode({ client }: ClientConfig): Buffer[] {
  const { region, zone, subZone } = client.locality;
  return [
    text(1, client.nodeId),
    text(2, client.nodeCluster),
    field(3, jsonStruct(client.metadata)),
    field(4, [text(1, region), text(2, zone), text(3, subZone)]),
    text(6, client.userAgentName),
    text(7, client.userAgentVersion),
    ...client.clientFeatures.map((feature) => field(10, feature)),
  ];
}

/**
 * GenericXdsConfig { 1 type_url, 2 name, 3 version_info, 4 xds_config, 6 config_status, 7 client_status, 8 error_state }.
 * The content is the one of the view, also where it was refused; the version is the one the client holds.
 */
function encodeResource(config: ResourceConfig, withoutContents: boolean): Buffer[] {
  const { type, name, status, resource, held, reason } = config;
  const hidden = withoutContents || type === typeUrls.secret || resource === undefined;
  return [
    field(1, type),
    text(2, name),
    text(3, held),
    ...(hidden ? [] : [field(4, [field(1, type), field(2, resource.bytes)])]),
    number(6, configStatus[status]),
    number(7, clientStatus[clientSide(config)]),
    ...(reason === undefined ? [] : [field(8, [text(3, reason), text(4, resource?.version ?? '')])]),
  ];
}

function clientSide({ status, resource, held }: ResourceConfig): keyof typeof clientStatus {
  if (status === 'error') return 'nacked';
  if (held !== '') return 'acked';
  return resource === undefined ? 'missing' : 'requested';
}
