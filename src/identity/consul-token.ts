// Who shows an ACL token of Consul: Consul says whose it is and which services it may write. Such a token has no signature, so
// it is asked about: for a new stream after at most a minute, and again and again while streams of it are open.
// It must not know HTTP. Invariants: nothing is granted that Consul did not allow by name; the anonymous token is nobody; while
// Consul cannot be asked nobody new is let in, and nobody is put out.
import { createHash } from 'node:crypto';
import type { Caller, Principal } from '../model/principal.ts';
import type { Clock } from '../util/clock.ts';
import { errorText } from '../util/errors.ts';
import type { Logger } from '../util/log.ts';
import type { AskConsul } from './consul-ask.ts';
import { allowedNames, mayWrite, namesAtOnce, tokenNames } from './consul-names.ts';
import type { RevokedListener, Verifier } from './contract.ts';
import { firstIdentity, holdingsOf, maxNames } from './holdings.ts';
import { isPrincipal, refuse } from './refusals.ts';
import { decodeRecord, type StoredRecord } from './stored-json.ts';

export interface ConsulTokenDeps {
  readonly ask: AskConsul;
  /**
   * Names of the services that are known now. A token with policies or roles is asked about with them, as no token may read its
   * own rules: 64 names a request. Without it such tokens are about the services only that they have as identities.
   */
  readonly known?: () => Iterable<string>;
  readonly clock: Clock;
  readonly log: Logger;
}

export interface ConsulTokenOptions {
  readonly trustDomain: string;
  /** How long an answer holds for new streams. At most, and by default, 60 s. */
  readonly cacheMs?: number;
  /** Streams end after it at the latest, and ask again. Default 1 h. */
  readonly lifeMs?: number;
  /** How often the tokens of open streams are asked about. Default 30 s. */
  readonly recheckMs?: number;
  /** Tokens known at once. Default 10,000; the streams of the oldest are closed for one more. */
  readonly tokens?: number;
}

export interface ConsulTokens extends Verifier {
  onRevoked(listener: RevokedListener): () => void;
  /** Asks about the tokens in use until aborted. */
  run(signal: AbortSignal): Promise<void>;
}

/** Kept while a stream of it may be open. The token itself is in memory only: without it nobody can ask about it again. */
interface InUse {
  readonly token: string;
  /** Ends when the token does. */
  readonly principal: Principal;
  /** When all was asked. */
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
  const { clock, log } = deps;
  const { trustDomain, lifeMs = 3_600_000, recheckMs = 30_000, tokens: most = 10_000 } = options;
  const cacheMs = Math.min(options.cacheMs ?? 60_000, 60_000);
  const listeners = new Set<RevokedListener>();
  /** By hash of the token, the longest known first. */
  const inUse = new Map<string, InUse>();
  const asking = new Map<string, Promise<Caller>>();

  function close({ credential }: Principal): void {
    const ids = new Set([credential.id]);
    for (const listener of listeners) listener(ids);
  }

  /** Never rejects. */
  async function ask(token: string, only?: readonly string[]): Promise<Caller> {
    try {
      return await look(deps, { token, trustDomain, ...(only === undefined ? {} : { only }) });
    } catch (error) {
      log.warn('Consul cannot be asked about a token', { error: errorText(error) });
      return refuse('unavailable');
    }
  }

  /** Many at once with one token are one question. */
  function askOnce(token: string, hash: string): Promise<Caller> {
    const under = asking.get(hash);
    if (under !== undefined) return under;
    const question = ask(token).finally(() => asking.delete(hash));
    asking.set(hash, question);
    return question;
  }

  /** What is given to one stream ends by `lifeMs`, and is remembered until then. */
  function give(
    token: string,
    hash: string,
    { principal, askedAtMs }: Pick<InUse, 'principal' | 'askedAtMs'>,
  ): Principal {
    const notAfterMs = Math.min(principal.notAfterMs, clock.wall() + lifeMs);
    const givenUntilMs = Math.max(inUse.get(hash)?.givenUntilMs ?? 0, notAfterMs);
    inUse.set(hash, { token, principal, askedAtMs, givenUntilMs });
    if (inUse.size > most)
      for (const [oldest, use] of inUse) {
        inUse.delete(oldest);
        close(use.principal);
        break;
      }
    return { ...principal, notAfterMs };
  }

