// Joining and renewing as bodies in and answers out, for whichever port they are mounted on. It must not know sockets.
// Invariants: what a caller is refused for is told in one of few texts, with nothing of what it sent in them; strangers who
// guess are slowed down, and never keep out a node with a token that holds, whatever address they share.
import { createFailureLimit, type FailureLimitOptions } from '../identity/failure-limit.ts';
import { isPrincipal } from '../identity/refusals.ts';
import type { Caller, Credentials, Unknown } from '../model/principal.ts';
import type { Clock } from '../util/clock.ts';
import { type ErrorCodeName, errorCodes } from '../util/error-codes.ts';
import { errorText } from '../util/errors.ts';
import type { Logger } from '../util/log.ts';
import { limitLog } from '../util/log-budget.ts';
import { type Enrolled, type Enrolment, readPublicKey } from './enrolment.ts';

/** Where nodes find them, on the xDS port and on the API's. */
export const enrolmentPaths = {
  join: '/api/v1/trust/join',
  renew: '/api/v1/trust/renew',
  roots: '/api/v1/trust/roots',
} as const;

/** Bytes of a body that is read. */
export const maxEnrolmentBody = 16_384;

export interface DoorAnswer {
  readonly status: number;
  readonly contentType: string;
  /** JSON text. */
  readonly body: string;
}

export interface EnrolmentDoors {
  /** `{"token": "cj1...", "publicKey"?: base64 of SPKI DER}`. `address`: of the caller, without its port. */
  join(body: string, address: string): Promise<DoorAnswer>;
  /** `{"publicKey"?}`, by whom the credentials say: the current one of the node. An empty body asks for a token. */
  renew(body: string, credentials: Credentials): Promise<DoorAnswer>;
  /** `{"roots": PEM}`: public, and pinned by the join token. */
  roots(): DoorAnswer;
}

export interface EnrolmentDoorsDeps {
  readonly enrolment: Enrolment;
  readonly authenticate: (credentials: Credentials) => Promise<Caller> | Caller;
  readonly clock: Clock;
  readonly log: Logger;
}

/** The answer as nodes read it. */
export type EnrolledJson = Enrolled;

export function createEnrolmentDoors(deps: EnrolmentDoorsDeps, limits: FailureLimitOptions = {}): EnrolmentDoors {
  const { enrolment, authenticate } = deps;
  const log = deps.log.child('enrolment');
  const audit = limitLog(deps.log.child('audit'), deps.clock, { burst: 100, perSecond: 5 });
  const failures = createFailureLimit(deps.clock, { burst: 20, perSecond: 0.5, ...limits });

  async function guarded(
    address: string,
    code: 'CH1851' | 'CH1855',
    enrol: () => Promise<Enrolled | Unknown | DoorAnswer>,
  ): Promise<DoorAnswer> {
    let outcome: Enrolled | Unknown | DoorAnswer;
    try {
      outcome = await enrol();
    } catch (error) {
      log.error('a node could not be given a credential', { address, error: errorText(error) });
      return problem(503, 'CH1706', 'no credential can be issued now');
    }
    if ('status' in outcome) {
      failures.failed(address);
      return outcome;
    }
    if (!('refused' in outcome)) return answer(200, outcome);
    if (outcome.refused === 'unavailable') return problem(503, 'CH1706', 'no credential can be issued now');
    failures.failed(address);
    audit.warn('a node was refused a credential', { address, cause: outcome.cause });
    return problem(outcome.refused === 'permission-denied' ? 403 : 401, code, errorCodes[code].title.toLowerCase());
  }

  const slowed = (address: string): DoorAnswer | undefined =>
    failures.blocked(address) ? problem(429, 'CH1858', 'too many failed attempts from this address') : undefined;

  return {
    join: (body, address) =>
      guarded(address, 'CH1851', async () => {
        const request = readRequest(body);
        if (request === undefined || request.token === undefined) return slowed(address) ?? unreadable();
        const { token, publicKey } = request;
        // From an address that guesses, the store is asked about nothing that the list does not have.
        if (failures.blocked(address) && !(await enrolment.mayJoin(token))) return slowed(address) ?? unreadable();
        return enrolment.join({ token, address, ...(publicKey === undefined ? {} : { publicKey }) });
      }),
    renew: (body, credentials) =>
      guarded(credentials.address, 'CH1855', async () => {
        // Who it is comes first: nothing that a stranger sent is read.
        const caller = await authenticate(credentials);
        if (!isPrincipal(caller)) return caller;
        const request = body === '' ? {} : readRequest(body);
        if (request === undefined) return unreadable();
        const { publicKey } = request;
        const { address } = credentials;
        return enrolment.renew(caller, { address, ...(publicKey === undefined ? {} : { publicKey }) });
      }),
    roots() {
      try {
        return answer(200, { roots: enrolment.roots() });
      } catch {
        return problem(503, 'CH1706', 'the authority is not open yet');
      }
    },
  };
}

const unreadable = (): DoorAnswer =>
  problem(
    400,
    'CH1704',
    'the body is to be a JSON object with "token" as text, and "publicKey" as base64 of a P-256 key',
  );

function readRequest(body: string): { readonly token?: string; readonly publicKey?: Uint8Array } | undefined {
  if (body.length > maxEnrolmentBody) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(body);
  } catch {
    return undefined;
  }
  if (value === null || typeof value !== 'object' || Array.isArray(value)) return undefined;
  const { token, publicKey, ...rest } = value as Readonly<Record<string, unknown>>;
  if (Object.keys(rest).length > 0 || (token !== undefined && typeof token !== 'string')) return undefined;
  if (publicKey === undefined) return token === undefined ? {} : { token };
  const key = typeof publicKey === 'string' ? readPublicKey(publicKey) : undefined;
  if (key === undefined) return undefined;
  return { publicKey: key, ...(token === undefined ? {} : { token }) };
}

function answer(status: number, body: object): DoorAnswer {
  return { status, contentType: 'application/json; charset=utf-8', body: JSON.stringify(body) };
}

/** RFC 9457, as everywhere else. */
function problem(status: number, code: ErrorCodeName, detail: string): DoorAnswer {
  const { title, hint } = errorCodes[code];
  const document = { type: `errors#${code}`, title, status, detail, code, hint };
  return { ...answer(status, document), contentType: 'application/problem+json' };
}
