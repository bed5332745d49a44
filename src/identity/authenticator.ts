// Asks who a caller is: what came is counted, looked at by the verifier that knows its kind, and held against the list of
// revocations. It must not know how any kind of credential is made. Invariants: fail closed, on a bug too; nothing that came
// in the clear is ever looked at; a credential that is there and does not hold is never passed over for another; no secret is
// in a log line.
import type { Caller, Credentials, Principal } from '../model/principal.ts';
import { revocableNames } from '../model/revocable.ts';
import type { Clock } from '../util/clock.ts';
import { AppError } from '../util/errors.ts';
import type { Logger } from '../util/log.ts';
import { limitLog } from '../util/log-budget.ts';
import type { Metrics } from '../util/metrics.ts';
import type { Authenticator, Verifier } from './contract.ts';
import { createFailureLimit, type FailureLimitOptions } from './failure-limit.ts';
import { type Cause, isPrincipal, refuse } from './refusals.ts';
import type { Revocations } from './revocations.ts';

export interface AuthenticatorDeps {
  /** In the order in which they are asked. One that reads certificates is asked where no other credential came. */
  readonly verifiers: readonly Verifier[];
  readonly revocations: Pick<Revocations, 'isRevoked' | 'onRevoked'>;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Metrics;
}

export function createAuthenticator(deps: AuthenticatorDeps, limits: FailureLimitOptions = {}): Authenticator {
  const { revocations, clock, log } = deps;
  const certificates = deps.verifiers.find(({ kind }) => kind === 'certificate');
  const tokens = deps.verifiers.filter((verifier) => verifier !== certificates);
  /** Those that ask nobody, and cost less than a handshake, or that have let this very credential in before. */
  const quick = (credentials: Credentials): readonly Verifier[] =>
    tokens.filter((one) => one.kind !== 'consul' || one.remembers?.(credentials) === true);
  const failures = createFailureLimit(clock, limits);
  const audit = limitLog(log, clock, { burst: 200, perSecond: 50 });
  const decisions = deps.metrics.counter(
    'authentications_total',
    'Callers that were asked who they are, by kind of credential and by what came of it',
    ['credential', 'outcome'],
  );
  let burntToldOf = false;

  async function ask(verifiers: readonly Verifier[], credentials: Credentials): Promise<Caller | undefined> {
    for (const verifier of verifiers) {
      const caller = await verifier.verify(credentials);
      if (caller !== undefined) return caller;
    }
    return undefined;
  }

  async function decide(credentials: Credentials, asked: readonly Verifier[]): Promise<Caller> {
    const { tls, certificate, authorization, consulToken } = credentials;
    const secrets = authorization.length + consulToken.length;
    if (!tls) {
      if (secrets === 0) return refuse('missing');
      if (!burntToldOf)
        log.error('a credential was sent without TLS and is refused: whoever listened has it, so revoke it', {
          address: credentials.address,
        });
      burntToldOf = true;
      return refuse('plaintext');
    }
    if (secrets > 1) return refuse('ambiguous');
    const shown = certificates === undefined ? undefined : await certificates.verify(credentials);
    if (secrets === 0) return shown ?? refuse(certificate === undefined ? 'missing' : 'malformed');
    const caller = (await ask(asked, credentials)) ?? refuse('malformed');
    // A certificate of another authority may be asked of everybody who connects; one that names a node names this one.
    if (isPrincipal(caller) && shown !== undefined && isPrincipal(shown)) return both(caller, shown);
    return caller;
  }

  /** Token and certificate say who it is: both must hold, and say the same. */
  function both(caller: Principal, shown: Principal): Caller {
    const revoked = isRevoked(caller) ?? isRevoked(shown);
    if (revoked !== undefined) return refuse(revoked);
    if (caller.id !== shown.id) return refuse('ambiguous');
    const { kind: _, ...beside } = shown.credential;
    return { ...caller, credential: { ...caller.credential, beside } };
  }

  function isRevoked(principal: Principal): Cause | undefined {
    for (const { kind, id } of revocableNames(principal)) {
      const revoked = revocations.isRevoked(kind, id, principal.sinceMs ?? principal.issuedAtMs);
      if (revoked === undefined) return 'unavailable';
      if (revoked) return 'revoked';
    }
    return undefined;
  }

  async function judge(credentials: Credentials, asked: readonly Verifier[]): Promise<Caller> {
    try {
      const caller = await decide(credentials, asked);
      if (!isPrincipal(caller)) return caller;
      const revoked = isRevoked(caller);
      if (revoked !== undefined) return refuse(revoked);
      return caller.notAfterMs > clock.wall() ? caller : refuse('expired');
    } catch (error) {
      // Of other errors only the name: their words may hold what was looked at.
      const said = error instanceof AppError ? error.message : error instanceof Error ? error.name : typeof error;
      log.error('a caller could not be authenticated', { error: said, address: credentials.address });
      return refuse('unavailable');
    }
  }

  /**
   * An address may be that of many, behind one that translates: what fails there must not shut out whoever has a credential
   * that is looked at here and now.
   */
  async function limited(credentials: Credentials): Promise<Caller> {
    if (!failures.blocked(credentials.address)) return judge(credentials, tokens);
    const caller = await judge(credentials, quick(credentials));
    return isPrincipal(caller) ? caller : refuse('rate-limited');
  }

  return {
    async authenticate(credentials) {
      const caller = await limited(credentials);
      const { address } = credentials;
      if (isPrincipal(caller)) {
        const { kind, id } = caller.credential;
        decisions.add({ credential: kind, outcome: 'accepted' });
        // Polls are many: who opened a stream stands in the audit log.
        log.debug('a caller is authenticated', { id: caller.id, credential: kind, credentialId: id, address });
        return caller;
      }
      const credential = shownKind(credentials);
      decisions.add({ credential, outcome: caller.cause });
      audit.warn('a caller is refused', { cause: caller.cause, credential, address });
      if (caller.cause !== 'unavailable' && caller.cause !== 'rate-limited') failures.failed(address);
      return caller;
    },
    onRevoked(listener) {
      const stops = [revocations, ...deps.verifiers].map((source) => source.onRevoked?.(listener));
      return () => {
        for (const stop of stops) stop?.();
      };
    },
  };
}

/** What came, for counters: not which verifier it would belong to. */
function shownKind({ authorization, consulToken, certificate }: Credentials): string {
  if (authorization.length > 0) return 'authorization';
  if (consulToken.length > 0) return 'consul';
  return certificate === undefined ? 'none' : 'certificate';
}