  /** A refusal that is Consul's word ends what was granted before. */
  function end(hash: string): void {
    const use = inUse.get(hash);
    inUse.delete(hash);
    if (use !== undefined) close(use.principal);
  }

  async function admit(token: string, hash: string): Promise<Caller> {
    const caller = await askOnce(token, hash);
    if (isPrincipal(caller)) {
      const before = inUse.get(hash)?.principal;
      if (before !== undefined && !before.services.every((service) => caller.services.includes(service))) close(before);
      return give(token, hash, { principal: caller, askedAtMs: clock.now() });
    }
    if (caller.cause !== 'unavailable') end(hash);
    return caller;
  }

  /** Whether what was granted still holds: one question more than whose the token is. */
  async function recheck(hash: string, { token, principal }: InUse): Promise<void> {
    const caller = await ask(token, principal.services);
    if (isPrincipal(caller) ? caller.services.length === principal.services.length : caller.cause === 'unavailable')
      return;
    // Unless it was asked about anew meanwhile.
    if (inUse.get(hash)?.principal === principal) end(hash);
  }

  return {
    kind: 'consul',
    verify({ tls, consulToken }) {
      const [token, ...more] = consulToken;
      if (!tls || token === undefined) return undefined;
      if (more.length > 0) return refuse('ambiguous');
      if (!form.test(token)) return refuse('malformed');
      const hash = createHash('sha256').update(token).digest('base64url');
      const use = inUse.get(hash);
      if (use !== undefined && use.askedAtMs + cacheMs > clock.now() && use.principal.notAfterMs > clock.wall())
        return give(token, hash, use);
      return admit(token, hash);
    },
    remembers: ({ consulToken: [token = ''] }) =>
      form.test(token) && inUse.has(createHash('sha256').update(token).digest('base64url')),
    onRevoked(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    async run(signal) {
      while (!signal.aborted) {
        await clock.sleep(recheckMs, signal);
        for (const [hash, { givenUntilMs }] of inUse) if (givenUntilMs <= clock.wall()) inUse.delete(hash);
        const due = [...inUse];
        while (due.length > 0 && !signal.aborted)
          await Promise.all(due.splice(0, askedAtOnce).map(([hash, use]) => recheck(hash, use)));
      }
    },
  };
}

interface Question {
  readonly token: string;
  readonly trustDomain: string;
  /** Only these are asked about. */
  readonly only?: readonly string[];
}

/** Rejects where Consul cannot be reached. */
async function look({ ask, known, clock }: ConsulTokenDeps, { token, trustDomain, only }: Question): Promise<Caller> {
  const self = await ask({ method: 'GET', path: '/v1/acl/token/self', token });
  // 403 and 404: there is no such token, or it has ended. 401: Consul has no ACLs, so its tokens say nothing.
  if (self.status === 403 || self.status === 404) return refuse('unknown-key');
  const said = self.status === 200 ? decodeRecord(Buffer.from(self.text)) : undefined;
  const accessor = said?.['AccessorID'];
  if (said === undefined || typeof accessor !== 'string' || !accessorForm.test(accessor)) return refuse('unavailable');
  if (accessor === anonymous) return refuse('not-entitled');
  const notAfterMs = endOf(said);
  if (notAfterMs === undefined) return refuse('unavailable');
  if (notAfterMs <= clock.wall()) return refuse('expired');
  const { own, more } = tokenNames(said);
  const names =
    only ?? [...new Set([...own, ...(more ? (known?.() ?? []) : [])])].filter((name) => usable(name, trustDomain));
  const services: string[] = [];
  for (let next = 0; next < names.length; next += namesAtOnce) {
    const some = names.slice(next, next + namesAtOnce);
    const reply = await ask({ method: 'POST', path: '/v1/internal/acl/authorize', token, body: mayWrite(some) });
    if (reply.status === 403) return refuse('unknown-key');
    const allowed = reply.status === 200 ? allowedNames(reply.text, some) : undefined;
    if (allowed === undefined) return refuse('unavailable');
    services.push(...allowed);
    // Who may write that many is no node.
    if (services.length > maxNames) return refuse('not-entitled');
  }
  const holdings = holdingsOf(trustDomain, { services: services.sort(), gateways: [] });
  const id = holdings === undefined ? undefined : firstIdentity(trustDomain, holdings);
  if (holdings === undefined || id === undefined) return refuse('not-entitled');
  return { id, ...holdings, notAfterMs, credential: { kind: 'consul', id: accessor } };
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
