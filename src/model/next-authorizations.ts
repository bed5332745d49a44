// What is enforced for each service: the Authorizations of objects, and what registries say of who may call whom. Pure.
// Invariant: a service that was governed by intentions stays so while they are read, also when no registry holds it any
// more: its sidecars may still be there. What did not change is the same object as before.
import type { Authorization } from './authorization.ts';
import { identitiesOf } from './check-authorizations.ts';
import { bothLetIn, sayTooMuch } from './combine-access.ts';
import { compileIntentions, intentionsOf } from './compile-intentions.ts';
import type { Gateway } from './gateway.ts';
import type { Intentions } from './intentions.ts';
import type { Mesh } from './mesh.ts';
import type { ServiceId } from './names.ts';
import { createProblem, type Problem } from './problem.ts';
import type { Provenance } from './provenance.ts';
import type { Service } from './service.ts';
import { compareText, sameMembers, shared, sharedList, sharedMap } from './sharing.ts';
import type { RegistrySnapshot } from './snapshot.ts';

type ByService = ReadonlyMap<ServiceId, readonly Authorization[]>;

export interface AuthorizationInput {
  /** Of objects. */
  readonly authorizations: ByService;
  readonly services: ReadonlyMap<ServiceId, Service>;
  readonly gateways: ReadonlyMap<string, Gateway>;
  readonly mesh: Mesh;
  readonly registries: readonly RegistrySnapshot[];
}

export interface AuthorizationSet {
  readonly authorizations: ByService;
  readonly problems: readonly Problem[];
  readonly input: readonly unknown[];
}

export function nextAuthorizations(
  previous: AuthorizationSet | undefined,
  { authorizations: objects, services, gateways, mesh, registries }: AuthorizationInput,
): AuthorizationSet {
  const voices = registries.flatMap(({ source, intentions }) =>
    intentions === undefined ? [] : [{ source, intentions }],
  );
  if (voices.length === 0) return { authorizations: objects, problems: [], input: [] };
  const input = [
    objects,
    services,
    gateways,
    mesh,
    ...voices.flatMap(({ source, intentions }) => [source, intentions]),
  ];
  if (previous !== undefined && sameMembers(previous.input, input)) return previous;
  const known = { services: [...services.keys()], gateways: [...gateways.keys()] };
  const ids = new Set([
    ...objects.keys(),
    ...services.keys(),
    ...(previous?.authorizations.keys() ?? []),
    ...voices.flatMap(({ intentions }) => namedBy(intentions)),
  ]);
  const all = new Map<ServiceId, readonly Authorization[]>();
  const tooMuch: Problem[] = [];
  for (const id of [...ids].sort(compareText)) {
    const before = previous?.authorizations.get(id);
    let list = objects.get(id) ?? [];
    for (const voice of voices) {
      const said = compileIntentions(id, { ...voice, known });
      if (said === undefined) continue;
      if (sayTooMuch(list, said)) tooMuch.push(closedFor(id, said.provenance));
      list = bothLetIn(list, said);
    }
    const kept = list.map((one, index) => shared(before?.[index], one));
    if (kept.length > 0) all.set(id, sharedList(before, kept));
  }
  const problems = [...tooMuch, ...voices.flatMap((voice) => unmet(voice, all, services, mesh))];
  return {
    authorizations: sharedMap(previous?.authorizations, all),
    problems: shared<readonly Problem[]>(previous?.problems, problems),
    input,
  };
}

function namedBy({ entries }: Intentions): ServiceId[] {
  const named = [...entries.values()].map(({ destination }) => destination);
  return named.filter((name) => name !== '*') as ServiceId[];
}

function closedFor(id: ServiceId, at: Provenance): Problem {
  const message = `its permissions and the Authorizations of "${id}" are too many to hold together, so nobody may call it`;
  return createProblem('CH1263', at, message);
}

/** One Problem a registry: with mutual TLS off nobody knows who calls, so that no intention is met. */
function unmet(
  { source }: { readonly source: string },
  all: ByService,
  services: AuthorizationInput['services'],
  mesh: Mesh,
): Problem[] {
  const closed = [...all]
    .filter(([, list]) => list.some(({ namespace }) => namespace === intentionsOf(source)))
    .flatMap(([id]) => (services.has(id) && identitiesOf(mesh, services.get(id)) === 'off' ? [id] : []));
  if (closed.length === 0) return [];
  const at = { source, file: '', line: 1, column: 1, object: 'consul intentions' };
  const more = closed.length > 3 ? ` and ${closed.length - 3} more` : '';
  const names = closed.slice(0, 3).map((id) => `"${id}"`);
  return [createProblem('CH1265', at, `callers of ${names.join(', ')}${more} show no certificate: mtls is off`)];
}
