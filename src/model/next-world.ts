// The next World from the latest snapshots: objects, then services, then endpoints, then what names what.
// Pure: it only remembers how the World before was made. Invariant: equal input gives `previous` itself; whatever did
// not change is the same object as before; one changed instance costs its service, not the mesh.
import { checkAuthorizations } from './check-authorizations.ts';
import { checkCertificates } from './check-certificates.ts';
import { type EndpointSet, nextEndpointSet } from './endpoint-set.ts';
import { type KeyedAuthorizations, type KeySets, nextKeys } from './key-sets.ts';
import { type AuthorizationSet, nextAuthorizations } from './next-authorizations.ts';
import { nextObjectSet, type ObjectSet } from './object-set.ts';
import type { Problem } from './problem.ts';
import { checkReferences } from './references.ts';
import { nextServiceSet, type ServiceSet } from './service-set.ts';
import { compareText, sameMembers, shared, sharedList, sharedMap } from './sharing.ts';
import type { ObjectSnapshot, RegistrySnapshot } from './snapshot.ts';
import type { SourceState, World } from './world.ts';

export interface WorldInput {
  /** In the order of precedence: where two hold one instance, the first counts. */
  readonly registries: readonly RegistrySnapshot[];
  readonly objects: readonly ObjectSnapshot[];
  /** Proxies are issued certificates, so mutual TLS is on unless the Mesh says otherwise; absent: they are not. */
  readonly certificates?: Certificates;
  /** What is in the files of keys that Authorizations name. The same object while it is the same. */
  readonly keySets?: KeySets;
}

/** With the trust domain of who issues them, which is then that of the mesh. */
export type Certificates = boolean | { readonly trustDomain: string };

/** How a World was made; kept as long as the World is. */
interface Making {
  readonly registries: readonly RegistrySnapshot[];
  readonly names: ReadonlyMap<string, string>;
  readonly objectSet: ObjectSet;
  readonly keyed: KeyedAuthorizations;
  readonly serviceSet: ServiceSet;
  readonly endpointSet: EndpointSet;
  readonly authorizationSet: AuthorizationSet;
  readonly references: readonly Problem[];
  /** What is said of Authorizations. */
  readonly access: readonly Problem[];
  /** What is said of the certificates that listeners name. */
  readonly shown: readonly Problem[];
}

const makings = new WeakMap<World, Making>();

/** Incomplete snapshots count as empty. `previous` is any World this function gave, or undefined at first. */
export function nextWorld(previous: World | undefined, input: WorldInput): World {
  const before = previous === undefined ? undefined : makings.get(previous);
  const registries = input.registries.filter(({ complete }) => complete);
  const objectSet = nextObjectSet(
    before?.objectSet,
    input.objects.filter(({ complete }) => complete),
    typeof input.certificates === 'object' ? input.certificates.trustDomain : input.certificates,
  );
  const names = registryNames(before, registries);
  const { definitions, defaults, mesh } = objectSet;
  const serviceSet = nextServiceSet(before?.serviceSet, { definitions, defaults, mesh, names });
  const endpointSet = nextEndpointSet(before?.endpointSet, { registries, serviceSet, definitions });
  const { gateways } = objectSet;
  const keyed = nextKeys(before?.keyed, objectSet.authorizations, input.keySets);
  const { authorizations } = keyed;
  const authorizationSet = nextAuthorizations(before?.authorizationSet, {
    ...{ authorizations, gateways, mesh, registries },
    services: serviceSet.services,
  });
  const references = nextReferences(before, { registries, objectSet, serviceSet, endpointSet });
  const access = nextAccess(before, { objectSet, keyed, serviceSet, endpointSet });
  const shown = nextShown(before, objectSet);
  const stages = { registries, names, objectSet, keyed, serviceSet, endpointSet, authorizationSet };
  const making: Making = { ...stages, references, access, shown };
  const parts = {
    mesh,
    services: serviceSet.services,
    endpoints: endpointSet.endpoints,
    upstreams: endpointSet.upstreams,
    routes: objectSet.routes,
    gateways: objectSet.gateways,
    authorizations: authorizationSet.authorizations,
    certificates: objectSet.edgeCertificates,
    problems: allProblems(previous, before, making),
    sources: nextSources(previous, input),
  };
  if (
    previous !== undefined &&
    (Object.keys(parts) as (keyof typeof parts)[]).every((key) => parts[key] === previous[key])
  ) {
    makings.set(previous, making);
    return previous;
  }
  const world: World = Object.freeze({ revision: (previous?.revision ?? 0) + 1, ...parts });
  makings.set(world, making);
  return world;
}

export interface WorldBuilder {
  next(input: WorldInput): World;
}

/** Holds the last World, so that callers need not. `certificates` as in WorldInput, where an input does not say. */
export function createWorldBuilder({ certificates = false }: Pick<WorldInput, 'certificates'> = {}): WorldBuilder {
  let world: World | undefined;
  return {
    next(input) {
      world = nextWorld(world, { certificates, ...input });
      return world;
    },
  };
}

