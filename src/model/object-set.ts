// All objects of all stores as routes, gateways, mesh settings and service definitions: the half of a World that
// registries have no part in. Pure. Invariant: the result depends on the set of documents alone, never on their order;
// what an unchanged document gave is the same object as before.
import type { Authorization } from './authorization.ts';
import type { Certificate } from './certificate.ts';
import { compileAuthorization } from './compile-authorization.ts';
import { compileCertificate } from './compile-certificate.ts';
import { compileGateway, compileMesh, gatewayName, type Issued, withoutCertificates } from './compile-gateway.ts';
import { compileRoute, referredService } from './compile-route.ts';
import type { MeshDefaults } from './defaults.ts';
import type { Gateway } from './gateway.ts';
import type { Mesh } from './mesh.ts';
import { type ServiceId, serviceId } from './names.ts';
import type { MeshObject, Refused } from './parse.ts';
import { createProblem, type Problem } from './problem.ts';
import { closed } from './refused-authorization.ts';
import type { Route } from './route.ts';
import { defineService, type ServiceDefinition, type ServiceObject } from './service-definition.ts';
import { compareText, frozen, sameMembers, shared, sharedList, sharedMap } from './sharing.ts';
import type { ObjectSnapshot } from './snapshot.ts';
import { byAge, distinct, type GivenDocuments, parseAll, type StandingDocuments } from './standing-documents.ts';

export interface ObjectSet {
  readonly parsed: StandingDocuments;
  /** The same map needs no second look. */
  readonly given: GivenDocuments;
  /** Proxies are issued certificates, in this trust domain where it is known. */
  readonly certificates: Issued;
  readonly mesh: Mesh;
  readonly defaults: MeshDefaults;
  readonly routes: readonly Route[];
  readonly gateways: ReadonlyMap<string, Gateway>;
  readonly authorizations: ReadonlyMap<ServiceId, readonly Authorization[]>;
  /** Objects: by name. */
  readonly edgeCertificates: ReadonlyMap<string, Certificate>;
  readonly definitions: ReadonlyMap<ServiceId, ServiceDefinition>;
  readonly problems: readonly Problem[];
  /** What each object was made into, by the objects it was made of. */
  readonly made: ReadonlyMap<MeshObject, Made>;
}

interface Made {
  readonly of: readonly MeshObject[];
  readonly value:
    | MadeRoute
    | { readonly gateway: Gateway; readonly problems: readonly Problem[] }
    | { readonly authorization: Authorization; readonly problems: readonly Problem[] }
    | { readonly certificate: Certificate; readonly problems: readonly Problem[] }
    | ServiceDefinition;
}

interface MadeRoute {
  readonly route: Route | undefined;
  readonly key: string;
  readonly problems: readonly Problem[];
}

const noDefaults: MeshDefaults = {};

