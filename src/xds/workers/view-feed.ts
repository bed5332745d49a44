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
   * tells the stream, and then calls `leave` for a view that it does not use any more. `wanted`: all that the stream wants.
   */
  follow(before: View, change: Follow): void;
  /** One stream less uses the view, and wants these names in it no more. */
  leave(id: string, wanted: Iterable<string>): void;
  /** A stream of the view is about to ask for these names, which are made on demand, and wants them until it leaves. */
  want(id: string, names: Iterable<string>): void;
}

interface Follow {
  readonly after: View;
  readonly refs: readonly ResourceRef[];
  readonly wanted: Iterable<string>;
}

interface MirroredView {
  view: View;
  /** Names made on demand that are asked for, and by how many streams: one that nobody asks for any more is let go. */
  readonly wanted: Map<string, number>;
  streams: number;
}

/** Of one view, from nothing or to nothing; `refs` are all that may differ. */
interface Change {
  readonly before: View | undefined;
  readonly after: View | undefined;
  readonly refs: Iterable<ResourceRef>;
}

const mirroredTypes = typeTable.filter((type) => type !== typeUrls.endpoints);

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
    const wanted = wantedRefs(after, known.wanted.keys());
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
      const streams = known.wanted.get(name) ?? 0;
      known.wanted.set(name, streams + 1);
      if (streams === 0) fresh.push(name);
    }
    const { view } = known;
    const refs = wantedRefs(view, fresh);
    if (refs.length > 0) tellView(view.id, { before: undefined, after: view, refs });
  }

  /** One stream less wants the names: the worker's copy lets go of those that were its alone. */
  function narrow(known: MirroredView, names: Iterable<string>): void {
    const gone: string[] = [];
    for (const name of names) {
      const streams = (known.wanted.get(name) ?? 0) - 1;
      if (streams > 0) known.wanted.set(name, streams);
      else if (known.wanted.delete(name)) gone.push(name);
    }
    const { view } = known;
    const refs = wantedRefs(view, gone);
    if (refs.length > 0) tellView(view.id, { before: view, after: { ...view, get: () => undefined }, refs });
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
    const made = { view, streams: 1, wanted: new Map<string, number>() };
    views.set(view.id, made);
    tellView(view.id, { before: undefined, after: view, refs: contentOf(view) });
    widen(made, wanted);
  }

  function leave(id: string, wanted: Iterable<string>): void {
    const known = views.get(id);
    if (known === undefined) return;
    if (--known.streams > 0) {
      narrow(known, wanted);
      return;
    }
    views.delete(id);
    const refs = [...contentOf(known.view), ...wantedRefs(known.view, known.wanted.keys())];
    tellView(id, { before: known.view, after: undefined, refs });
  }

  return {
    enter,
    leave,
    follow(before, { after, refs, wanted }) {
      const known = views.get(after.id);
      if (before.id !== after.id || known === undefined) enter(after, wanted);
      // What the stream is told differs from the state that it had; the worker may know another one by now.
      else update(known, after, known.view === before ? refs : undefined);
    },
    want(id, names) {
      const known = views.get(id);
      if (known !== undefined) widen(known, names);
    },
  };
}
