// A ViewProvider that asks who is there: bearer tokens of a test's choosing, and a set of static views for each principal.
// Invariant: a caller that no token names is nobody; every question is kept.
import type { Caller, Credentials, Principal } from '../../src/model/principal.ts';
import type { ClientInfo, ViewProvider } from '../../src/xds/contract.ts';
import { createStaticViews, type StaticViews } from './static-views.ts';

export interface KnownCallers extends ViewProvider {
  readonly authenticate: (credentials: Credentials) => Promise<Caller> | Caller;
  /** Every question, in order. */
  readonly asked: Credentials[];
  /** Clients whose view was opened. */
  readonly opened: ClientInfo[];
  /** Ends whoever came with these. */
  revoke(...credentialIds: readonly string[]): void;
  /** Listeners for revocations. */
  listeners(): number;
}

export interface KnownCallersOptions {
  /** By token. A function is called with every question; what it throws is thrown. */
  readonly tokens: Readonly<Record<string, Caller | (() => Promise<Caller> | Caller)>>;
  /** By the id of a principal; empty ones are made for others. */
  readonly views?: Readonly<Record<string, StaticViews>>;
  readonly certificate?: (der: Uint8Array) => Caller;
}

export function principal(id: string, more: Partial<Principal> = {}): Principal {
  return {
    ...{ id: `spiffe://test/svc/${id}`, services: [], gateways: [], notAfterMs: Number.MAX_SAFE_INTEGER },
    credential: { kind: 'token', id: `jti-${id}` },
    ...more,
  };
}

const nobody = (cause: 'missing' | 'unknown-key' | 'ambiguous'): Caller => ({
  ...{ refused: 'unauthenticated', message: 'a credential is needed', cause },
});

export function createKnownCallers({ tokens, views = {}, certificate }: KnownCallersOptions): KnownCallers {
  const listeners = new Set<(credentialIds: ReadonlySet<string>) => void>();
  const asked: Credentials[] = [];
  const opened: ClientInfo[] = [];
  const others = createStaticViews();
  return {
    ...{ asked, opened },
    authenticate(credentials) {
      asked.push(credentials);
      const [header, ...more] = credentials.authorization;
      if (more.length > 0) return nobody('ambiguous');
      if (header === undefined)
        return credentials.certificate === undefined || certificate === undefined
          ? nobody('missing')
          : certificate(credentials.certificate);
      const known = tokens[header.replace(/^Bearer /, '')];
      return typeof known === 'function' ? known() : (known ?? nobody('unknown-key'));
    },
    onRevoked(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    open(client, onChange) {
      opened.push(client);
      return (views[client.principal?.id ?? ''] ?? others).open(client, onChange);
    },
    onEndpoints(listener) {
      const stops = Object.values(views).map((one) => one.onEndpoints(listener));
      return () => {
        for (const stop of stops) stop();
      };
    },
    revoke(...ids) {
      for (const listener of listeners) listener(new Set(ids));
    },
    listeners: () => listeners.size,
  };
}
