// Which views a worker knows, and in what state: tells it a view when its first stream needs it, then what changes, and lets
// it go with the last. It must not know streams. Invariant: what is told is exactly what the views in use hold, each
// resource once; a message stands after all that it depends on.
import { anyName, type Resource, type ResourceRef, type View } from '../../resources/resource.ts';
import { typeUrls } from '../../resources/type-urls.ts';
import type { ByteSegments } from './byte-segments.ts';
import { createInterned } from './interned.ts';
import type { Outbox } from './outbox.ts';
import { type ToWorker, toShared, typeTable } from './thread-messages.ts';

export interface FeedDeps {
  readonly bytes: ByteSegments;
  readonly outbox: Outbox<ToWorker>;
}

export interface ViewFeed {
  /** One stream more uses the view. */
  enter(view: View): void;
  /**
   * A stream has `after` in place of `before`. `refs`: all that differs, where both are states of one view. The caller
   * tells the stream, and then calls `leave` for a view that it does not use any more.
   */
  follow(before: View, change: { readonly after: View; readonly refs: readonly ResourceRef[] }): void;
  /** One stream less uses the view. */
  leave(id: string): void;
  /** A stream of the view is about to ask for these names, which are made on demand. */
  want(id: string, names: readonly string[]): void;
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

export function createViewFeed({ bytes, outbox }: FeedDeps): ViewFeed {
  const views = new Map<string, MirroredView>();
  const interned = createInterned();

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

  return {
    enter,
    leave,
    follow(before, { after, refs }) {
      const known = views.get(after.id);
      if (before.id !== after.id || known === undefined) enter(after, views.get(before.id)?.wanted);
      // What the stream is told differs from the state that it had; the worker may know another one by now.
      else update(known, after, known.view === before ? refs : undefined);
    },
    want(id, names) {
      const known = views.get(id);
      if (known !== undefined) widen(known, names);
    },
  };
}
