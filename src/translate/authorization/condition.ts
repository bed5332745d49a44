// Conditions as Envoy's RBAC principals, the one form that can ask of the caller and of the request and can be negated.
// It must not know rules. Invariant: what is always or never true is a boolean here and never reaches Envoy, which refuses
// empty sets.
import type { PrincipalJson } from '../../gen/envoy/config/rbac/v3/rbac_pb.js';

/** `true`: every request meets it. */
export type Condition = boolean | PrincipalJson;

/** Members that say something; `neutral` ones do not. */
function telling(conditions: readonly Condition[], neutral: boolean): PrincipalJson[] | undefined {
  const kept: PrincipalJson[] = [];
  for (const condition of conditions) {
    if (condition === neutral) continue;
    if (typeof condition === 'boolean') return undefined;
    kept.push(condition);
  }
  return kept;
}

export function all(...conditions: readonly Condition[]): Condition {
  const ids = telling(conditions, true);
  if (ids === undefined) return false;
  const [only] = ids;
  if (only === undefined) return true;
  return ids.length === 1 ? only : { andIds: { ids } };
}

export function some(...conditions: readonly Condition[]): Condition {
  const ids = telling(conditions, false);
  if (ids === undefined) return true;
  const [only] = ids;
  if (only === undefined) return false;
  return ids.length === 1 ? only : { orIds: { ids } };
}

export function not(condition: Condition): Condition {
  return typeof condition === 'boolean' ? !condition : { notId: condition };
}

/** How many questions it asks. */
export function questions(condition: Condition): number {
  if (typeof condition === 'boolean') return 0;
  if (condition.notId !== undefined) return questions(condition.notId);
  const ids = condition.andIds?.ids ?? condition.orIds?.ids;
  return ids === undefined ? 1 : ids.reduce((sum, id) => sum + questions(id), 0);
}
