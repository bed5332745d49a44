// Who shows a token of another issuer (OIDC, Kubernetes): its signature is checked with the issuer's keys, its subject says
// by the user's rules what it may be. It must not know where keys come from.
// Invariants: issuer, audience and algorithms are pinned, and no algorithm shares its secret; a key is named by its id or
// there is none; without keys that can be used now every such token is refused, whatever was known before.
import { createHash } from 'node:crypto';
import { jwtVerify } from 'jose';
import type { Caller } from '../model/principal.ts';
import type { Clock } from '../util/clock.ts';
import { AppError } from '../util/errors.ts';
import type { Logger } from '../util/log.ts';
import { bearerToken, unverified } from './bearer.ts';
import type { Verifier } from './contract.ts';
import { firstIdentity, holdingsOf } from './holdings.ts';
import { createJwksFile } from './jwks-file.ts';
import { jwtFailure, UnknownKey } from './jwt-failure.ts';
import { refuse } from './refusals.ts';
import { createSubjectMap, type SubjectRule } from './subject-template.ts';

export interface OidcDeps {
  readonly clock: Clock;
  readonly log: Logger;
}

export interface OidcOptions {
  readonly trustDomain: string;
  /** The `iss` of its tokens, exactly. Never fetched. */
  readonly issuer: string;
  /** What `aud` must be or hold. */
  readonly audience: string;
  /** Path of its JWKS. */
  readonly jwksFile: string;
  /** Default RS256 and ES256. */
  readonly algorithms?: readonly string[];
  /** The first whose subject fits. */
  readonly rules: readonly SubjectRule[];
}

const asymmetric = new Set(['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA']);
/** 9999-12-31, in seconds. */
const lastSecond = 253_402_300_799;

/** Throws CH1837 where rules or algorithms cannot be used. */
export function createOidcVerifier({ clock, log }: OidcDeps, options: OidcOptions): Verifier {
  const { trustDomain, issuer, audience, algorithms = ['RS256', 'ES256'] } = options;
  for (const algorithm of algorithms)
    if (!asymmetric.has(algorithm))
      throw new AppError('CH1837', `tokens of ${issuer} cannot be signed with ${JSON.stringify(algorithm)}`);
  const namesOf = createSubjectMap(options.rules);
  const file = createJwksFile({ clock, log }, options.jwksFile);

  async function check(token: string): Promise<Caller> {
    try {
      const keys = await file.keys();
      const { payload } = await jwtVerify(
        token,
        async (header, input) => {
          if (typeof header.kid !== 'string') throw new UnknownKey();
          return await keys(header, input);
        },
        {
          algorithms: [...algorithms],
          issuer,
          audience,
          requiredClaims: ['sub', 'exp', 'iat'],
          currentDate: new Date(clock.wall()),
        },
      );
      const { sub, exp, jti } = payload;
      if (typeof sub !== 'string' || exp === undefined || !(exp <= lastSecond)) return refuse('malformed');
      const names = namesOf(sub);
      const holdings = names === undefined ? undefined : holdingsOf(trustDomain, names);
      const id = holdings === undefined ? undefined : firstIdentity(trustDomain, holdings);
      if (holdings === undefined || id === undefined) return refuse('not-entitled');
      const credential = { kind: 'oidc', id: credentialId(issuer, jti ?? token) } as const;
      return { id, ...holdings, notAfterMs: exp * 1000, credential };
    } catch (error) {
      return refuse(jwtFailure(error));
    }
  }

  return {
    kind: 'oidc',
    verify(credentials) {
      const token = bearerToken(credentials);
      // Whose it claims to be; whether it is, its signature says.
      if (token === undefined || unverified(token, 'payload', 'iss') !== issuer) return undefined;
      return check(token);
    },
  };
}

/** Of a form that the list of revocations takes, whatever an issuer writes as `jti`. */
function credentialId(issuer: string, token: string): string {
  return createHash('sha256').update(`${issuer}\0${token}`).digest('hex').slice(0, 32);
}
