// What each proxy has been sent, has taken and has refused. Fed by the xDS server's events, read by status and metrics.
// It keeps counts and what is in flight, not copies of configuration; it never decides what is sent.
// Invariant: a stream is settled by its own word (`idle`) only: an ACK may be one of several steps that a change takes.
import type { ResourceRef, View } from '../resources/resource.ts';
import { shortNames, type TypeUrl } from '../resources/type-urls.ts';
import type { Clock } from '../util/clock.ts';
import type { ClientInfo, XdsEvent } from '../xds/contract.ts';
import type { TypeStatus } from './contract.ts';

export interface StreamRecord {
  readonly client: ClientInfo;
  readonly variant: 'sotw' | 'delta';
  readonly types: Map<TypeUrl, TypeRecord>;
  /** World revision that all of it acknowledged, while it is not settled; read it by `revisionOf`. */
  revision: number;
  /** Its last word: nothing waits to be sent or answered. */
  idle: boolean;
  /** Something was sent since it was settled. */
  moved: boolean;
  /** Monotonic milliseconds of the oldest publication not yet acknowledged whole. */
  unsettledSinceMs: number | undefined;
  /** Wall milliseconds of the last push it answered. */
  sinceMs: number;
}

interface Refused {
  readonly version: string;
  /** Wall milliseconds of its first refusal by this proxy. */
  readonly sinceMs: number;
  /** The proxy's own words. */
  readonly message: string;
}

interface TypeRecord {
  subscribed: number;
  wildcard: boolean;
  pushes: number;
  rejections: number;
  lastAckMs: number | undefined;
  /** Resources whose refusal stands, by name; gone when a later version of the name is acknowledged. */
  readonly refused: Map<string, Refused>;
  readonly inFlight: Map<string, { readonly sentMs: number; readonly resources: ReadonlyMap<string, string> }>;
}

export interface OfflineProxy {
  readonly client: ClientInfo;
  readonly variant: 'sotw' | 'delta';
  readonly revision: number;
  readonly sinceMs: number;
}

export interface Settled {
  readonly record: StreamRecord;
  readonly afterMs: number;
}

/** `due` comes by `published`, which knows when the change was; load is no matter of configuration. */
export type LedgerEvent = Exclude<XdsEvent, { kind: 'due' | 'load' | 'load-end' }>;

export interface Ledger {
  /**
   * Takes one event; returns the stream when the event settled it and something was sent for that. `revision`: the last
   * one published whole.
   */
  take(event: LedgerEvent, revision: number): Settled | undefined;
  /**
   * A publication at `atMs` (monotonic) changed something for the stream; `revision` was published whole before it. A
   * stream that no publication says anything to is up to date with all of them, and costs nothing.
   */
  published(streamId: number, before: { readonly atMs: number; readonly revision: number }): void;
  stream(streamId: number): StreamRecord | undefined;
  streams(): Iterable<StreamRecord>;
  /** True while a stream of the node is open. */
  online(nodeId: string): boolean;
  /** Proxies seen before and gone, newest last, at most `maxOffline`. */
  offline(): Iterable<OfflineProxy>;
  /** `view`: what the stream is to have now; a refusal stands while that is what was refused. */
  typeStatus(record: StreamRecord, view: View | undefined): Readonly<Record<string, TypeStatus>>;
}

const maxOffline = 1000;

function createType(): TypeRecord {
  return {
    subscribed: 0,
    wildcard: false,
    pushes: 0,
    rejections: 0,
    lastAckMs: undefined,
    refused: new Map(),
    inFlight: new Map(),
  };
}