/** Every name that a registry holds, with the first source that does; the same map while the names are the same. */
function registryNames(
  before: Making | undefined,
  registries: readonly RegistrySnapshot[],
): ReadonlyMap<string, string> {
  if (before !== undefined && sameNames(before.registries, registries)) return before.names;
  const names = new Map<string, string>();
  for (const { source, services } of registries) {
    for (const name of services.keys()) if (!names.has(name)) names.set(name, source);
  }
  return shared<ReadonlyMap<string, string>>(before?.names, names);
}

function sameNames(before: readonly RegistrySnapshot[], after: readonly RegistrySnapshot[]): boolean {
  return (
    before.length === after.length &&
    after.every(({ source, services }, index) => {
      const old = before[index];
      if (old?.source !== source || old.services.size !== services.size) return false;
      if (old.services === services) return true;
      for (const name of services.keys()) if (!old.services.has(name)) return false;
      return true;
    })
  );
}

type Stages = Omit<Making, 'names' | 'keyed' | 'authorizationSet' | 'references' | 'access' | 'shown'>;

/** Checked again only when what is named, or whether it has instances, changed. */
function nextReferences(before: Making | undefined, stages: Stages): readonly Problem[] {
  const { registries, objectSet, serviceSet, endpointSet } = stages;
  if (
    before !== undefined &&
    before.objectSet.routes === objectSet.routes &&
    before.objectSet.gateways === objectSet.gateways &&
    before.serviceSet.services === serviceSet.services &&
    sameKeys(before.endpointSet.endpoints, endpointSet.endpoints) &&
    sameMembers(before.registries.map(identity), registries.map(identity))
  )
    return before.references;
  const { routes, gateways } = objectSet;
  const { services } = serviceSet;
  const found = checkReferences({ routes, gateways, services, endpoints: endpointSet.endpoints, registries });
  return shared(before?.references, found);
}

function nextAccess(
  before: Making | undefined,
  { objectSet, keyed, serviceSet, endpointSet }: Pick<Making, 'objectSet' | 'keyed' | 'serviceSet' | 'endpointSet'>,
): readonly Problem[] {
  const { authorizations } = keyed;
  const { gateways, mesh } = objectSet;
  const { services } = serviceSet;
  const { endpoints } = endpointSet;
  if (
    before !== undefined &&
    before.keyed.authorizations === authorizations &&
    before.objectSet.gateways === gateways &&
    before.objectSet.mesh === mesh &&
    before.serviceSet.services === services &&
    (authorizations.size === 0 || before.endpointSet.endpoints === endpoints)
  )
    return before.access;
  return shared(before?.access, checkAuthorizations({ authorizations, services, endpoints, gateways, mesh }));
}

function nextShown(
  before: Making | undefined,
  { gateways, edgeCertificates: certificates, mesh }: ObjectSet,
): readonly Problem[] {
  if (
    before !== undefined &&
    before.objectSet.gateways === gateways &&
    before.objectSet.edgeCertificates === certificates &&
    before.objectSet.mesh === mesh
  )
    return before.shown;
  return shared(before?.shown, checkCertificates({ gateways, certificates, mesh }));
}

function identity({ source, kind }: RegistrySnapshot): string {
  return `${kind} ${source}`;
}

function sameKeys(before: ReadonlyMap<string, unknown>, after: ReadonlyMap<string, unknown>): boolean {
  if (before === after) return true;
  if (before.size !== after.size) return false;
  for (const key of after.keys()) if (!before.has(key)) return false;
  return true;
}

function problemLists(making: Making): readonly (readonly Problem[])[] {
  const { objectSet, serviceSet, endpointSet, authorizationSet, references, access, shown, registries } = making;
  return [
    objectSet.problems,
    serviceSet.problems,
    endpointSet.problems,
    references,
    access,
    authorizationSet.problems,
    shown,
    ...registries.map(({ problems }) => problems),
  ];
}

function allProblems(previous: World | undefined, before: Making | undefined, making: Making): readonly Problem[] {
  const lists = problemLists(making);
  if (previous !== undefined && before !== undefined && sameMembers(problemLists(before), lists))
    return previous.problems;
  const all = lists
    .flat()
    .sort(
      (a, b) =>
        compareText(a.at.source, b.at.source) ||
        compareText(a.at.file, b.at.file) ||
        a.at.line - b.at.line ||
        a.at.column - b.at.column ||
        compareText(a.code, b.code) ||
        compareText(a.message, b.message),
    );
  return shared(previous?.problems, sharedList(previous?.problems, all));
}

function nextSources(previous: World | undefined, input: WorldInput): ReadonlyMap<string, SourceState> {
  const states = [
    ...input.registries.map((snapshot) => stateOf(snapshot, snapshot.kind)),
    ...input.objects.map((snapshot) => stateOf(snapshot, 'objects')),
  ].sort((a, b) => compareText(a.name, b.name));
  const old = previous?.sources;
  return sharedMap(old, new Map(states.map((state) => [state.name, shared(old?.get(state.name), state)])));
}

function stateOf(snapshot: RegistrySnapshot | ObjectSnapshot, kind: string): SourceState {
  const { source, revision, complete, degraded } = snapshot;
  return { name: source, kind, revision, complete, ...(degraded === undefined ? {} : { degraded }) };
}
