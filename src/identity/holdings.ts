// What a credential lets its holder be: services and gateways, by names that have a SPIFFE id. Used where credentials are
// made and where they are read. It must not know kinds of credentials.
// Invariant: no name in it lacks an id, and the id it is held under is one of them.
import type { ServiceId } from '../model/names.ts';
import { readSpiffeId, spiffeId } from '../model/spiffe.ts';

/** Names a credential may have at most, of each sort. */
export const maxNames = 64;
export const maxNodeIdLength = 256;

export interface Holdings {
  readonly services: readonly ServiceId[];
  readonly gateways: readonly string[];
}

export function serviceIdentity(trustDomain: string, service: string): string | undefined {
  return spiffeId({ kind: 'service', trustDomain, service: service as ServiceId });
}

export function gatewayIdentity(trustDomain: string, gateway: string): string | undefined {
  return spiffeId({ kind: 'gateway', trustDomain, gateway });
}

/** The holdings of these names; undefined if there is none, there are too many, or one has no identity. */
export function holdingsOf(
  trustDomain: string,
  names: { readonly services: readonly string[]; readonly gateways: readonly string[] },
): Holdings | undefined {
  const { services, gateways } = names;
  if (services.length + gateways.length === 0 || services.length > maxNames || gateways.length > maxNames)
    return undefined;
  const named =
    services.every((service) => isServiceName(trustDomain, service)) &&
    gateways.every((gateway) => gatewayIdentity(trustDomain, gateway) !== undefined);
  return named ? { services: [...new Set(services)] as ServiceId[], gateways: [...new Set(gateways)] } : undefined;
}

/** A text that is a service's id, and not another spelling of one (`default|cart`). */
function isServiceName(trustDomain: string, service: string): boolean {
  const identity = readSpiffeId(serviceIdentity(trustDomain, service) ?? '');
  return identity?.kind === 'service' && identity.service === service;
}

/** The id of the first name: a node with several shows this one. */
export function firstIdentity(trustDomain: string, { services, gateways }: Holdings): string | undefined {
  const [service] = services;
  if (service !== undefined) return serviceIdentity(trustDomain, service);
  return gatewayIdentity(trustDomain, gateways[0] ?? '');
}

/** Whether this id is of one of the names, in this trust domain. */
export function holds(trustDomain: string, { services, gateways }: Holdings, id: string): boolean {
  return (
    services.some((service) => serviceIdentity(trustDomain, service) === id) ||
    gateways.some((gateway) => gatewayIdentity(trustDomain, gateway) === id)
  );
}
