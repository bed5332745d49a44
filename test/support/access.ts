// What Authorizations mean, said a second time and in plain words, to hold the generated policies against.
// It must not know Envoy.
import type { AccessRule, Authorization, Caller, Operation } from '../../src/model/authorization.ts';

export interface AccessRequest {
  /** Undefined: shows no certificate of the mesh. */
  readonly caller?: Caller;
  readonly method: string;
  /** Without query, dot segments and double slashes. */
  readonly path: string;
  /** All values of each header. */
  readonly headers: Readonly<Record<string, readonly string[]>>;
}

type Effect = 'allow' | 'deny';

/** Whether a service with these lets the request in. `mode` shadow: as if everything were enforced. */
export function letsIn(
  authorizations: readonly Authorization[],
  request: AccessRequest,
  mode: Authorization['mode'] = 'enforce',
): boolean {
  const counted = authorizations.filter((one) => mode === 'shadow' || one.mode === 'enforce');
  if (counted.some(({ deny }) => deny.some((rule) => isMet(rule, 'deny', request)))) return false;
  const allow = counted.flatMap((one) => one.allow);
  return allow.length === 0 || allow.some((rule) => isMet(rule, 'allow', request));
}

function isMet({ from, to }: AccessRule, effect: Effect, request: AccessRequest): boolean {
  const { caller } = request;
  if (from !== undefined && !(caller !== undefined && from.some((one) => means(one, caller)))) return false;
  return to.length === 0 || to.some((operation) => isMeant(operation, effect, request));
}

function means(one: Caller, caller: Caller): boolean {
  if (one.kind === 'anyone') return true;
  if (one.kind === 'service') return caller.kind === 'service' && caller.service === one.service;
  return caller.kind === 'gateway' && caller.gateway === one.gateway;
}

function isMeant({ methods, paths, headers }: Operation, effect: Effect, request: AccessRequest): boolean {
  const deny = effect === 'deny';
  const method = deny ? request.method.toUpperCase() : request.method;
  if (methods.length > 0 && !methods.includes(method)) return false;
  const disguised = (deny ? /%2f|%5c|;|%3b/i : /%2f|%5c|(\.|%2e)(;|%3b)/i).test(request.path);
  const covered = paths.some((one) => {
    if ('exact' in one) return request.path === one.exact;
    if ('startsWith' in one)
      return one.startsWith === '/' || ((deny || !disguised) && request.path.startsWith(one.startsWith));
    const base = one.prefix.replace(/\/+$/, '');
    if (base === '') return true;
    return (deny || !disguised) && (request.path === base || request.path.startsWith(`${base}/`));
  });
  if (paths.length > 0 && !covered && !(deny && disguised)) return false;
  return headers.every(({ name, exact }) => {
    const values = request.headers[name] ?? [];
    if (!deny) return values.length > 0 && values.every((value) => value === exact);
    return values.some((value) => value === exact || value.split(/, ?/).includes(exact));
  });
}
