// How a node comes by a credential, and by the next one: a join token or the current credential in, a new credential out.
// It must not know HTTP, nor how tokens are kept. Invariants: nothing is granted but what the join token or the current
// credential grants; a join token is asked for last, so that none is used up by a request that cannot be served; no secret
// is in a log line.
import { createPublicKey } from 'node:crypto';
import type { Authority } from '../ca/contract.ts';
import { certificateMark } from '../identity/certificate-mark.ts';
import type { Families } from '../identity/families.ts';
import { firstIdentity } from '../identity/holdings.ts';
import type { JoinTokens } from '../identity/join-token.ts';
import type { NodeTokens } from '../identity/node-token.ts';
import { refuse } from '../identity/refusals.ts';
import type { Principal, Unknown } from '../model/principal.ts';
import { spiffeId } from '../model/spiffe.ts';
import type { Clock } from '../util/clock.ts';
import { errorText } from '../util/errors.ts';
import type { Logger } from '../util/log.ts';
import { pemText } from '../util/pem.ts';

export interface EnrolmentDeps {
  readonly joinTokens: Pick<JoinTokens, 'redeem' | 'isListed'>;
  readonly nodeTokens: Pick<NodeTokens, 'issue'>;
  readonly families: Pick<Families, 'remember'>;
  readonly authority: Pick<Authority, 'roots' | 'certify'>;
  readonly clock: Clock;
  /** Told who got what, from where. */
  readonly log: Logger;
}

export interface EnrolmentOptions {
  readonly trustDomain: string;
  /** Of tokens and of client certificates, which do not outlive the authority that signs them. */
  readonly lifeMs: number;
}

export interface EnrolmentRequest {
  /** SPKI DER of a P-256 key: the credential is to be a certificate of it, where one can say what is granted. */
  readonly publicKey?: Uint8Array;
  /** For the audit log. */
  readonly address: string;
}

export interface Enrolled {
  readonly credential:
    | { readonly kind: 'token'; readonly token: string }
    /** PEM: the leaf first, never a root. */
    | { readonly kind: 'certificate'; readonly chain: string };
  /** PEM of the authorities of this mesh. */
  readonly roots: string;
  /** The name that the control plane's certificate has. */
  readonly controlPlane: string;
  /** What it may be. */
  readonly principal: Pick<Principal, 'id' | 'services' | 'gateways' | 'nodeId'>;
  readonly issuedAtMs: number;
  readonly notAfterMs: number;
}

export interface Enrolment {
  /** Redeems the token. Rejects where the authority cannot be asked; the token may be used up then. */
  join(request: EnrolmentRequest & { readonly token: string }): Promise<Enrolled | Unknown>;
  /** Whether the token may be good, without asking the store each time. Rejects as the store does. */
  mayJoin(token: string): Promise<boolean>;
  /** Another credential of the same rights, for whom `caller` was found to be. */
  renew(caller: Principal, request: EnrolmentRequest): Promise<Enrolled | Unknown>;
  /** PEM of the authorities. Throws before the authority is open. */
  roots(): string;
}

type Rights = Enrolled['principal'];

interface Family {
  readonly family: string;
  /** When it began, wall-clock milliseconds; undefined: now. */
  readonly sinceMs?: number;
}