export function nextObjectSet(
  previous: ObjectSet | undefined,
  snapshots: readonly ObjectSnapshot[],
  certificates: Issued = false,
): ObjectSet {
  const given = sharedMap(
    previous?.given,
    new Map(
      snapshots.toSorted((a, b) => compareText(a.source, b.source)).map(({ source, documents }) => [source, documents]),
    ),
  );
  const same = previous?.certificates === certificates;
  if (previous !== undefined && same && given === previous.given) return previous;
  const parsed = parseAll(previous, given);
  if (previous !== undefined && same && parsed === previous.parsed) return { ...previous, given };
  const problems: Problem[] = [];
  const objects = distinct(parsed, problems);

  const meshes = objects.filter((object) => object.kind === 'Mesh').sort(byAge);
  for (const extra of meshes.slice(1)) {
    const message = `"${meshes[0]?.name}" (${meshes[0]?.provenance.file}:${meshes[0]?.provenance.line}) is older and holds`;
    problems.push(createProblem('CH1106', extra.provenance, message));
  }
  const compiledMesh = compileMesh(meshes[0], certificates);
  problems.push(...compiledMesh.problems);
  const mesh = shared(previous?.mesh, frozen(compiledMesh.mesh));
  const defaults = shared(previous?.defaults, meshes[0]?.spec.defaults ?? noDefaults);

  const made = new Map<MeshObject, Made>();
  const reusable = previous !== undefined && previous.defaults === defaults ? previous.made : undefined;
  /** What the objects were made into before, else what `create` makes of them, shared with what stood there before. */
  const make = <Value extends Made['value']>(of: readonly MeshObject[], create: () => Value): Value => {
    const [key] = of;
    if (key === undefined) return create();
    const known = reusable?.get(key);
    const entry = known !== undefined && sameMembers(known.of, of) ? known : { of, value: frozen(create()) };
    made.set(key, entry);
    problems.push(...entry.value.problems);
    return entry.value as Value;
  };

  const routes: { readonly key: string; readonly route: Route }[] = [];
  const oldRoutes = once(() => new Map(previous?.routes.map((route) => [routeKey(route), route])));
  const gateways = new Map<string, Gateway>();
  const edgeCertificates = new Map<string, Certificate>();
  const authorizations: Authorization[] = [];
  const oldAuthorizations = once(
    () => new Map([...(previous?.authorizations.values() ?? [])].flat().map((one) => [authorizationKey(one), one])),
  );
  const services = new Map<ServiceId, ServiceObject[]>();
  for (const object of objects) {
    if (object.kind === 'Route') {
      const { route, key } = make([object], () => {
        const compiled = compileRoute(object, defaults);
        const own = compiled.route === undefined ? '' : routeKey(compiled.route);
        return { problems: compiled.problems, route: shared(oldRoutes().get(own), compiled.route), key: own };
      });
      if (route !== undefined) routes.push({ key, route });
    } else if (object.kind === 'Gateway') {
      const name = gatewayName(object.namespace, object.name);
      const { gateway } = make([object], () => {
        const compiled = compileGateway(object);
        return { problems: compiled.problems, gateway: shared(previous?.gateways.get(name), compiled.gateway) };
      });
      gateways.set(name, gateway);
    } else if (object.kind === 'Authorization') {
      const key = authorizationKey(object);
      const { authorization } = make([object], () => ({
        problems: [],
        authorization: shared(oldAuthorizations().get(key), compileAuthorization(object)),
      }));
      authorizations.push(authorization);
    } else if (object.kind === 'Certificate') {
      const name = gatewayName(object.namespace, object.name);
      const { certificate } = make([object], () => ({
        problems: [],
        certificate: shared(previous?.edgeCertificates.get(name), compileCertificate(object)),
      }));
      edgeCertificates.set(name, certificate);
    } else if (object.kind === 'Service') {
      const tls = object.group === 'chancery' ? object.spec.tls : undefined;
      if (certificates === false && (tls === 'strict' || tls === 'permissive'))
        problems.push(withoutCertificates(object, 'tls', tls));
      const id = serviceId(object.namespace, object.name);
      const siblings = services.get(id);
      if (siblings === undefined) services.set(id, [object]);
      else siblings.push(object);
    }
  }
  for (const { refused, service } of closedServices(parsed, objects, problems)) {
    const authorization = closed(refused, service, refused.provenance);
    authorizations.push(shared(oldAuthorizations().get(authorizationKey(authorization)), frozen(authorization)));
  }
  const definitions = new Map<ServiceId, ServiceDefinition>();
  for (const [id, of] of [...services].sort(([a], [b]) => compareText(a, b)))
    definitions.set(
      id,
      make(of, () => shared(previous?.definitions.get(id), defineService(of, defaults))),
    );
  routes.sort((a, b) => compareText(a.key, b.key));
  return {
    parsed,
    given,
    certificates,
    mesh,
    defaults,
    routes: sharedList(
      previous?.routes,
      routes.map(({ route }) => route),
    ),
    gateways: sharedMap(previous?.gateways, new Map([...gateways].sort(([a], [b]) => compareText(a, b)))),
    edgeCertificates: sharedMap(
      previous?.edgeCertificates,
      new Map([...edgeCertificates].sort(([a], [b]) => compareText(a, b))),
    ),
    authorizations: authorizationsByService(previous?.authorizations, authorizations),
    definitions: sharedMap(previous?.definitions, definitions),
    problems: shared<readonly Problem[]>(previous?.problems, problems),
    made,
  };
}

function authorizationKey({ namespace, name }: Pick<Authorization, 'namespace' | 'name'>): string {
  return `${namespace}/${name}`;
}

/**
 * Services whose Authorization is refused and has no last good text: nobody knows whom it was to let in, so it lets nobody
 * in. What a document kept of the service stands for a refused text without a name.
 */
function closedServices(
  parsed: ObjectSet['parsed'],
  objects: readonly MeshObject[],
  problems: Problem[],
): readonly { readonly refused: Refused; readonly service: ServiceId }[] {
  const standing = once(() => new Set(objects.map(({ key }) => key)));
  return [...parsed.values()]
    .flatMap((documents) => [...documents.values()])
    .flatMap(({ refusedAuthorizations, kept }) =>
      refusedAuthorizations.flatMap((refused) => {
        if (refused.key !== undefined && standing().has(refused.key)) return [];
        const held = refused.key === undefined ? kept.filter((object) => object.kind === 'Authorization') : [];
        const guarded = new Set(held.map(({ spec, namespace }) => referredService(spec.service, namespace)));
        if (refused.services.length === 0) {
          if (held.length === 0)
            problems.push(createProblem('CH1248', refused.provenance, 'does not say which service it protects'));
          return [];
        }
        return refused.services.flatMap((service) => {
          if (guarded.has(service)) return [];
          problems.push(
            createProblem('CH1247', refused.provenance, `is refused, so nobody may call service "${service}"`),
          );
          return [{ refused, service }];
        });
      }),
    );
}

function authorizationsByService(
  previous: ObjectSet['authorizations'] | undefined,
  all: readonly Authorization[],
): ObjectSet['authorizations'] {
  const lists = new Map<ServiceId, Authorization[]>();
  for (const authorization of all.toSorted((a, b) => compareText(authorizationKey(a), authorizationKey(b)))) {
    const list = lists.get(authorization.service);
    if (list === undefined) lists.set(authorization.service, [authorization]);
    else list.push(authorization);
  }
  const sorted = [...lists].sort(([a], [b]) => compareText(a, b));
  return sharedMap(previous, new Map(sorted.map(([id, list]) => [id, sharedList(previous?.get(id), list)])));
}

function once<T>(create: () => T): () => T {
  let made: { readonly value: T } | undefined;
  return () => {
    made ??= { value: create() };
    return made.value;
  };
}

/** Namespace and name, then what tells apart a chancery and a linkerd.io Route of one name. */
function routeKey({ namespace, name, provenance, share }: Route): string {
  return [
    namespace,
    name,
    share === undefined ? '' : 'share',
    provenance.source,
    provenance.file,
    provenance.line,
  ].join('\0');
}
