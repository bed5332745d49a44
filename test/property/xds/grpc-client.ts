// A gRPC client as gRPC documents itself (A27, A36, A46, A53): SotW on one stream, everything by name, never a wildcard. A
// channel asks for its listener, that for its routes, those for their clusters, those for their endpoints, and lets go of
// what nothing names any more. A name missing from a complete response is a deletion; the valid part of a refused one counts.
// Invariant: it holds exactly what it accepted; a channel's requests wait for what is on its way, and fail on what is gone.
import { shortNames, type TypeUrl, typeUrls } from '../../../src/resources/type-urls.ts';
import type { Message } from '../../../src/xds/responses.ts';
import { createClientMux } from './client-mux.ts';
import type { ModelClient } from './envoy-client.ts';
import { type Body, bad, bodyOf, empty } from './mesh.ts';

const { cluster, endpoints, listener, routes } = typeUrls;

interface Entry {
  /** Undefined while nothing came. */
  content: { readonly body: Body; readonly version: string } | undefined;
  deleted: boolean;
}

export interface GrpcClient extends ModelClient {
  /** Channels by the name of their listener. */
  readonly open: ReadonlySet<string>;
}

export function createGrpcClient(quotes: 'bad' | 'all' | 'none'): GrpcClient {
  const mux = createClientMux('sotw', { explicit: false });
  const types = new Map<TypeUrl, Map<string, Entry>>(
    [listener, routes, cluster, endpoints].map((type) => [type, new Map<string, Entry>()]),
  );
  const open = new Set(['in']);
  /** Endpoints that came and were not empty. */
  const populated = new Set<string>();
  /** Channels whose listener the view lacked for a while: what they had may be taken from them. */
  const gone = new Set<string>();
  let brought = new Set<string>();
  let tookLoss = false;

  const of = (type: TypeUrl): Map<string, Entry> => types.get(type) ?? new Map<string, Entry>();
  const bodies = (type: TypeUrl): Body[] => [...of(type).values()].flatMap(({ content }) => content?.body ?? []);

  /** Asks for what is named now, lets go of the rest. */
  function settle(): void {
    const named: readonly (readonly [TypeUrl, () => Iterable<string | undefined>])[] = [
      [listener, () => open],
      [routes, () => bodies(listener).map(({ route }) => route)],
      [cluster, () => bodies(routes).flatMap(({ clusters = [] }) => clusters)],
      [endpoints, () => bodies(cluster).map(({ eds }) => eds)],
    ];
    for (const [type, list] of named) {
      const names = new Set([...list()].filter((name): name is string => name !== undefined && name !== ''));
      const entries = of(type);
      for (const name of entries.keys())
        if (!names.has(name)) {
          entries.delete(name);
          if (type === endpoints) populated.delete(name);
        }
      for (const name of names) if (!entries.has(name)) entries.set(name, { content: undefined, deleted: false });
      mux.want(type, { wildcard: false, names });
    }
  }
  settle();

  function take(type: TypeUrl, message: Message): string[] {
    const wrong: string[] = [];
    let fresh = false;
    for (const [name, resource] of message.resources) {
      const entry = of(type).get(name);
      if (entry === undefined) continue;
      const body = bodyOf(resource);
      if (body.content === bad) {
        wrong.push(name);
        if (brought.has(`${type} ${name}`)) tookLoss = true;
        continue;
      }
      fresh ||= entry.content === undefined;
      entry.content = { body, version: resource.version };
      entry.deleted = false;
      if (type === endpoints && body.content !== empty) populated.add(name);
    }
    if (type === cluster || type === listener)
      for (const [name, entry] of of(type)) {
        if (message.resources.has(name) || entry.content === undefined) continue;
        entry.content = undefined;
        entry.deleted = true;
      }
    // What came beside a refused one counts here, but not for the server, which has not seen it accepted: a trial of others,
    // or its going from the view, takes it back.
    if (wrong.length > 0 && (quotes !== 'bad' || fresh)) tookLoss = true;
    return wrong;
  }

  function* chain(): Iterable<{ readonly path: string; readonly target: string }> {
    for (const name of open) {
      const route = of(listener).get(name)?.content?.body.route ?? '';
      for (const target of of(routes).get(route)?.content?.body.clusters ?? []) yield { path: name, target };
    }
  }

  return {
    prompt: true,
    open,
    toggle(name) {
      if (!open.delete(name)) open.add(name);
      settle();
    },
    receive(message) {
      const wrong = take(message.type, message);
      settle();
      const quoted = { bad: wrong.join(' '), all: [...message.resources.keys()].join(' '), none: '' }[quotes];
      mux.answer(message, wrong.length === 0 ? undefined : { code: 14, message: `no! ${quoted}` });
    },
    next: () => mux.next(),
    repeat: (type) => mux.repeat(type),
    reconnect(habits) {
      brought = new Set([...types].flatMap(([type, entries]) => [...entries.keys()].map((name) => `${type} ${name}`)));
      mux.reconnect({ ...habits, keepNonce: false });
    },
    expire() {
      // Its timer says that a name does not exist; nothing that is there is lost by it.
    },
    published(exists) {
      for (const name of open) if (!exists(listener, name)) gone.add(name);
    },
    failures(_exists, atRest) {
      if (atRest) gone.clear();
      const found: string[] = [];
      for (const { path, target } of chain()) {
        const entry = of(cluster).get(target);
        if (gone.has(path)) continue;
        if (entry?.deleted === true) found.push(`${path} -> ${target}: deleted`);
        const eds = entry?.content?.body.eds ?? '';
        const emptied = of(endpoints).get(eds)?.content?.body.content === empty;
        if (emptied && populated.has(eds)) found.push(`${path} -> ${target}: emptied`);
      }
      return found;
    },
    held() {
      const held = new Map<string, string>();
      for (const [type, entries] of types)
        for (const [name, { content }] of entries)
          if (content !== undefined && content.body.content !== empty)
            held.set(`${shortNames[type]} ${name}`, content.version);
      return held;
    },
    missing: () => [],
    waitsFor: () => [],
    reopened: () => [],
    orphans: () => new Set(),
    tookLoss() {
      const took = tookLoss;
      tookLoss = false;
      return took;
    },
  };
}
