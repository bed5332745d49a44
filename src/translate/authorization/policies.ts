// The Authorizations of one service as Envoy's RBAC policies. It must not know where they stand in a listener.
// Everything is said as one list of reasons to refuse, so that deny rules come first and "no rule allows it" is the last
// of them, and what refused a request has a name. Invariant: a request is refused exactly if a deny rule is met, or there
// is an allow rule and none is met; a rule that cannot be met still counts as one that is there.
import type { PolicyJson, PrincipalJson, RBACJson } from '../../gen/envoy/config/rbac/v3/rbac_pb.js';
import { type AccessRule, type Authorization, asksOfRequests } from '../../model/authorization.ts';
import type { Service } from '../../model/service.ts';
import { isCaller } from './callers.ts';
import { all, type Condition, not, some } from './condition.ts';
import { type Effect, isOperation } from './operations.ts';
import { hasToken } from './tokens.ts';

export interface Ground {
  readonly trustDomain: string;
  readonly protocol: Service['protocol'];
  /** Whose tokens are verified. */
  readonly believed: ReadonlySet<string>;
}

export interface RuleSet {
  readonly deny: readonly NamedRule[];
  /** Undefined: there is none, so that everything is allowed. */
  readonly allow: readonly NamedRule[] | undefined;
}

export interface NamedRule {
  /** `prod/shop#2`: the object and the position in its list. */
  readonly name: string;
  readonly rule: AccessRule;
}

/** The name of the last reason to refuse. */
export const notAllowed = 'not-allowed';

export function ruleSet(authorizations: readonly Authorization[]): RuleSet {
  const rules = (effect: Effect): readonly NamedRule[] =>
    authorizations.flatMap((one) =>
      one[effect].map((rule) => ({ name: `${one.namespace}/${one.name}#${rule.index}`, rule })),
    );
  const allow = rules('allow');
  return { deny: rules('deny'), allow: allow.length === 0 ? undefined : allow };
}

function fromCondition({ from }: AccessRule, { trustDomain }: Ground): Condition {
  return from === undefined || some(...from.map((caller) => isCaller(caller, trustDomain)));
}

/** On connections there is nothing to ask of requests: such a rule lets nobody in, and keeps all its callers out. */
export function toCondition(rule: AccessRule, effect: Effect, { protocol, believed }: Ground): Condition {
  if (!asksOfRequests(rule)) return true;
  if (protocol === 'tcp') return effect === 'deny';
  const { to, tokens = [] } = rule;
  return all(
    to.length === 0 || some(...to.map((operation) => isOperation(operation, effect))),
    ...tokens.map((token) => hasToken(token, effect, believed)),
  );
}

export function ruleCondition(rule: AccessRule, effect: Effect, ground: Ground): Condition {
  return all(fromCondition(rule, ground), toCondition(rule, effect, ground));
}

/**
 * Reasons to refuse, by name; what can never be one is left out. Envoy counts each under its name, which ends at a dot
 * there, so that dots become colons: no name of ours holds one.
 */
export function refusals(reasons: readonly (readonly [string, Condition])[]): RBACJson | undefined {
  const policies: Record<string, PolicyJson> = {};
  for (const [name, condition] of reasons) {
    const principal = principalOf(condition);
    if (principal !== undefined)
      policies[name.replaceAll('.', ':')] = { permissions: [{ any: true }], principals: [principal] };
  }
  return Object.keys(policies).length === 0 ? undefined : { action: 'DENY', policies };
}

function principalOf(condition: Condition): PrincipalJson | undefined {
  if (typeof condition !== 'boolean') return condition;
  return condition ? { any: true } : undefined;
}

/** Whether no allow rule is met, where there is any. */
export function isNotAllowed({ allow }: RuleSet, ground: Ground): Condition {
  return allow !== undefined && not(some(...allow.map(({ rule }) => ruleCondition(rule, 'allow', ground))));
}

/** Undefined: nothing is ever refused. */
export function enforcedRules(authorizations: readonly Authorization[], ground: Ground): RBACJson | undefined {
  const rules = ruleSet(authorizations.filter(({ mode }) => mode === 'enforce'));
  return refusals([
    ...rules.deny.map(({ name, rule }) => [`deny/${name}`, ruleCondition(rule, 'deny', ground)] as const),
    [notAllowed, isNotAllowed(rules, ground)],
  ]);
}
