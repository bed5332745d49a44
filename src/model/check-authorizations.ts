// What Authorizations name and what there is, and where a rule does not do what it seems to. Nothing is dropped here: a
// name that nobody bears matches nobody. Pure. Invariant: one Problem a mistake, at its place.
import { type ErrorCodeName, errorCodes } from '../util/error-codes.ts';
import { didYouMean } from '../util/near-miss.ts';
import { type AccessRule, type Authorization, asksOfRequests, type Caller } from './authorization.ts';
import { disputedIssuers } from './authorization-tokens.ts';
import type { Gateway } from './gateway.ts';
import type { Mesh } from './mesh.ts';
import { effectiveMtls, type Mtls } from './mtls.ts';
import type { ServiceId } from './names.ts';
import { createProblem, type Problem } from './problem.ts';
import type { Provenance } from './provenance.ts';
import type { Service } from './service.ts';
import type { World } from './world.ts';

export interface AuthorizationScene {
  readonly authorizations: ReadonlyMap<ServiceId, readonly Authorization[]>;
  readonly services: ReadonlyMap<ServiceId, Service>;
  readonly endpoints: World['endpoints'];
  readonly gateways: ReadonlyMap<string, Gateway>;
  readonly mesh: Mesh;
}

/** How callers of a service show who they are. Where they cannot, no rule that names callers is met. */
export function identitiesOf(mesh: Mesh, service: Service | undefined): Mtls {
  return effectiveMtls(service ?? { tls: 'mesh' }, mesh);
}

/** Guessing costs a comparison with every service, so that only so many names of one check get it. */
const maxGuesses = 32;

export function checkAuthorizations(scene: AuthorizationScene): readonly Problem[] {
  const problems: Problem[] = [];
  let guesses = 0;
  const report = (code: ErrorCodeName, at: Provenance, finding: Finding): void => {
    const { message, path, name, among } = finding;
    const near = name !== undefined && among !== undefined && guesses++ < maxGuesses ? didYouMean(name, among) : '';
    problems.push(
      createProblem(code, at, message, { severity: 'warning', path, hint: `${errorCodes[code].hint}${near}` }),
    );
  };
  for (const [id, authorizations] of scene.authorizations) {
    const defaultDeny = authorizations.some(({ mode, allow }) => mode === 'enforce' && allow.length > 0);
    const disputed = disputedIssuers(authorizations);
    for (const authorization of authorizations)
      checkOne({ ...scene, id, authorization, defaultDeny, disputed, report });
  }
  return problems;
}

interface Finding {
  readonly message: string;
  readonly path: string;
  /** What was written, and what may have been meant. */
  readonly name?: string;
  readonly among?: Iterable<string>;
}

interface Checking extends AuthorizationScene {
  readonly id: ServiceId;
  readonly authorization: Authorization;
  /** Whether what no rule of the service allows is refused. */
  readonly defaultDeny: boolean;
  /** Issuers that the Authorizations of the service declare in two ways. */
  readonly disputed: ReadonlySet<string>;
  readonly report: (code: ErrorCodeName, at: Provenance, finding: Finding) => void;
}

function checkOne(checking: Checking): void {
  const { id, authorization, services, endpoints, mesh, report } = checking;
  const service = services.get(id);
  const at = authorization.provenance;
  if (service === undefined)
    report('CH1241', at, {
      message: `service "${id}" is not known`,
      path: 'spec.service',
      name: id,
      among: services.keys(),
    });
  else {
    if (identitiesOf(mesh, service) === 'off' && namesCallers(authorization))
      report('CH1243', at, {
        message: `callers of service "${id}" show no certificate: mtls is off for it`,
        path: '',
      });
    const instances = endpoints.get(id) ?? [];
    const bare = instances.filter(({ proxy }) => proxy === undefined);
    if (bare.length > 0)
      report('CH1250', at, {
        message: `${bare.length} of ${instances.length} instances of service "${id}" have no sidecar`,
        path: 'spec.service',
      });
  }
  for (const [index, { issuer }] of (authorization.issuers ?? []).entries())
    if (checking.disputed.has(issuer))
      report('CH1251', at, {
        message: `another Authorization of service "${id}" declares issuer "${issuer}" otherwise`,
        path: `spec.jwt[${index}]`,
      });
  for (const list of ['deny', 'allow'] as const)
    for (const rule of authorization[list]) checkRule(rule, { ...checking, list, service });
}

function namesCallers({ allow, deny }: Authorization): boolean {
  return [...allow, ...deny].some(({ from }) => from !== undefined);
}

function checkRule(
  rule: AccessRule,
  checking: Checking & { readonly list: 'allow' | 'deny'; readonly service: Service | undefined },
): void {
  const { list, service, authorization, defaultDeny, mesh, report } = checking;
  const path = `spec.${list}[${rule.index}]`;
  for (const [entry, caller] of (rule.from ?? []).entries())
    checkCaller(caller, { ...checking, path: `${path}.from[${entry}]` });
  if (service?.protocol === 'tcp' && asksOfRequests(rule))
    report('CH1244', rule.provenance, {
      message: `${list} rule ${rule.index} asks of requests, and service "${service.id}" has connections only`,
      path: rule.to.length > 0 ? `${path}.to` : `${path}.jwt`,
    });
  const passable = list === 'deny' && rule.from !== undefined && authorization.mode === 'enforce' && !defaultDeny;
  if (passable && identitiesOf(mesh, service) === 'permissive')
    report('CH1245', rule.provenance, {
      message: `who calls in plaintext is not known by name, and deny rule ${rule.index} names its callers`,
      path: `${path}.from`,
    });
}

function checkCaller(caller: Caller, { services, gateways, report, path }: Checking & { readonly path: string }): void {
  if (caller.kind === 'service' && !services.has(caller.service))
    report('CH1242', caller.provenance, {
      message: `calling service "${caller.service}" is not known`,
      path,
      name: caller.service,
      among: services.keys(),
    });
  // Without any Gateway object every gateway proxy has the default listener, whatever its name.
  if (caller.kind === 'gateway' && gateways.size > 0 && !gateways.has(caller.gateway))
    report('CH1242', caller.provenance, {
      message: `calling gateway "${caller.gateway}" is not known`,
      path,
      name: caller.gateway,
      among: gateways.keys(),
    });
}
