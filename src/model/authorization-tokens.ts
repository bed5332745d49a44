// Whose tokens count for a service, over all of its Authorizations. Pure.
// Invariant: of an issuer one thing is said; where two Authorizations say two, none of its tokens is believed.
import type { Authorization, TokenIssuer } from './authorization.ts';

export interface BelievedIssuer extends TokenIssuer {
  /** An Authorization that is enforced declares it. */
  readonly enforced: boolean;
}

/** In the order of the Authorizations. */
export function believedIssuers(authorizations: readonly Authorization[]): ReadonlyMap<string, BelievedIssuer> {
  const found = new Map<string, BelievedIssuer>();
  const disputed = disputedIssuers(authorizations);
  for (const { issuers = [], mode } of authorizations)
    for (const one of issuers) {
      const enforced = mode === 'enforce' || found.get(one.issuer)?.enforced === true;
      if (!disputed.has(one.issuer)) found.set(one.issuer, { ...one, enforced });
    }
  return found;
}

/** Headers that applications read what a token says from, though no token of their issuers is believed. */
export function unbelievedHeaders(authorizations: readonly Authorization[]): ReadonlySet<string> {
  const disputed = disputedIssuers(authorizations);
  const headers = new Set<string>();
  for (const { issuers = [], mode } of authorizations)
    for (const { issuer, payloadHeader } of issuers)
      if (mode === 'enforce' && disputed.has(issuer) && payloadHeader !== undefined) headers.add(payloadHeader);
  return headers;
}

/** Issuers that are declared in two ways. */
export function disputedIssuers(authorizations: readonly Authorization[]): ReadonlySet<string> {
  const said = new Map<string, string>();
  const disputed = new Set<string>();
  for (const { issuers = [] } of authorizations)
    for (const { issuer, audiences, keys, payloadHeader } of issuers) {
      const text = JSON.stringify([audiences, keys, payloadHeader]);
      const before = said.get(issuer);
      if (before !== undefined && before !== text) disputed.add(issuer);
      said.set(issuer, text);
    }
  return disputed;
}
