// A worker's copy of the views its streams use and of the endpoints beside them: a reducer of the main thread's messages,
// and the ViewProvider of the worker's streams. It must not know threads or protocol.
// Invariant: a View that a stream holds is never changed in place, but for endpoints; a stream's view changes only when
// the stream is told, in the same call.
import type { Resource, ResourceRef, View } from '../../resources/resource.ts';
import { type TypeUrl, typeUrls } from '../../resources/type-urls.ts';
import type { Opened, ViewProvider } from '../contract.ts';
import { type FromWorker, fromShared, type ToWorker } from './thread-messages.ts';

export interface Mirror extends ViewProvider {
  /** Takes one message; streams that it concerns are told within the call. */
  take(message: ToWorker): void;
}

/** Names made on demand that one stream may ask for over its life; of further ones it is told that they do not exist. */
const maxWanted = 2_000;

type Content = ReadonlyMap<TypeUrl, ReadonlyMap<string, Resource>>;
type OnChange = (changed: readonly ResourceRef[]) => void;

interface MirroredView {
  readonly view: View;
  readonly content: Content;
}

interface OpenStream {
  /** Names made on demand that it asked for: the main thread keeps each for those who asked, no longer. */
  readonly wanted: Set<string>;
  view: View;
  readonly onChange: OnChange;
}

/** `say` tells the main thread, in order. */
export function createMirror(say: (message: FromWorker) => void): Mirror {
  const resources = new Map<number, Resource>();
  const endpoints = new Map<string, Resource>();
  const views = new Map<string, MirroredView>();
  const opening = new Map<number, { readonly resolve: (opened: Opened) => void; readonly onChange: OnChange }>();
  const streams = new Map<number, OpenStream>();
  /** Streams that wait for names, and what resolves them. */
  const waiting = new Map<number, () => void>();
  const listeners = new Set<(names: readonly string[]) => void>();

  function createView(id: string, content: Content, onDemand: TypeUrl | undefined): MirroredView {
    const of = (type: TypeUrl): ReadonlyMap<string, Resource> =>
      type === typeUrls.endpoints ? endpoints : (content.get(type) ?? noNames);
    const view = {
      id,
      ...(onDemand === undefined ? {} : { onDemand }),
      get: (type: TypeUrl, name: string) => of(type).get(name),
      names: (type: TypeUrl) => listed(of(type)),
    };
    return { view, content };
  }

  function changeView({ view: id, set, removed, onDemand }: Extract<ToWorker, { kind: 'view' }>): void {
    const content = new Map(views.get(id)?.content);
    const copied = new Map<TypeUrl, Map<string, Resource>>();
    const writable = (type: TypeUrl): Map<string, Resource> => {
      let names = copied.get(type);
      if (names === undefined) {
        names = new Map(content.get(type));
        copied.set(type, names);
        content.set(type, names);
      }
      return names;
    };
    for (const { type, name } of removed) erase(writable(type), name);
    for (const number of set) {
      const resource = resources.get(number);
      if (resource === undefined) throw new Error(`view ${id} lists resource ${number}, which was never told`);
      const names = writable(resource.type);
      erase(names, resource.name);
      names.set(resource.name, resource);
      for (const alias of resource.aliases ?? []) if (names.get(alias)?.name !== alias) names.set(alias, resource);
    }
    views.set(id, createView(id, content, onDemand));
  }

  function viewOf(id: string): View {
    const known = views.get(id);
    if (known === undefined) throw new Error(`view ${id} was never told`);
    return known.view;
  }

  function opened(stream: number, id: string): void {
    const request = opening.get(stream);
    opening.delete(stream);
    if (request === undefined) return;
    const open: OpenStream = { wanted: new Set(), view: viewOf(id), onChange: request.onChange };
    streams.set(stream, open);
    request.resolve({
      view: () => open.view,
      prepare(type, names) {
        if (type !== open.view.onDemand) return undefined;
        const fresh = names.filter((name) => !open.wanted.has(name)).slice(0, maxWanted - open.wanted.size);
        if (fresh.length === 0) return undefined;
        for (const name of fresh) open.wanted.add(name);
        say({ kind: 'want', stream, names: fresh });
        return new Promise((resolve) => waiting.set(stream, resolve));
      },
      close() {
        waiting.delete(stream);
        if (streams.delete(stream)) say({ kind: 'close', stream });
      },
    });
  }

  return {
    open: (client, onChange) =>
      new Promise((resolve) => {
        opening.set(client.streamId, { resolve, onChange });
        say({ kind: 'open', client });
      }),
    onEndpoints(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    take(message) {
      switch (message.kind) {
        case 'resources':
          for (const shared of message.added) resources.set(shared.id, fromShared(shared));
          return;
        case 'view':
          changeView(message);
          return;
        case 'wanted': {
          const stream = streams.get(message.stream);
          if (stream === undefined) return;
          stream.view = viewOf(stream.view.id);
          waiting.get(message.stream)?.();
          waiting.delete(message.stream);
          return;
        }
        case 'drop':
          views.delete(message.view);
          return;
        case 'forget':
          for (const id of message.ids) resources.delete(id);
          return;
        case 'endpoints': {
          for (const shared of message.set) endpoints.set(shared.name, fromShared(shared));
          for (const name of message.removed) endpoints.delete(name);
          const names = [...message.set.map(({ name }) => name), ...message.removed];
          for (const listener of listeners) listener(names);
          return;
        }
        case 'opened':
          opened(message.stream, message.view);
          return;
        case 'refused':
          opening.get(message.stream)?.resolve(message.refusal);
          opening.delete(message.stream);
          return;
        case 'changed': {
          const view = viewOf(message.view);
          for (const number of message.streams) {
            const stream = streams.get(number);
            if (stream === undefined) continue;
            stream.view = view;
            stream.onChange(message.refs);
          }
          return;
        }
        case 'describe':
        case 'answer':
        case 'revoked':
        case 'stop':
          return;
      }
    },
  };
}

/** Takes a resource out, with the other names it goes by. */
function erase(names: Map<string, Resource>, name: string): void {
  const old = names.get(name);
  if (old?.name !== name) return;
  names.delete(name);
  for (const alias of old.aliases ?? []) if (names.get(alias) === old) names.delete(alias);
}

/** What a wildcard covers: own names, and not what is for those only who ask by name. */
function* listed(names: ReadonlyMap<string, Resource>): Iterable<string> {
  for (const [name, resource] of names) if (resource.name === name && resource.byNameOnly !== true) yield name;
}

const noNames: ReadonlyMap<string, Resource> = new Map();
