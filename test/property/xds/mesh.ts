// The little mesh whose configuration the property tests change: listeners -> routes -> clusters -> endpoints and secrets.
// A mesh is always whole: what is named exists. A resource's bytes are its description as JSON, so that a model client
// knows what it got from the bytes alone. Invariant: equal meshes give equal resources.
import fc from 'fast-check';
import type { Resource, ResourceRef } from '../../../src/resources/resource.ts';
import { type TypeUrl, typeUrls } from '../../../src/resources/type-urls.ts';
import { resource } from '../../support/static-views.ts';

const { cluster, endpoints, secret, listener, routes } = typeUrls;

/** Sent before what names it. */
export const meshTypes = [cluster, endpoints, secret, listener, routes] as const;

/** Content that every model client refuses. */
export const bad = 9;

export interface Mesh {
  readonly listeners: Readonly<
    Record<string, { readonly route: string; readonly tcp: string; readonly secret: string }>
  >;
  /** route -> the clusters it names. */
  readonly routes: Readonly<Record<string, readonly string[]>>;
  readonly clusters: Readonly<Record<string, { readonly eds: string; readonly secret: string }>>;
  /** Clusters that exist though no route names them. */
  readonly spare: readonly string[];
  /** `type name` -> content; 0 where absent. */
  readonly contents: Readonly<Record<string, number>>;
}

/** What the bytes of a resource say. */
export interface Body {
  readonly name: string;
  readonly content: number;
  /** Clusters of a route, or of a listener. */
  readonly clusters?: readonly string[];
  readonly route?: string;
  readonly eds?: string;
  readonly secret?: string;
}

/** Content of an assignment without endpoints, which the server makes itself (R40). */
export const empty = -1;

export function bodyOf({ name, bytes }: Pick<Resource, 'name' | 'bytes'>): Body {
  const text = Buffer.from(bytes).toString();
  return text.startsWith('{') ? (JSON.parse(text) as Body) : { name, content: empty };
}

/** `a=2>a` for people. */
export function bodyText(item: Pick<Resource, 'name' | 'bytes'>): string {
  const { name, content, clusters = [], route, eds, secret: itsSecret } = bodyOf(item);
  const needs = [...clusters, route, eds, itsSecret].filter((need) => need !== undefined && need !== '');
  return `${name}=${content === bad ? 'bad' : content}${needs.length > 0 ? `>${needs.join()}` : ''}`;
}

const listenerNames = ['in', 'out'] as const;
const routeNames = ['main', 'side'] as const;
const clusterNames = ['a', 'b', 'c', 'd'] as const;
const secretNames = ['key', 'root'] as const;

export const firstMesh: Mesh = {
  listeners: { in: { route: 'main', tcp: '', secret: '' } },
  routes: { main: ['a'], side: ['a', 'b'] },
  clusters: Object.fromEntries(clusterNames.map((name) => [name, { eds: name, secret: '' }])),
  spare: [],
  contents: {},
};

export type Edit =
  | { readonly edit: 'route'; readonly name: string; readonly to: readonly string[] }
  | { readonly edit: 'listener'; readonly name: string; readonly to: Mesh['listeners'][string] | undefined }
  | { readonly edit: 'cluster'; readonly name: string; readonly to: Mesh['clusters'][string] }
  | { readonly edit: 'spare'; readonly to: readonly string[] }
  | { readonly edit: 'content'; readonly type: TypeUrl; readonly name: string; readonly to: number };

const cluster$ = fc.constantFrom(...clusterNames);
const secret$ = fc.constantFrom('', '', ...secretNames);
const poison$ = fc.constantFrom(0, 1, 1, 2, 2, 3, bad);
const named = (type: TypeUrl, names: readonly string[]) => fc.tuple(fc.constant(type), fc.constantFrom(...names));

