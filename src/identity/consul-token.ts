// Who shows an ACL token of Consul: Consul says whose it is and which services it may write. Such a token has no signature, so
// it is asked about: again after at most a minute, and also while streams of it are open.
// It must not know HTTP. Invariants: nothing is granted that Consul did not allow by name; the anonymous token is nobody; while
// Consul cannot be asked nobody new is let in, and nobody is put out.
import { createHash } from 'node:crypto';
import type { Caller, Principal } from '../model/principal.ts';
import type { Clock } from '../util/clock.ts';
import { errorText } from '../util/errors.ts';
import type { Logger } from '../util/log.ts';
import type { AskConsul } from './consul-ask.ts';
import { candidateServices } from './consul-rules.ts';
import type { RevocationSource, RevokedListener, Verifier } from './contract.ts';
import { firstIdentity, holdingsOf } from './holdings.ts';
import { isPrincipal, refuse } from './refusals.ts';
import { decodeRecord, type StoredRecord } from './stored-json.ts';

export interface ConsulTokenDeps {
  readonly ask: AskConsul;
  readonly clock: Clock;
  readonly log: Logger;
}

export interface ConsulTokenOptions {
  readonly trustDomain: string;
  /** How long an answer holds. At most, and by default, 60 s. */
  readonly cacheMs?: number;
  /** Streams end after it at the latest, and ask again. Default 1 h. */
  readonly lifeMs?: number;
  /** How often the tokens of open streams are asked about. Default 30 s. */
  readonly recheckMs?: number;
  /** Tokens known at once. Default 10,000; the streams of the oldest are closed for one more. */
  readonly tokens?: number;
}

export interface ConsulTokens extends Verifier, RevocationSource {
  /** Asks about the tokens in use until aborted. */
  run(signal: AbortSignal): Promise<void>;
}

/** Kept while a stream of it may be open. The token itself is in memory only: without it nobody can ask about it again. */
interface InUse {
  readonly token: string;
  /** Ends when the token does. */
  readonly principal: Principal;
  readonly askedAtMs: number;
  /** Wall clock: the latest end that a stream of it was given. */
  readonly givenUntilMs: number;
}

const form = /^[\x21-\x7e]{1,256}$/;
/** A token in everyone's hands, by the name `anonymous` or by none. */
const anonymous = '00000000-0000-0000-0000-000000000002';
const accessorForm = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const askedAtOnce = 8;

