// A ViewProvider over resources a test sets by hand, for the xDS server and the reducer.
// Invariant: a published view is never changed; onChange names exactly what differs.
import type { Resource, ResourceRef, View } from '../../src/resources/resource.ts';
import { type TypeUrl, typeUrls } from '../../src/resources/type-urls.ts';
import { contentHash } from '../../src/util/hash.ts';
import type { ClientInfo, Refusal, ViewProvider } from '../../src/xds/contract.ts';

export interface StaticViews extends ViewProvider {
  /** Replaces everything and tells open clients what differs. */
  publish(resources: readonly Resource[]): void;
  /** Every following open is refused; undefined: taken again. */
  refuse(refusal: Refusal | undefined): void;
  readonly clients: ReadonlySet<ClientInfo>;
}

export interface ResourceParts {
  readonly content?: string;
  readonly bytes?: Uint8Array;
  readonly deps?: readonly ResourceRef[];
  readonly aliases?: readonly string[];
  readonly byNameOnly?: boolean;
}

/** A resource with bytes of its own and a version of its content. */
export function resource(
  type: TypeUrl,
  name: string,
  { content = '', bytes, deps = [], ...rest }: ResourceParts = {},
): Resource {
  const body = bytes ?? Buffer.from(`${name}:${content}`);
  return { type, name, version: contentHash(body), bytes: body, deps, provenance: [], ...rest };
}

export function viewOf(resources: readonly Resource[], id = 'view'): View {
  const listed = new Map<TypeUrl, string[]>();
  const all = new Map<string, Resource>();
  for (const item of resources) {
    for (const name of [item.name, ...(item.aliases ?? [])]) all.set(`${item.type} ${name}`, item);
    if (item.byNameOnly !== true) listed.set(item.type, [...(listed.get(item.type) ?? []), item.name]);
  }
  return { id, get: (type, name) => all.get(`${type} ${name}`), names: (type) => listed.get(type) ?? [] };
}

/** What differs between two sets of resources. */
export function differences(before: readonly Resource[], after: readonly Resource[]): ResourceRef[] {
  const key = ({ type, name }: ResourceRef): string => `${type} ${name}`;
  const old = new Map(before.map((item) => [key(item), item]));
  const changed: ResourceRef[] = [];
  for (const item of after) {
    if (old.get(key(item))?.version !== item.version) changed.push({ type: item.type, name: item.name });
    old.delete(key(item));
  }
  for (const { type, name } of old.values()) changed.push({ type, name });
  return changed;
}

/** `id` tells views of several providers apart. */
export function createStaticViews(initial: readonly Resource[] = [], id = 'view'): StaticViews {
  let current = initial;
  let view = viewOf(initial, id);
  let refusal: Refusal | undefined;
  const clients = new Set<ClientInfo>();
  const endpointListeners = new Set<(names: readonly string[]) => void>();
  const listeners = new Map<ClientInfo, (changed: readonly ResourceRef[]) => void>();
  return {
    clients,
    refuse(next) {
      refusal = next;
    },
    publish(resources) {
      const changed = differences(current, resources);
      current = resources;
      view = viewOf(resources, id);
      const endpoints = changed.filter(({ type }) => type === typeUrls.endpoints).map(({ name }) => name);
      const others = changed.filter(({ type }) => type !== typeUrls.endpoints);
      if (endpoints.length > 0) for (const listener of endpointListeners) listener(endpoints);
      if (others.length > 0) for (const onChange of listeners.values()) onChange(others);
    },
    onEndpoints(listener) {
      endpointListeners.add(listener);
      return () => endpointListeners.delete(listener);
    },
    open(client, onChange) {
      if (refusal !== undefined) return refusal;
      clients.add(client);
      listeners.set(client, onChange);
      return {
        view: () => view,
        close() {
          clients.delete(client);
          listeners.delete(client);
        },
      };
    },
  };
}
