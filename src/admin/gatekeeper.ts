// Who asks: Host and Origin against an allow-list (a web page that rebinds its name to 127.0.0.1 is refused), and whose the
// bearer token is. It knows no route. Invariants: the comparison of tokens takes the same time whatever differs; strangers
// who guess are slowed down, and never keep out whoever has a token that holds, whatever address they share.
import { createHash, timingSafeEqual } from 'node:crypto';
import { type AccessTokens, isAccessToken } from '../identity/access-token.ts';
import { createFailureLimit } from '../identity/failure-limit.ts';
import type { Asker } from '../model/access.ts';
import type { Clock } from '../util/clock.ts';
import { Fault, tooMany } from './fault.ts';

const loopbackNames = ['localhost', '127.0.0.1', '[::1]'];
/** Of one address: wrong tokens at once, and a second. */
const failureLimit = { burst: 30, perSecond: 1 };

/** `Example.com:80` -> `example.com`; `[::1]:80` -> `[::1]`. */
function withoutPort(host: string): string {
  return host.toLowerCase().replace(/:\d+$/, '');
}

export interface Asking {
  readonly host: string | undefined;
  readonly origin: string | undefined;
  /** Every `authorization` header. */
  readonly authorization: readonly string[];
  /** Of the client, without its port. */
  readonly address: string;
}

/** Whoever asks, and whether that is still so. */
export interface Known {
  readonly asker: Asker;
  /** For what lasts longer than a request. Never rejects: where it cannot be found out, it is so. */
  readonly holds: () => Promise<boolean>;
}

export interface Gatekeeper {
  /** Undefined when host and origin are fine, else what is wrong. */
  refusedOrigin(asking: Pick<Asking, 'host' | 'origin'>): string | undefined;
  /** Whose the token is. Rejects with a Fault of 429 for an address that guesses, or of 503 where the store cannot be asked. */
  known(asking: Asking): Promise<Known>;
}

export interface GatekeeperDeps {
  readonly clock: Clock;
  /** Of an operator. */
  readonly token: string;
  /** Absent: there is no other token. */
  readonly accessTokens?: Pick<AccessTokens, 'check' | 'isListed'> | undefined;
}

const always = async (): Promise<boolean> => true;
const nobody: Known = { asker: { kind: 'nobody' }, holds: always };
/** Of the token in the file that the first start makes; no other token can have this name. */
export const firstToken = '(token file)';

export function createGatekeeper(deps: GatekeeperDeps, hosts: readonly string[]): Gatekeeper {
  const { accessTokens } = deps;
  const allowed = new Set([...loopbackNames, ...hosts.map((host) => host.toLowerCase())]);
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
  const expected = digest(deps.token);
  const failures = createFailureLimit(deps.clock, failureLimit);

  /** Of an address that guesses, the store is asked about nothing that the list does not have. */
  async function ofStore(text: string, slowed: boolean): Promise<Known | undefined> {
    if (accessTokens === undefined || !isAccessToken(text)) return undefined;
    try {
      if (slowed && !(await accessTokens.isListed(text))) return undefined;
      const token = await accessTokens.check(text);
      if (token === undefined) return undefined;
      const { name, role } = token;
      const holds = (): Promise<boolean> =>
        accessTokens.check(text).then(
          (now) => now !== undefined,
          () => true,
        );
      return { asker: { kind: 'role', role, name }, holds };
    } catch {
      throw new Fault(503, 'CH1706', 'the store of tokens cannot be asked now');
    }
  }

  return {
    refusedOrigin({ host, origin }) {
      if (host === undefined || !allowed.has(withoutPort(host))) return `host "${host ?? ''}" is not allowed`;
      if (origin === undefined) return undefined;
      const name = URL.canParse(origin) ? new URL(origin).hostname : '';
      return allowed.has(name.toLowerCase()) ? undefined : `origin "${origin}" is not allowed`;
    },
    async known({ authorization, address }) {
      if (authorization.length === 0) return nobody;
      const given = authorization.length > 1 ? undefined : /^Bearer +(\S+)$/i.exec(authorization[0] ?? '')?.[1];
      const isFirst = timingSafeEqual(digest(given ?? ''), expected) && given !== undefined;
      if (isFirst) return { asker: { kind: 'role', role: 'operator', name: firstToken }, holds: always };
      const slowed = failures.blocked(address);
      const known = given === undefined ? undefined : await ofStore(given, slowed);
      if (known !== undefined) return known;
      failures.failed(address);
      if (slowed) throw tooMany('too many wrong tokens from this address', 1);
      return nobody;
    },
  };
}
