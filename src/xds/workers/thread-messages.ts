// What the main thread and a worker tell each other. Both directions carry lists of messages that are taken in order, each
// list whole, before anything else runs in that thread.
// Ordering invariant. Towards a worker: resources before the view that lists them, a view's new content before the streams
// that are told of it, `drop` and `forget` after the last stream that used them: a stream sees a publication whole, or not
// yet. Names made on demand are in the view, and in every change told later, before their `wanted`. A stream that is being opened while something is published gets a view that has it; after `opened` it is told of
// everything. So no change is lost, and none comes twice. Towards the main thread: what a stream says stays in order, and
// `open` and `close` of its view stand where they were said among its events.
import type { Asker } from '../../model/access.ts';
import type { Caller, Credentials, Unknown } from '../../model/principal.ts';
import type { Resource, ResourceRef } from '../../resources/resource.ts';
import { type TypeUrl, typeUrls } from '../../resources/type-urls.ts';
import type { LogFields } from '../../util/log.ts';
import type { ClientConfig, ClientInfo, DoorReply, DoorRequest, Refusal } from '../contract.ts';
import type { XdsServerOptions } from '../grpc/server.ts';
import type { NodeMatcher } from '../services/node-matcher.ts';
import type { BacklogCell } from './backlog.ts';
import type { Place } from './byte-segments.ts';
import type { EventBatch } from './event-batch.ts';
import type { MetricsReport } from './metrics-relay.ts';

/** Every type; both threads run the same code, so an index means the same in both. */
export const typeTable: readonly TypeUrl[] = Object.values(typeUrls);

/** A resource on its way to a worker: everything but its provenance, its bytes where all threads read them. */
export interface SharedResource extends Place {
  /** By which views name it; 0 for endpoints, which go by name. */
  readonly id: number;
  /** Index in `typeTable`. */
  readonly type: number;
  readonly name: string;
  readonly version: string;
  /** Type index and name, in turns. */
  readonly deps: readonly (number | string)[];
  /** What few have: `byNameOnly`, `aliases`. */
  readonly rare: Pick<Resource, 'byNameOnly' | 'aliases'> | undefined;
}

export type ToWorker =
  | { readonly kind: 'resources'; readonly added: readonly SharedResource[] }
  /** The view now has the resources with these ids, each in place of one of its type and name, and lacks `removed`. */
  | {
      readonly kind: 'view';
      readonly view: string;
      readonly set: readonly number[];
      readonly removed: readonly ResourceRef[];
      /** The type of which the main thread knows more names (`want`). */
      readonly onDemand?: TypeUrl;
    }
  /** The stream's view holds the names it wanted now, or nothing has them; it is told of changes of theirs. */
  | { readonly kind: 'wanted'; readonly stream: number }
  | { readonly kind: 'drop'; readonly view: string }
  | { readonly kind: 'forget'; readonly ids: readonly number[] }
  | { readonly kind: 'endpoints'; readonly set: readonly SharedResource[]; readonly removed: readonly string[] }
  | { readonly kind: 'opened'; readonly stream: number; readonly view: string }
  | { readonly kind: 'refused'; readonly stream: number; readonly refusal: Refusal }
  /** These streams now have this view, and these names changed for them. */
  | {
      readonly kind: 'changed';
      readonly view: string;
      readonly refs: readonly ResourceRef[];
      readonly streams: readonly number[];
    }
  /** What the worker's streams describe of themselves is wanted. */
  | { readonly kind: 'describe'; readonly ask: number; readonly matchers: readonly NodeMatcher[] }
  | { readonly kind: 'answer'; readonly ask: number; readonly answer: Answer }
  /** Whoever was let in by one of these is to have no stream any more. After the answers that were given before it. */
  | { readonly kind: 'revoked'; readonly credentialIds: readonly string[] }
  | { readonly kind: 'stop' };

