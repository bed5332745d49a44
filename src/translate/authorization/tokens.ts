// What tokens of requests say, as conditions, and whose are verified. It must not know callers.
// Invariants: only what was verified is asked, so that a token that is missing or bad meets no allow rule; it meets every deny
// rule that asks of tokens, because who is to be kept out would otherwise leave the token away. An issuer of which two things
// are said is not believed at all.
import type { PrincipalJson } from '../../gen/envoy/config/rbac/v3/rbac_pb.js';
import type { JwtProviderJson } from '../../gen/envoy/extensions/filters/http/jwt_authn/v3/config_pb.js';
import type { ValueMatcherJson } from '../../gen/envoy/type/matcher/v3/value_pb.js';
import type { Authorization, TokenDemand } from '../../model/authorization.ts';
import { believedIssuers, unbelievedHeaders } from '../../model/authorization-tokens.ts';
import { jwtAuthnName, sanitizing, type TokenProviders } from '../filters/jwt-authn.ts';
import { all, type Condition, not, some } from './condition.ts';
import type { Effect } from './operations.ts';

/** `value` at the path in the claims of a verified token of the issuer. */
function claim(issuer: string, path: readonly string[], value: ValueMatcherJson): PrincipalJson {
  return { metadata: { filter: jwtAuthnName, path: [issuer, ...path].map((key) => ({ key })), value } };
}

/** The claim is that text, or a list with it. */
function holds(issuer: string, { path, exact }: TokenDemand['claims'][number]): Condition {
  const text: ValueMatcherJson = { stringMatch: { exact } };
  return claim(issuer, path, { orMatch: { valueMatchers: [text, { listMatch: { oneOf: text } }] } });
}

export function hasToken({ issuer, claims }: TokenDemand, effect: Effect, believed: ReadonlySet<string>): Condition {
  if (!believed.has(issuer)) return effect === 'deny';
  const verified = claim(issuer, ['iss'], { stringMatch: { exact: issuer } });
  const said = all(...claims.map((one) => holds(issuer, one)));
  return effect === 'allow' ? all(verified, said) : some(not(verified), said);
}

/** Undefined: no rule of the service asks of tokens. */
export function tokenProviders(authorizations: readonly Authorization[]): TokenProviders | undefined {
  const issuers = believedIssuers(authorizations);
  const unbelieved = unbelievedHeaders(authorizations);
  if (issuers.size + unbelieved.size === 0) return undefined;
  const providers: Record<string, JwtProviderJson> = { ...sanitizing(unbelieved) };
  for (const [issuer, { audiences, keys, payloadHeader, enforced }] of issuers)
    providers[issuer] = {
      issuer,
      audiences: [...audiences],
      localJwks: { inlineString: keys },
      requireExpiration: true,
      // Here alone: a token in a query would stand in logs.
      fromHeaders: [{ name: 'Authorization', valuePrefix: 'Bearer ' }],
      // Taken off with everything of its header, so that the application reads no other token than the one that counted.
      // What is in shadow changes nothing of a request.
      forward: !enforced,
      payloadInMetadata: issuer,
      normalizePayloadInMetadata: { spaceDelimitedClaims: ['scope'] },
      ...(payloadHeader === undefined || !enforced ? {} : { forwardPayloadHeader: payloadHeader }),
    };
  return providers;
}
