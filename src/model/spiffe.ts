// The names that certificates carry: SPIFFE ids of services, gateways and of the control plane itself.
// It must not know certificates. Invariant: a name is written or it is not; nothing is escaped, normalised or cut, so two
// services never share one. Source: SPIFFE-ID (path segments of letters, digits, dot, dash, underscore; at most 2048 bytes).
import { defaultNamespace, type ServiceId, serviceId } from './names.ts';

const segment = /^(?!\.\.?$)[A-Za-z0-9._-]+$/;
const domain = /^[a-z0-9._-]{1,255}$/;
const maxLength = 2048;

export type Identity =
  | { readonly kind: 'service'; readonly trustDomain: string; readonly service: ServiceId }
  | { readonly kind: 'gateway'; readonly trustDomain: string; readonly gateway: string }
  | { readonly kind: 'control-plane'; readonly trustDomain: string };

/**
 * `spiffe://<domain>/svc/<name>`, with `/ns/<namespace>` before it outside the default namespace;
 * `spiffe://<domain>/gateway/<name>`; `spiffe://<domain>/chancery`. Undefined where a part has a character that none may have.
 */
export function spiffeId(identity: Identity): string | undefined {
  if (!domain.test(identity.trustDomain)) return undefined;
  const path = pathOf(identity);
  if (!path.every((part) => segment.test(part))) return undefined;
  const id = `spiffe://${identity.trustDomain}/${path.join('/')}`;
  return id.length > maxLength ? undefined : id;
}

function pathOf(identity: Identity): readonly string[] {
  if (identity.kind === 'gateway') return ['gateway', identity.gateway];
  if (identity.kind === 'control-plane') return ['chancery'];
  const [first = '', second, ...more] = identity.service.split('|');
  if (second === undefined) return ['svc', first];
  // A name with the separator in it is no segment.
  return ['ns', first, 'svc', [second, ...more].join('|')];
}

/** The identity of exactly this text; undefined for every text that `spiffeId` does not write. */
export function readSpiffeId(text: string): Identity | undefined {
  const [scheme, empty, trustDomain = '', ...path] = text.split('/');
  if (scheme !== 'spiffe:' || empty !== '') return undefined;
  const identity = identityOf(trustDomain, path);
  return identity !== undefined && spiffeId(identity) === text ? identity : undefined;
}

function identityOf(trustDomain: string, path: readonly string[]): Identity | undefined {
  const [first, second = '', third, fourth = ''] = path;
  if (path.length === 1 && first === 'chancery') return { kind: 'control-plane', trustDomain };
  if (path.length === 2 && first === 'gateway') return { kind: 'gateway', trustDomain, gateway: second };
  if (path.length === 2 && first === 'svc')
    return { kind: 'service', trustDomain, service: serviceId(defaultNamespace, second) };
  if (path.length === 4 && first === 'ns' && third === 'svc')
    return { kind: 'service', trustDomain, service: serviceId(second, fourth) };
  return undefined;
}