/** What a worker cannot know by itself. */
export type Question =
  | { readonly kind: 'clients'; readonly matchers: readonly NodeMatcher[] }
  | { readonly kind: 'descriptors' }
  /** A resource's message as JSON text. */
  | { readonly kind: 'json'; readonly resource: Resource }
  | { readonly kind: 'door'; readonly request: DoorRequest }
  | { readonly kind: 'caller'; readonly credentials: Credentials }
  | { readonly kind: 'asker'; readonly credentials: Credentials };

export type Answer =
  | { readonly kind: 'clients'; readonly clients: readonly ClientConfig[] }
  | { readonly kind: 'descriptors'; readonly bytes: Uint8Array }
  | { readonly kind: 'json'; readonly text: string }
  | { readonly kind: 'door'; readonly reply: DoorReply | undefined }
  | { readonly kind: 'caller'; readonly caller: Caller }
  | { readonly kind: 'asker'; readonly asker: Asker | Unknown }
  | { readonly kind: 'failed'; readonly message: string };

export type FromWorker =
  | { readonly kind: 'open'; readonly client: ClientInfo }
  | { readonly kind: 'close'; readonly stream: number }
  /** The stream is about to ask these names of its view, of the type that is made on demand. */
  | { readonly kind: 'want'; readonly stream: number; readonly names: readonly string[] }
  | { readonly kind: 'ask'; readonly ask: number; readonly question: Question }
  | { readonly kind: 'described'; readonly ask: number; readonly clients: readonly ClientConfig[] }
  | { readonly kind: 'events'; readonly batch: EventBatch }
  | { readonly kind: 'metrics'; readonly report: MetricsReport }
  | {
      readonly kind: 'log';
      readonly level: 'debug' | 'info' | 'warn' | 'error';
      readonly component: string;
      readonly message: string;
      readonly fields: LogFields | undefined;
    }
  | { readonly kind: 'listening'; readonly address: string; readonly port: number }
  /** Its server rejected with this; it ends after it. */
  | { readonly kind: 'failed'; readonly code: string | undefined; readonly message: string };

/** What goes to a worker in one piece. `list` counts them from 1. */
export interface ToWorkerList {
  readonly list: number;
  readonly messages: readonly ToWorker[];
}

/** What comes from a worker in one piece. `seen`: the last list it had taken then. */
export interface FromWorkerList {
  readonly seen: number;
  readonly messages: readonly FromWorker[];
}

/** What a worker is started with. */
export interface WorkerSetup {
  readonly identifier: string;
  readonly options: XdsServerOptions;
  /** Of its randomness. */
  readonly seed: number;
  readonly backlog: BacklogCell;
  /** The main thread has descriptors to answer reflection from. */
  readonly reflection: boolean;
  readonly rest: boolean;
  /** Callers are asked who they are. */
  readonly asks: boolean;
}

/** `place` says where its bytes lie. */
export function toShared(resource: Resource, id: number, place: Place): SharedResource {
  const deps = resource.deps.flatMap(({ type, name }) => [typeTable.indexOf(type), name]);
  const { name, version, byNameOnly, aliases } = resource;
  const rare = {
    ...(byNameOnly === undefined ? {} : { byNameOnly }),
    ...(aliases === undefined ? {} : { aliases }),
  };
  const some = byNameOnly === undefined && aliases === undefined ? undefined : rare;
  return { id, type: typeTable.indexOf(resource.type), name, version, deps, rare: some, ...place };
}

/** The resource as a worker reads it; its bytes are not copied. */
export function fromShared({ type, name, version, deps, rare, ...place }: SharedResource): Resource {
  const refs: ResourceRef[] = [];
  for (let index = 0; index < deps.length; index += 2)
    refs.push({ type: typeOf(Number(deps[index])), name: String(deps[index + 1]) });
  const bytes = Buffer.from(place.segment, place.offset, place.length);
  return { type: typeOf(type), name, version, bytes, deps: refs, provenance: [], ...rare };
}

function typeOf(index: number): TypeUrl {
  const type = typeTable[index];
  if (type === undefined) throw new Error(`no type has the index ${index}`);
  return type;
}
