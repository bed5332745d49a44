// What would be refused if everything in shadow were enforced, as reasons by caller, so that Envoy counts them by caller.
// Invariant: with one counted caller more or less the same would be refused; only the name it is counted under differs.
// The size of the answer is bounded by that of the rules, however many callers there are.
import type { RBACJson } from '../../gen/envoy/config/rbac/v3/rbac_pb.js';
import type { AccessRule, Authorization, Caller } from '../../model/authorization.ts';
import type { ServiceId } from '../../model/names.ts';
import { compareText } from '../../model/sharing.ts';
import { type CallerName, hasIdentity, isCaller } from './callers.ts';
import { all, type Condition, not, questions, some } from './condition.ts';
import { type Ground, isNotAllowed, refusals, ruleCondition, ruleSet, toCondition } from './policies.ts';

/** Most callers with a counter of their own, and about how many questions all of them may ask together. */
const maxCallers = 256;
const maxQuestions = 20_000;

/** Whoever has an identity, and no counter of its own. */
export const otherCallers = 'other-callers';
export const withoutIdentity = 'without-identity';

export interface KnownCallers {
  readonly services: Iterable<ServiceId>;
  readonly gateways: Iterable<string>;
}

/** `service/web`, `service/prod/web`, `gateway/edge`. */
function counterOf(caller: CallerName): string {
  return caller.kind === 'gateway' ? `gateway/${caller.gateway}` : `service/${caller.service.replace('|', '/')}`;
}

function concerns({ from }: AccessRule, caller: CallerName): boolean {
  if (from === undefined) return true;
  const counter = counterOf(caller);
  return from.some((one) => one.kind === 'anyone' || counterOf(one) === counter);
}

/** Who the rules name, then whoever else there is. */
function countedCallers(rules: readonly AccessRule[], { services, gateways }: KnownCallers, most: number) {
  const named = rules.flatMap(({ from = [] }) => from).filter(isNamed);
  const counted = new Map<string, CallerName>();
  const add = (callers: readonly CallerName[]): void => {
    const sorted = callers.map((caller) => [counterOf(caller), caller] as const).sort(([a], [b]) => compareText(a, b));
    for (const [counter, caller] of sorted) if (counted.size < most) counted.set(counter, caller);
  };
  add(named);
  add([
    ...[...services].map((service) => ({ kind: 'service', service }) as const),
    ...[...gateways].map((gateway) => ({ kind: 'gateway', gateway }) as const),
  ]);
  return counted;
}

function isNamed(caller: Caller): caller is Exclude<Caller, { kind: 'anyone' }> {
  return caller.kind !== 'anyone';
}

/** Undefined: nothing is in shadow, or nothing would be refused. */
export function shadowRules(
  authorizations: readonly Authorization[],
  known: KnownCallers,
  ground: Ground,
): RBACJson | undefined {
  if (!authorizations.some(({ mode }) => mode === 'shadow')) return undefined;
  const set = ruleSet(authorizations);
  const asked = (effect: 'allow' | 'deny') =>
    (set[effect] ?? []).map(({ rule }) => ({ rule, to: toCondition(rule, effect, ground) }));
  const deny = asked('deny');
  const allow = asked('allow');
  /** Why they would be refused for whom exactly these rules are meant. */
  const refused = (meant: (rule: AccessRule) => boolean): Condition => {
    const of = (list: typeof deny): Condition => some(...list.flatMap(({ rule, to }) => (meant(rule) ? [to] : [])));
    return some(of(deny), set.allow !== undefined && not(of(allow)));
  };
  const each = [...deny, ...allow].reduce((sum, { to }) => sum + questions(to), 1);
  const callers = countedCallers(
    [...deny, ...allow].map(({ rule }) => rule),
    known,
    Math.min(maxCallers, Math.floor(maxQuestions / each)),
  );
  const counted = [...callers].map(([counter, caller]) => ({
    counter,
    is: isCaller(caller, ground.trustDomain),
    why: refused((rule) => concerns(rule, caller)),
  }));
  const member = hasIdentity(ground.trustDomain);
  const anyReason = some(...set.deny.map(({ rule }) => ruleCondition(rule, 'deny', ground)), isNotAllowed(set, ground));
  return refusals([
    ...counted.map(({ counter, is, why }) => [counter, all(is, why)] as const),
    [otherCallers, all(member, not(some(...counted.map(({ is }) => is))), anyReason)],
    [
      withoutIdentity,
      all(
        not(member),
        refused(({ from }) => from === undefined),
      ),
    ],
  ]);
}