export function createLedger(clock: Clock): Ledger {
  const streams = new Map<number, StreamRecord>();
  /** How many streams a node has open. */
  const openStreams = new Map<string, number>();
  const gone = new Map<string, OfflineProxy>();

  function typeOf(record: StreamRecord, type: TypeUrl): TypeRecord {
    const known = record.types.get(type);
    if (known !== undefined) return known;
    const created = createType();
    record.types.set(type, created);
    return created;
  }

  const online = (nodeId: string): boolean => openStreams.has(nodeId);

  function countStream(nodeId: string, by: 1 | -1): void {
    const count = (openStreams.get(nodeId) ?? 0) + by;
    if (count > 0) openStreams.set(nodeId, count);
    else openStreams.delete(nodeId);
  }

  function close(streamId: number, published: number): void {
    const record = streams.get(streamId);
    if (record === undefined) return;
    streams.delete(streamId);
    const { client, variant } = record;
    countStream(client.nodeId, -1);
    if (online(client.nodeId)) return;
    gone.delete(client.nodeId);
    gone.set(client.nodeId, { client, variant, revision: revisionOf(record, published), sinceMs: clock.wall() });
    const [oldest] = gone.keys();
    if (gone.size > maxOffline && oldest !== undefined) gone.delete(oldest);
  }

  function inFlight(record: StreamRecord): boolean {
    for (const type of record.types.values()) if (type.inFlight.size > 0) return true;
    return false;
  }

  function settle(record: StreamRecord, revision: number): Settled | undefined {
    if (!record.idle || inFlight(record)) return undefined;
    const { moved, unsettledSinceMs: since } = record;
    record.revision = revision;
    record.unsettledSinceMs = undefined;
    record.moved = false;
    return since === undefined || !moved ? undefined : { record, afterMs: clock.now() - since };
  }

  function takeOf(
    record: StreamRecord,
    event: Exclude<LedgerEvent, { kind: 'open' | 'close' }>,
    revision: number,
  ): Settled | undefined {
    if (event.kind === 'idle') {
      record.idle = true;
      return settle(record, revision);
    }
    const type = typeOf(record, event.type);
    if (event.kind === 'subscribe') {
      type.subscribed = event.names;
      type.wildcard = event.wildcard;
      return undefined;
    }
    if (event.kind === 'sent') {
      const sentMs = clock.now();
      type.pushes++;
      type.inFlight.set(event.nonce, { sentMs, resources: event.resources });
      record.idle = false;
      record.moved = true;
      unsettle(record, { atMs: sentMs, revision });
      return undefined;
    }
    const sent = type.inFlight.get(event.nonce);
    type.inFlight.delete(event.nonce);
    if (event.kind === 'nack') refuse(type, event);
    else if (sent !== undefined) {
      if (type.refused.size > 0) for (const name of sent.resources.keys()) type.refused.delete(name);
      type.lastAckMs = clock.now() - sent.sentMs;
    }
    record.sinceMs = clock.wall();
    return undefined;
  }

  function refuse(type: TypeRecord, event: Extract<XdsEvent, { kind: 'nack' }>): void {
    type.rejections++;
    for (const { name } of blamed(event.type, event.resources.keys(), event.message)) {
      const version = event.resources.get(name) ?? '';
      const known = type.refused.get(name);
      const sinceMs = known?.version === version ? known.sinceMs : clock.wall();
      type.refused.set(name, { version, message: event.message, sinceMs });
    }
  }

  return {
    take(event, revision) {
      switch (event.kind) {
        case 'open':
          gone.delete(event.client.nodeId);
          countStream(event.client.nodeId, 1);
          streams.set(event.client.streamId, {
            client: event.client,
            variant: event.variant,
            types: new Map(),
            revision: 0,
            idle: false,
            moved: false,
            unsettledSinceMs: clock.now(),
            sinceMs: clock.wall(),
          });
          return undefined;
        case 'close':
          close(event.streamId, revision);
          return undefined;
        default: {
          const record = streams.get(event.streamId);
          return record === undefined ? undefined : takeOf(record, event, revision);
        }
      }
    },
    published(streamId, before) {
      const record = streams.get(streamId);
      if (record === undefined) return;
      record.idle = false;
      unsettle(record, before);
    },
    stream: (streamId) => streams.get(streamId),
    streams: () => streams.values(),
    online,
    offline: () => gone.values(),
    typeStatus(record, view) {
      const status: Record<string, TypeStatus> = {};
      for (const [url, type] of record.types) {
        const rejected = standing(url, type, view).length > 0;
        const state = rejected ? 'rejected' : type.inFlight.size > 0 ? 'pending' : held(record, type);
        status[shortNames[url]] = {
          state,
          resources: type.subscribed,
          pushes: type.pushes,
          rejections: type.rejections,
          ...(type.lastAckMs === undefined ? {} : { lastAckMs: type.lastAckMs }),
        };
      }
      return status;
    },
  };
}

function unsettle(
  record: StreamRecord,
  { atMs, revision }: { readonly atMs: number; readonly revision: number },
): void {
  if (record.unsettledSinceMs !== undefined) return;
  record.unsettledSinceMs = atMs;
  record.revision = revision;
}

/** The World revision a stream is up to date with, where `published` is the last one published whole. */
export function revisionOf(record: StreamRecord, published: number): number {
  return record.unsettledSinceMs === undefined ? published : record.revision;
}

/** A stream that came back with what it should have is sent nothing, and is in sync all the same. */
function held(record: StreamRecord, type: TypeRecord): TypeStatus['state'] {
  if (type.subscribed === 0 && !type.wildcard) return 'none';
  return type.pushes > 0 || record.idle ? 'acked' : 'pending';
}

/** Refusals that stand: those of versions that the view still holds. */
function standing(url: TypeUrl, type: TypeRecord, view: View | undefined): readonly (Refused & ResourceRef)[] {
  return [...type.refused].flatMap(([name, refused]) =>
    view === undefined || view.get(url, name)?.version === refused.version ? [{ ...refused, type: url, name }] : [],
  );
}

/** The refusals that stand on a stream. */
export function standingRefusals(record: StreamRecord, view: View | undefined): readonly (Refused & ResourceRef)[] {
  return [...record.types].flatMap(([url, type]) => (type.refused.size === 0 ? [] : standing(url, type, view)));
}

/** The refusal texts that stand on a stream, by short type name, each once. */
export function refusals(
  record: StreamRecord,
  view: View | undefined,
): readonly { readonly type: string; readonly message: string }[] {
  return [...record.types].flatMap(([url, type]) => {
    const messages = new Set(standing(url, type, view).map(({ message }) => message));
    return [...messages].map((message) => ({ type: shortNames[url], message }));
  });
}

/** The refused resources a message is about: those it names, else all of the response. */
export function blamed(type: TypeUrl, names: Iterable<string>, message: string): readonly ResourceRef[] {
  const all = [...names];
  const named = all.filter((name) => message.includes(name));
  return (named.length > 0 ? named : all).map((name) => ({ type, name }));
}
