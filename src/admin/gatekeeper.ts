// Who may ask: Host and Origin against an allow-list (a web page that rebinds its name to 127.0.0.1 is refused),
// and the bearer token. It knows no route. Invariant: the comparison of tokens takes the same time whatever differs.
import { createHash, timingSafeEqual } from 'node:crypto';

const loopbackNames = ['localhost', '127.0.0.1', '[::1]'];

/** `Example.com:80` -> `example.com`; `[::1]:80` -> `[::1]`. */
function withoutPort(host: string): string {
  return host.toLowerCase().replace(/:\d+$/, '');
}

export interface Asking {
  readonly host: string | undefined;
  readonly origin: string | undefined;
  readonly authorization: string | undefined;
}

export interface Gatekeeper {
  /** Undefined when host and origin are fine, else what is wrong. */
  refusedOrigin(asking: Asking): string | undefined;
  knowsToken(asking: Asking): boolean;
}

export function createGatekeeper(token: string, hosts: readonly string[]): Gatekeeper {
  const allowed = new Set([...loopbackNames, ...hosts.map((host) => host.toLowerCase())]);
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
  const expected = digest(token);
  return {
    refusedOrigin({ host, origin }) {
      if (host === undefined || !allowed.has(withoutPort(host))) return `host "${host ?? ''}" is not allowed`;
      if (origin === undefined) return undefined;
      const name = URL.canParse(origin) ? new URL(origin).hostname : '';
      return allowed.has(name.toLowerCase()) ? undefined : `origin "${origin}" is not allowed`;
    },
    knowsToken({ authorization }) {
      const given = /^Bearer +(\S+)$/i.exec(authorization ?? '')?.[1];
      return timingSafeEqual(digest(given ?? ''), expected) && given !== undefined;
    },
  };
}
