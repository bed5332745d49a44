// Node tokens: JWTs that the control plane signs with ES256 and later takes as a credential.
// It must not know where keys are kept, nor which tokens were revoked. Invariant: algorithm, type, audience and trust domain
// are pinned.
import { randomBytes } from 'node:crypto';
import { jwtVerify, SignJWT } from 'jose';
import type { Principal } from '../model/principal.ts';
import type { Clock } from '../util/clock.ts';
import { AppError } from '../util/errors.ts';
import { bearerToken, maxTokenLength, unverified } from './bearer.ts';
import type { Verifier } from './contract.ts';
import { jwtFailure, UnknownKey } from './jwt-failure.ts';
import { audienceOf, type NodeClaims, nodeTokenType, readClaims, requiredClaims } from './node-claims.ts';
import { type Cause, refuse } from './refusals.ts';
import type { SigningKeys } from './signing-keys.ts';

export interface NodeTokenDeps {
  readonly keys: Pick<SigningKeys, 'signer' | 'publicKey'>;
  readonly clock: Clock;
}

export interface NodeTokenOptions {
  readonly trustDomain: string;
  /** Default 30 days. */
  readonly lifeMs?: number;
  /** `nbf` lies so far back, for replicas whose clocks differ. Default 15 minutes. */
  readonly backdateMs?: number;
}

export interface NodeTokenRequest {
  /** The node's own SPIFFE id: of one of its services or gateways. */
  readonly id: string;
  readonly services: readonly string[];
  readonly gateways: readonly string[];
  readonly nodeId?: string;
  /** What is revoked together with it: at most 40 hex digits. */
  readonly family?: string;
  /** When that began; undefined: now. */
  readonly sinceMs?: number;
  readonly lifeMs?: number;
}

export interface NodeToken {
  /** A secret. */
  readonly text: string;
  /** What revokes it. */
  readonly credentialId: string;
  readonly notAfterMs: number;
}

export interface NodeTokens extends Verifier {
  /** Rejects with CH1832 where the claims would be refused when the token comes back. */
  issue(request: NodeTokenRequest): Promise<NodeToken>;
}

const dayMs = 86_400_000;
const lives = { least: 1000, most: 366 * dayMs };

export function createNodeTokens({ keys, clock }: NodeTokenDeps, options: NodeTokenOptions): NodeTokens {
  const { trustDomain, backdateMs = 900_000 } = options;
  const audience = audienceOf(trustDomain);

  async function check(token: string): Promise<NodeClaims | Cause> {
    try {
      const { payload } = await jwtVerify(
        token,
        ({ kid }) => {
          const key = typeof kid === 'string' ? keys.publicKey(kid) : undefined;
          if (key === undefined) throw new UnknownKey();
          return key;
        },
        {
          algorithms: ['ES256'],
          typ: nodeTokenType,
          audience,
          requiredClaims,
          currentDate: new Date(clock.wall()),
        },
      );
      return readClaims(payload, trustDomain);
    } catch (error) {
      return jwtFailure(error);
    }
  }

  return {
    kind: 'token',
    async issue(request) {
      const now = clock.wall();
      const lifeMs = request.lifeMs ?? options.lifeMs ?? 30 * dayMs;
      const { kid, privateKey } = keys.signer();
      const payload = {
        sub: request.id,
        aud: audience,
        jti: randomBytes(16).toString('hex'),
        iat: Math.floor(now / 1000),
        nbf: Math.floor((now - backdateMs) / 1000),
        exp: Math.floor((now + lifeMs) / 1000),
        services: [...request.services],
        gateways: [...request.gateways],
        ...(request.nodeId === undefined ? {} : { node: request.nodeId }),
        ...(request.family === undefined ? {} : { fam: request.family }),
        ...(request.sinceMs === undefined ? {} : { since: Math.floor(request.sinceMs / 1000) }),
      };
      const claims = readClaims(payload, trustDomain);
      if (typeof claims === 'string')
        throw new AppError('CH1832', `no token can be issued for ${JSON.stringify(request.id)}: ${claims}`);
      if (!(lifeMs >= lives.least && lifeMs <= lives.most))
        throw new AppError('CH1832', `a node token cannot live for ${lifeMs} ms: 1 s to 366 days`);
      const header = { alg: 'ES256', kid, typ: nodeTokenType };
      const text = await new SignJWT(payload).setProtectedHeader(header).sign(privateKey);
      if (text.length > maxTokenLength)
        throw new AppError('CH1832', `the names of ${JSON.stringify(request.id)} are too long for one token`);
      return { text, credentialId: payload.jti, notAfterMs: claims.notAfterMs };
    },
    verify(credentials) {
      const token = bearerToken(credentials);
      // Of other types are those of other issuers; a JWT of no issuer that is known is nobody's, and refused as malformed.
      if (token === undefined || unverified(token, 'header', 'typ') !== nodeTokenType) return undefined;
      return check(token).then((claims) => (typeof claims === 'string' ? refuse(claims) : principalOf(claims)));
    },
  };
}

function principalOf(claims: NodeClaims): Principal {
  return {
    id: claims.id,
    services: claims.services,
    gateways: claims.gateways,
    ...(claims.nodeId === undefined ? {} : { nodeId: claims.nodeId }),
    issuedAtMs: claims.issuedAtMs,
    ...(claims.sinceMs === undefined ? {} : { sinceMs: claims.sinceMs }),
    notAfterMs: claims.notAfterMs,
    credential: {
      ...{ kind: 'token', id: claims.tokenId },
      ...(claims.family === undefined ? {} : { family: claims.family }),
    },
  };
}
