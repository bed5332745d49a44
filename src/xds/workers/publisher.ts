// Keeps one worker's mirror: opens views for its streams, and tells it what they need to see and what changes in it.
// It must not know threads. Invariant: what the worker was told of is exactly what its open streams use; each message
// stands after all that it depends on (see thread-messages.ts).
import { anyName, type Resource, type ResourceRef, type View } from '../../resources/resource.ts';
import { typeUrls } from '../../resources/type-urls.ts';
import { errorText } from '../../util/errors.ts';
import type { Logger } from '../../util/log.ts';
import type { ClientInfo, Opened, ViewProvider, ViewSubscription } from '../contract.ts';
import type { ByteSegments } from './byte-segments.ts';
import { createInterned } from './interned.ts';
import type { Outbox } from './outbox.ts';
import { type ToWorker, toShared, typeTable } from './thread-messages.ts';

export interface PublisherDeps {
  readonly log: Logger;
  readonly provider: ViewProvider;
  readonly bytes: ByteSegments;
  readonly outbox: Outbox<ToWorker>;
  /** The stream is being told of a change. */
  readonly onDue: (streamId: number) => void;
}

export interface Publisher {
  /** The worker asks for the view of a new stream. */
  open(client: ClientInfo): void;
  /** The worker closes what it opened. */
  close(streamId: number): void;
  /** A stream of the worker is about to ask for these names, which are made on demand. */
  want(streamId: number, names: readonly string[]): void;
  /** Endpoints of these names changed. */
  endpoints(names: readonly string[]): void;
  /** Of a stream that is open. */
  client(streamId: number): ClientInfo | undefined;
  /** True while the worker, when it had taken only lists up to `seen`, did not know of a change of the stream's view. */
  behind(streamId: number, seen: number): boolean;
  /** Closes all; nothing is told any more. */
  end(): void;
}

interface OpenStream {
  readonly client: ClientInfo;
  readonly subscription: ViewSubscription;
  /** As the worker knows it. */
  view: View;
  /** List with which the last change was told. */
  changedWith: number;
}

interface MirroredView {
  view: View;
  /** Names made on demand that the worker asked for. */
  readonly wanted: Set<string>;
  streams: number;
}

/** Of one view, from nothing or to nothing; `refs` are all that may differ. */
interface Change {
  readonly before: View | undefined;
  readonly after: View | undefined;
  readonly refs: Iterable<ResourceRef>;
}

const mirroredTypes = typeTable.filter((type) => type !== typeUrls.endpoints);

/** Names one view's streams may have asked for over time; whoever asks for more is told that they do not exist. */
const maxWanted = 100_000;

function wantedRefs(view: View, names: Iterable<string>): readonly ResourceRef[] {
  const type = view.onDemand;
  return type === undefined ? [] : [...names].map((name) => ({ type, name }));
}

function* contentOf(view: View): Iterable<ResourceRef> {
  for (const type of mirroredTypes) for (const name of view.names(type)) yield { type, name };
}

/** Counting the users of a resource bears no name twice. */
function once(refs: Iterable<ResourceRef>): Iterable<ResourceRef> {
  const byName = new Map<string, ResourceRef>();
  for (const ref of refs) if (ref.type !== typeUrls.endpoints) byName.set(`${ref.type} ${ref.name}`, ref);
  return byName.values();
}