export const edit: fc.Arbitrary<Edit> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      edit: fc.constant('route' as const),
      name: fc.constantFrom(...routeNames),
      to: fc.uniqueArray(cluster$, { minLength: 1, maxLength: 3 }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      edit: fc.constant('listener' as const),
      name: fc.constantFrom(...listenerNames),
      to: fc.option(
        fc.record({
          route: fc.constantFrom(...routeNames),
          tcp: fc.constantFrom('', '', '', ...clusterNames),
          secret: secret$,
        }),
        { nil: undefined, freq: 4 },
      ),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      edit: fc.constant('cluster' as const),
      name: cluster$,
      to: cluster$.chain((eds) => fc.record({ eds: fc.constantFrom(eds, eds, 'shared', ''), secret: secret$ })),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ edit: fc.constant('spare' as const), to: fc.uniqueArray(cluster$, { maxLength: 2 }) }),
  },
  {
    weight: 6,
    arbitrary: fc
      .tuple(
        fc.oneof(
          { weight: 3, arbitrary: named(cluster, clusterNames) },
          { weight: 3, arbitrary: named(endpoints, [...clusterNames, 'shared']) },
          { weight: 1, arbitrary: named(secret, secretNames) },
          { weight: 1, arbitrary: named(listener, listenerNames) },
          { weight: 2, arbitrary: named(routes, routeNames) },
        ),
        poison$,
      )
      .map(([[type, name], to]) => ({ edit: 'content' as const, type, name, to })),
  },
);

export function edited(mesh: Mesh, edits: readonly Edit[]): Mesh {
  let next = mesh;
  for (const one of edits) {
    if (one.edit === 'route') next = { ...next, routes: { ...next.routes, [one.name]: one.to } };
    else if (one.edit === 'cluster') next = { ...next, clusters: { ...next.clusters, [one.name]: one.to } };
    else if (one.edit === 'spare') next = { ...next, spare: one.to };
    else if (one.edit === 'content')
      next = { ...next, contents: { ...next.contents, [`${one.type} ${one.name}`]: one.to } };
    else {
      const { [one.name]: _, ...others } = next.listeners;
      next = { ...next, listeners: one.to === undefined ? others : { ...others, [one.name]: one.to } };
    }
  }
  return next;
}

/** The mesh without content that is refused. */
export function mended(mesh: Mesh): Mesh {
  const contents = Object.entries(mesh.contents).map(([key, content]) => [key, content === bad ? 4 : content] as const);
  return { ...mesh, contents: Object.fromEntries(contents) };
}

export function resourcesOf(mesh: Mesh): Resource[] {
  const made = new Map<string, Resource>();
  const add = (
    type: TypeUrl,
    name: string,
    rest: Omit<Body, 'name' | 'content'>,
    deps: readonly ResourceRef[],
  ): void => {
    const body: Body = { name, content: mesh.contents[`${type} ${name}`] ?? 0, ...rest };
    made.set(`${type} ${name}`, resource(type, name, { bytes: Buffer.from(JSON.stringify(body)), deps }));
  };
  const addSecret = (name: string): ResourceRef[] => {
    if (name === '') return [];
    add(secret, name, {}, []);
    return [{ type: secret, name }];
  };
  const addCluster = (name: string): ResourceRef => {
    const { eds = '', secret: itsSecret = '' } = mesh.clusters[name] ?? {};
    if (eds !== '') add(endpoints, eds, {}, []);
    const deps = [...(eds === '' ? [] : [{ type: endpoints, name: eds }]), ...addSecret(itsSecret)];
    add(cluster, name, { eds, secret: itsSecret }, deps);
    return { type: cluster, name };
  };
  for (const name of mesh.spare) addCluster(name);
  for (const [name, { route, tcp, secret: itsSecret }] of Object.entries(mesh.listeners)) {
    const clusters = mesh.routes[route] ?? [];
    add(routes, route, { clusters }, clusters.map(addCluster));
    const direct = tcp === '' ? [] : [addCluster(tcp)];
    add(listener, name, { route, clusters: tcp === '' ? [] : [tcp], secret: itsSecret }, [
      { type: routes, name: route },
      ...direct,
      ...addSecret(itsSecret),
    ]);
  }
  return [...made.values()];
}