export function createEnrolment(deps: EnrolmentDeps, options: EnrolmentOptions): Enrolment {
  const { joinTokens, nodeTokens, families, authority, clock } = deps;
  const { trustDomain, lifeMs } = options;
  const log = deps.log.child('enrolment');
  const audit = deps.log.child('audit');
  const controlPlane = spiffeId({ kind: 'control-plane', trustDomain }) ?? '';
  const roots = (): string =>
    pemText(
      'CERTIFICATE',
      authority.roots().roots.map(({ certificate }) => certificate),
    );

  async function credentialOf(rights: Rights, publicKey: Uint8Array | undefined, { family, sinceMs }: Family) {
    // A certificate says one name and no node: for anything else it would grant more, or less.
    if (
      publicKey !== undefined &&
      rights.nodeId === undefined &&
      rights.services.length + rights.gateways.length === 1
    ) {
      const mark = certificateMark({ family, sinceMs: sinceMs ?? clock.wall() });
      const leaf = await authority.certify({ spiffeId: rights.id, publicKey, lifeMs, mark });
      const credential = { kind: 'certificate', chain: pemText('CERTIFICATE', leaf.chain) } as const;
      return { credential, id: leaf.serial, notAfterMs: leaf.notAfterMs };
    }
    const { id, services, gateways, nodeId } = rights;
    const bound = nodeId === undefined ? {} : { nodeId };
    const began = sinceMs === undefined ? {} : { sinceMs };
    const token = await nodeTokens.issue({ id, services, gateways, ...bound, lifeMs, family, ...began });
    const credential = { kind: 'token', token: token.text } as const;
    return { credential, id: token.credentialId, notAfterMs: token.notAfterMs };
  }

  async function enrol(
    rights: Rights,
    request: EnrolmentRequest,
    because: Readonly<Record<string, string | number>> & Family,
  ) {
    const trusted = roots();
    const issuedAtMs = clock.wall();
    const { family } = because;
    const { credential, id, notAfterMs } = await credentialOf(rights, request.publicKey, because);
    // Before it leaves: who is told its id can have all of the family revoked.
    await families.remember(credential.kind, { id, family, notAfterMs });
    audit.info('a node got a credential', {
      ...{ principal: rights.id, credential: credential.kind, credentialId: id, notAfterMs },
      ...{ address: request.address, ...because },
    });
    return { credential, roots: trusted, controlPlane, principal: rights, issuedAtMs, notAfterMs };
  }

  return {
    roots,
    mayJoin: joinTokens.isListed,
    async join({ token, ...request }) {
      // Whether the authority is there is known before the token is used up.
      try {
        roots();
      } catch (error) {
        log.warn('nobody can join: the authority is not there', { error: errorText(error) });
        return refuse('unavailable');
      }
      const grant = await joinTokens.redeem(token);
      if ('refused' in grant) return grant;
      const { services, gateways, nodeId } = grant;
      const id = firstIdentity(trustDomain, grant);
      if (id === undefined) return refuse('not-entitled');
      const bound = nodeId === undefined ? {} : { nodeId };
      return enrol({ id, services, gateways, ...bound }, request, { joinToken: grant.id, family: grant.id });
    },
    async renew(caller, request) {
      const { id, services, gateways, nodeId, credential } = caller;
      // Those of others are renewed by others: ours would outlive what they say.
      if (credential.kind !== 'token' && credential.kind !== 'certificate') return refuse('not-entitled');
      const bound = nodeId === undefined ? {} : { nodeId };
      // Another replica may know of a revocation already: what is renewed here is as old to it as what it came from.
      const began = caller.sinceMs ?? caller.issuedAtMs;
      return enrol({ id, services, gateways, ...bound }, request, {
        renewed: credential.id,
        family: credential.family ?? credential.id,
        ...(began === undefined ? {} : { sinceMs: began }),
      });
    },
  };
}

/** DER of a public key that a certificate may be for: ECDSA on P-256. Undefined for anything else. */
export function readPublicKey(base64: string): Uint8Array | undefined {
  if (base64.length > 512 || !/^[A-Za-z0-9+/]+={0,2}$/.test(base64)) return undefined;
  const der = Buffer.from(base64, 'base64');
  try {
    const key = createPublicKey({ key: der, format: 'der', type: 'spki' });
    if (key.asymmetricKeyType !== 'ec' || key.asymmetricKeyDetails?.namedCurve !== 'prime256v1') return undefined;
    // As it stands in a certificate, with nothing behind it.
    const written = key.export({ format: 'der', type: 'spki' });
    return written.equals(der) ? written : undefined;
  } catch {
    return undefined;
  }
}
