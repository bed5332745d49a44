// The names that certificates carry: SPIFFE ids of services, gateways and of the control plane itself.
// It must not know certificates. Invariant: a name is written or it is not; nothing is escaped, normalised or cut, so two
// services never share one. Source: SPIFFE-ID (path segments of letters, digits, dot, dash, underscore; at most 2048 bytes).
// Where Consul's Connect issues the certificates names are as it writes them; then what stands for the trust domain is a place
// in Consul, `connectPlace`, and everything else is as with any other.
import { defaultNamespace, type ServiceId, serviceId } from './names.ts';

const segment = /^(?!\.\.?$)[A-Za-z0-9._-]+$/;
const domain = /^[a-z0-9._-]{1,255}$/;
const maxLength = 2048;
/** `<uuid>.consul/ns/default/dc/<datacenter>`: what names of services begin with in Consul without namespaces. */
const place = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\.consul\/ns\/default\/dc\/[a-z0-9_-]{1,64}$/;
/** Connect names services only. No service whose name begins so has an identity there, so none is taken for a gateway. */
export const connectGateway = 'chancery-gateway-';

export type Identity =
  | { readonly kind: 'service'; readonly trustDomain: string; readonly service: ServiceId }
  | { readonly kind: 'gateway'; readonly trustDomain: string; readonly gateway: string }
  | { readonly kind: 'control-plane'; readonly trustDomain: string };

/** For `trustDomain` where Connect issues the certificates; undefined where Consul has no such domain or datacenter. */
export function connectPlace(trustDomain: string, datacenter: string): string | undefined {
  const text = `${trustDomain}/ns/default/dc/${datacenter}`;
  return place.test(text) ? text : undefined;
}

/** What every name of this trust domain, or place in Consul, begins with, and no other does. */
export function identityPrefix(trustDomain: string): string | undefined {
  return domain.test(trustDomain) || place.test(trustDomain) ? `spiffe://${trustDomain}/` : undefined;
}

/**
 * `spiffe://<domain>/svc/<name>`, with `/ns/<namespace>` before it outside the default namespace;
 * `spiffe://<domain>/gateway/<name>`; `spiffe://<domain>/chancery`. Undefined where a part has a character that none may have.
 * In Connect: `spiffe://<place>/svc/<name>`, `spiffe://<place>/svc/chancery-gateway-<name>`, and nothing else.
 */
export function spiffeId(identity: Identity): string | undefined {
  const prefix = identityPrefix(identity.trustDomain);
  const path = place.test(identity.trustDomain) ? connectPath(identity) : pathOf(identity);
  if (prefix === undefined || !path?.every((part) => segment.test(part))) return undefined;
  const id = prefix + path.join('/');
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

function connectPath(identity: Identity): readonly string[] | undefined {
  if (identity.kind === 'control-plane') return undefined;
  if (identity.kind === 'gateway') return ['svc', connectGateway + identity.gateway];
  return identity.service.startsWith(connectGateway) ? undefined : ['svc', identity.service];
}

/** The identity of exactly this text; undefined for every text that `spiffeId` does not write, and for names in Connect. */
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
