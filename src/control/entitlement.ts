// What a proxy may be: of what its credential gives it, its claims choose. It must not know how it was verified.
// Invariant: pure, and the answer is never more than the principal has; a claim that it does not own is refused, not replaced.
import type { ServiceId } from '../model/names.ts';
import type { Principal } from '../model/principal.ts';
import type { Refusal } from '../xds/contract.ts';

/** What a proxy asks to be; absent parts are chosen for it where there is one choice. */
export interface Wish {
  readonly role?: 'gateway' | 'sidecar';
  readonly gateway?: string;
  readonly service?: ServiceId;
}

export type Entitled =
  | { readonly role: 'gateway'; readonly gateway: string }
  | { readonly role: 'sidecar'; readonly service: ServiceId };

/** Threats T1 and T2: the role is what it owns; where it owns several and claims none of them it is refused. */
export function entitled({ services, gateways }: Principal, wish: Wish): Entitled | Refusal {
  const role = wish.role ?? (wish.service !== undefined ? 'sidecar' : services.length > 0 ? 'sidecar' : 'gateway');
  if (role === 'sidecar') {
    const service = chosen(services, wish.service);
    return service === undefined ? denied('service', wish.service, services) : { role, service };
  }
  const gateway = chosen(gateways, wish.gateway);
  return gateway === undefined ? denied('gateway', wish.gateway, gateways) : { role, gateway };
}

function chosen<T extends string>(owned: readonly T[], wished: T | undefined): T | undefined {
  if (wished !== undefined) return owned.includes(wished) ? wished : undefined;
  return owned.length === 1 ? owned[0] : undefined;
}

function denied(what: 'service' | 'gateway', wished: string | undefined, owned: readonly string[]): Refusal {
  const message =
    wished !== undefined
      ? `its credential does not give it ${what} "${wished}"`
      : owned.length === 0
        ? `its credential gives it no ${what}`
        : `its credential gives it several: say which ${what} it is`;
  return { refused: 'permission-denied', message };
}
