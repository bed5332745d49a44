// What a connection as such tells of whether its caller may call, before a byte of it is read. Envoy's filter asks at the
// first byte of the caller, and a server that speaks first would have said much to somebody who only listens.
// Invariant: never lets in whom the rules refuse; where it cannot tell it refuses nobody, and the filter decides.
import type { StringMatcherJson } from '../../gen/envoy/type/matcher/v3/string_pb.js';
import { type AccessRule, type Authorization, asksOfRequests, type Caller } from '../../model/authorization.ts';
import { isCaller } from './callers.ts';

type Named = Exclude<Caller, { kind: 'anyone' }>;

/** Rules that a connection can meet: one that asks of requests admits none, and refuses all of its callers. */
function rulesOf(authorizations: readonly Authorization[]) {
  const enforced = authorizations.filter(({ mode }) => mode === 'enforce');
  const allow = enforced.flatMap((one) => one.allow);
  return {
    deny: enforced.flatMap((one) => one.deny),
    closed: allow.length > 0,
    allow: allow.filter((rule) => !asksOfRequests(rule)),
  };
}

/** Whether a caller that shows no certificate is let in. */
export function admitsUnnamed(authorizations: readonly Authorization[]): boolean {
  const { deny, closed, allow } = rulesOf(authorizations);
  const meant = ({ from }: AccessRule): boolean => from === undefined;
  return !deny.some(meant) && (!closed || allow.some(meant));
}

/** The names of which a certificate must bear one, where the rules say them all; undefined: the handshake cannot tell. */
export function admittedNames(
  authorizations: readonly Authorization[],
  trustDomain: string,
): readonly StringMatcherJson[] | undefined {
  const { deny, closed, allow } = rulesOf(authorizations);
  const everybody = ({ from }: AccessRule): boolean => from === undefined || from.some(({ kind }) => kind === 'anyone');
  if (deny.some(everybody)) return [nobody(trustDomain)];
  if (!closed || allow.some(everybody)) return undefined;
  const refused = new Set(namesOf(deny, trustDomain));
  const names = [...new Set(namesOf(allow, trustDomain))].filter((name) => !refused.has(name)).sort();
  return names.length === 0 ? [nobody(trustDomain)] : names.map((exact) => ({ exact }));
}

/** An empty list would mean anybody; no certificate bears a name without a path. */
function nobody(trustDomain: string): StringMatcherJson {
  return { exact: `spiffe://${trustDomain}` };
}

function namesOf(rules: readonly AccessRule[], trustDomain: string): readonly string[] {
  return rules
    .flatMap(({ from = [] }) => from)
    .filter((caller): caller is Named => caller.kind !== 'anyone')
    .flatMap((caller) => {
      const condition = isCaller(caller, trustDomain);
      return typeof condition === 'boolean' ? [] : (condition.authenticated?.principalName?.exact ?? []);
    });
}