export function createPublisher({ log, provider, bytes, outbox, onDue }: PublisherDeps): Publisher {
  const streams = new Map<number, OpenStream>();
  const views = new Map<string, MirroredView>();
  const interned = createInterned();
  /** Endpoints that the worker has. */
  const endpoints = new Map<string, Resource>();
  /** The worker's endpoints may be old: nobody used them for a while. */
  let endpointsOld = true;
  let ended = false;

  /** Tells what is in `after` and was not in `before`, in these names; all that the worker needs for it goes first. */
  function tellView(id: string, { before, after, refs }: Change): void {
    const set: number[] = [];
    const removed: ResourceRef[] = [];
    const added = new Map<Resource, number>();
    const gone: number[] = [];
    for (const { type, name } of once(refs)) {
      const old = before?.get(type, name);
      const next = after?.get(type, name);
      if (old === next || old?.version === next?.version) continue;
      if (next === undefined) removed.push({ type, name });
      else {
        const { id: number, fresh } = interned.take(next);
        set.push(number);
        if (fresh) added.set(next, number);
      }
      const free = old === undefined ? undefined : interned.release(old);
      if (free !== undefined) gone.push(free);
    }
    if (added.size > 0) {
      bytes.place([...added.keys()]);
      outbox.push({
        kind: 'resources',
        added: [...added].map(([resource, number]) => toShared(resource, number, bytes.placeOf(resource))),
      });
    }
    if (after === undefined) outbox.push({ kind: 'drop', view: id });
    else if (before === undefined || set.length + removed.length > 0)
      outbox.push({
        ...{ kind: 'view', view: id, set, removed },
        ...(after.onDemand === undefined ? {} : { onDemand: after.onDemand }),
      });
    if (gone.length > 0) outbox.push({ kind: 'forget', ids: gone });
  }

  /** The worker is to know this state of the view. `refs`: all that may differ from the state it knows, if that is known. */
  function update(known: MirroredView, after: View, refs?: readonly ResourceRef[]): void {
    const { view: before } = known;
    if (before === after) return;
    known.view = after;
    const wanted = wantedRefs(after, known.wanted);
    const all =
      refs === undefined
        ? [...contentOf(after), ...contentOf(before), ...wanted]
        : refs.flatMap((ref) => (ref.name === anyName ? wanted : [ref]));
    tellView(after.id, { before, after, refs: all });
  }

  /** The worker's copy of the view is to hold these names too. */
  function widen(known: MirroredView, names: Iterable<string>): void {
    const fresh: string[] = [];
    for (const name of names) {
      if (known.wanted.has(name) || known.wanted.size >= maxWanted) continue;
      known.wanted.add(name);
      fresh.push(name);
    }
    const { view } = known;
    const refs = wantedRefs(view, fresh);
    if (refs.length > 0) tellView(view.id, { before: undefined, after: view, refs });
  }

  /** `wanted`: names that a stream brings along from another view. */
  function enter(view: View, wanted: Iterable<string> = []): void {
    const known = views.get(view.id);
    if (known !== undefined) {
      known.streams++;
      update(known, view);
      widen(known, wanted);
      return;
    }
    const made = { view, streams: 1, wanted: new Set<string>() };
    views.set(view.id, made);
    tellView(view.id, { before: undefined, after: view, refs: contentOf(view) });
    widen(made, wanted);
  }

  function leave(id: string): void {
    const known = views.get(id);
    if (known === undefined || --known.streams > 0) return;
    views.delete(id);
    const refs = [...contentOf(known.view), ...wantedRefs(known.view, known.wanted)];
    tellView(id, { before: known.view, after: undefined, refs });
  }

  function changed(streamId: number, refs: readonly ResourceRef[]): void {
    const stream = streams.get(streamId);
    if (stream === undefined) return;
    const before = stream.view;
    const after = stream.subscription.view();
    const known = views.get(after.id);
    if (before.id !== after.id || known === undefined) enter(after, views.get(before.id)?.wanted);
    // What the stream is told differs from the state that it had; the worker may know another one by now.
    else update(known, after, known.view === before ? refs : undefined);
    stream.view = after;
    stream.changedWith = outbox.list();
    const last = outbox.last();
    if (last?.kind === 'changed' && last.view === after.id && last.refs === refs)
      (last.streams as number[]).push(streamId);
    else outbox.push({ kind: 'changed', view: after.id, refs, streams: [streamId] });
    if (before.id !== after.id) leave(before.id);
    onDue(streamId);
  }

  function tellEndpoints(view: View, names: Iterable<string>): void {
    const set: Resource[] = [];
    const removed: string[] = [];
    for (const name of names) {
      const resource = view.get(typeUrls.endpoints, name);
      if (endpoints.get(name)?.version === resource?.version) continue;
      if (resource === undefined) {
        removed.push(name);
        endpoints.delete(name);
      } else {
        set.push(resource);
        endpoints.set(name, resource);
      }
    }
    if (set.length + removed.length === 0) return;
    bytes.place(set);
    outbox.push({
      kind: 'endpoints',
      set: set.map((resource) => toShared(resource, 0, bytes.placeOf(resource))),
      removed,
    });
  }

  function accept(client: ClientInfo, opened: Opened): void {
    const { streamId } = client;
    if ('refused' in opened) {
      outbox.push({ kind: 'refused', stream: streamId, refusal: { refused: opened.refused, message: opened.message } });
      return;
    }
    if (ended) {
      opened.close();
      return;
    }
    const view = opened.view();
    if (endpointsOld) {
      endpointsOld = false;
      tellEndpoints(view, new Set([...endpoints.keys(), ...view.names(typeUrls.endpoints)]));
    }
    enter(view);
    streams.set(streamId, { client, subscription: opened, view, changedWith: 0 });
    outbox.push({ kind: 'opened', stream: streamId, view: view.id });
  }

  function failed(client: ClientInfo, error: unknown): void {
    log.error('a stream could not be opened', { stream: client.streamId, error: errorText(error) });
    accept(client, { refused: 'unavailable', message: 'internal error' });
  }

  return {
    open(client) {
      const { streamId } = client;
      try {
        const opened = provider.open(client, (refs) => changed(streamId, refs));
        if (!(opened instanceof Promise)) accept(client, opened);
        else
          opened.then(
            (later) => accept(client, later),
            (error: unknown) => failed(client, error),
          );
      } catch (error) {
        failed(client, error);
      }
    },
    close(streamId) {
      const stream = streams.get(streamId);
      if (stream === undefined) return;
      streams.delete(streamId);
      stream.subscription.close();
      leave(stream.view.id);
      if (streams.size === 0) endpointsOld = true;
    },
    want(streamId, names) {
      const stream = streams.get(streamId);
      const known = stream === undefined ? undefined : views.get(stream.view.id);
      if (known === undefined) return;
      widen(known, names);
      outbox.push({ kind: 'wanted', stream: streamId, names });
    },
    endpoints(names) {
      const [any] = streams.values();
      if (any !== undefined) tellEndpoints(any.subscription.view(), names);
    },
    client: (streamId) => streams.get(streamId)?.client,
    behind: (streamId, seen) => (streams.get(streamId)?.changedWith ?? 0) > seen,
    end() {
      ended = true;
      for (const { subscription } of streams.values()) subscription.close();
      streams.clear();
      views.clear();
    },
  };
}