export function createConsulTokens(deps: ConsulTokenDeps, options: ConsulTokenOptions): ConsulTokens {
  const { ask, clock, log } = deps;
  const { trustDomain, lifeMs = 3_600_000, recheckMs = 30_000, tokens: most = 10_000 } = options;
  const cacheMs = Math.min(options.cacheMs ?? 60_000, 60_000);
  const listeners = new Set<RevokedListener>();
  /** By hash of the token, the longest known first. */
  const inUse = new Map<string, InUse>();
  const asking = new Map<string, Promise<Caller>>();

  function close(principals: readonly Principal[]): void {
    if (principals.length === 0) return;
    const ids = new Set(principals.map(({ credential }) => credential.id));
    for (const listener of listeners) listener(ids);
  }

  async function look(token: string): Promise<Caller> {
    const self = await ask({ method: 'GET', path: '/v1/acl/token/self?expanded=true', token });
    // 403 and 404: there is no such token, or it has ended. 401: Consul has no ACLs, so its tokens say nothing.
    if (self.status === 403 || self.status === 404) return refuse('unknown-key');
    const said = self.status === 200 ? decodeRecord(Buffer.from(self.text)) : undefined;
    if (said === undefined) return refuse('unavailable');
    const accessor = said['AccessorID'];
    if (typeof accessor !== 'string' || !accessorForm.test(accessor)) return refuse('unavailable');
    if (accessor === anonymous) return refuse('not-entitled');
    const notAfterMs = endOf(said);
    if (notAfterMs === undefined) return refuse('unavailable');
    if (notAfterMs <= clock.wall()) return refuse('expired');
    const named = candidateServices(said).filter((name) => usable(name, trustDomain));
    if (named.length === 0) return refuse('not-entitled');
    const allowed = await ask({
      method: 'POST',
      path: '/v1/internal/acl/authorize',
      token,
      body: named.map((name) => ({ Resource: 'service', Segment: name, Access: 'write' })),
    });
    if (allowed.status === 403) return refuse('unknown-key');
    const services = allowed.status === 200 ? allowedNames(allowed.text, named) : undefined;
    if (services === undefined) return refuse('unavailable');
    const holdings = holdingsOf(trustDomain, { services, gateways: [] });
    const id = holdings === undefined ? undefined : firstIdentity(trustDomain, holdings);
    if (holdings === undefined || id === undefined) return refuse('not-entitled');
    return { id, ...holdings, notAfterMs, credential: { kind: 'consul', id: accessor } };
  }

  /** Never rejects. Many at once with one token are one question. */
  function asked(token: string, hash: string): Promise<Caller> {
    const under = asking.get(hash);
    if (under !== undefined) return under;
    const question = look(token)
      .catch((error: unknown) => {
        log.warn('Consul cannot be asked about a token', { error: errorText(error) });
        return refuse('unavailable');
      })
      .finally(() => asking.delete(hash));
    asking.set(hash, question);
    return question;
  }

  /** Remembers the answer; what it changes closes the streams that were opened under the one before. */
  function settle(token: string, hash: string, caller: Caller): void {
    const before = inUse.get(hash)?.principal;
    if (!isPrincipal(caller)) {
      if (caller.cause === 'unavailable') return;
      inUse.delete(hash);
      if (before !== undefined) close([before]);
      return;
    }
    const givenUntilMs = inUse.get(hash)?.givenUntilMs ?? 0;
    inUse.set(hash, { token, principal: caller, askedAtMs: clock.now(), givenUntilMs });
    if (before !== undefined && before.services.join() !== caller.services.join()) close([before]);
    if (inUse.size <= most) return;
    for (const [oldest, { principal }] of inUse) {
      inUse.delete(oldest);
      close([principal]);
      break;
    }
  }

  /** What is given to one stream ends by `lifeMs`, and is remembered until then. */
  function give(hash: string, principal: Principal): Principal {
    const notAfterMs = Math.min(principal.notAfterMs, clock.wall() + lifeMs);
    const use = inUse.get(hash);
    if (use !== undefined) inUse.set(hash, { ...use, givenUntilMs: Math.max(use.givenUntilMs, notAfterMs) });
    return { ...principal, notAfterMs };
  }

  async function recheck(): Promise<void> {
    const due: [string, InUse][] = [];
    for (const [hash, use] of inUse)
      if (use.givenUntilMs <= clock.wall()) inUse.delete(hash);
      else if (use.askedAtMs + recheckMs / 2 <= clock.now()) due.push([hash, use]);
    for (let next = 0; next < due.length; next += askedAtOnce) {
      const some = due.slice(next, next + askedAtOnce);
      await Promise.all(some.map(async ([hash, { token }]) => settle(token, hash, await asked(token, hash))));
    }
  }

  return {
    kind: 'consul',
    verify({ tls, consulToken }) {
      const [token, ...more] = consulToken;
      if (!tls || token === undefined) return undefined;
      if (more.length > 0) return refuse('ambiguous');
      if (!form.test(token)) return refuse('malformed');
      const hash = createHash('sha256').update(token).digest('base64url');
      const known = inUse.get(hash);
      if (known !== undefined && known.askedAtMs + cacheMs > clock.now() && known.principal.notAfterMs > clock.wall())
        return give(hash, known.principal);
      return asked(token, hash).then((caller) => {
        settle(token, hash, caller);
        return isPrincipal(caller) ? give(hash, caller) : caller;
      });
    },
    onRevoked(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    async run(signal) {
      while (!signal.aborted) {
        await clock.sleep(recheckMs, signal);
        if (!signal.aborted) await recheck();
      }
    },
  };
}

function usable(name: string, trustDomain: string): boolean {
  return holdingsOf(trustDomain, { services: [name], gateways: [] }) !== undefined && !name.includes('|');
}

/** When the token ends by itself; undefined where that cannot be read. */
function endOf(token: StoredRecord): number | undefined {
  const ends = token['ExpirationTime'];
  if (ends === undefined || ends === null) return 8.64e15;
  const endMs = typeof ends === 'string' ? Date.parse(ends) : Number.NaN;
  return Number.isNaN(endMs) ? undefined : endMs;
}

/** Names of the answers that allow what was asked, and no others; undefined where the answer has another form. */
function allowedNames(text: string, named: readonly string[]): readonly string[] | undefined {
  let answers: unknown;
  try {
    answers = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (!Array.isArray(answers) || answers.length !== named.length) return undefined;
  const allowed = answers.map((answer) => answer as StoredRecord | null);
  return named.filter((name) =>
    allowed.some(
      (answer) =>
        answer?.['Resource'] === 'service' &&
        answer['Segment'] === name &&
        answer['Access'] === 'write' &&
        answer['Allow'] === true,
    ),
  );
}
