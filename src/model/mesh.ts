// Mesh-wide settings with every default resolved.
import type { Provenance } from './provenance.ts';
import type { Retry } from './route.ts';

export interface Mesh {
  /** `cart.<domain>` names service cart. */
  readonly domain: string;
  /** What names of proxies begin with; a place in Consul where Connect issues their certificates (spiffe.ts). */
  readonly trustDomain: string;
  /** Between sidecars and gateways, unless a Service says otherwise; `off` where no certificates are issued. */
  readonly mtls: 'strict' | 'permissive' | 'off';
  /** Proxies are issued certificates; absent: they are not. */
  readonly certificates?: boolean;
  readonly accessLog: boolean;
  /** For routes and services that say nothing; undefined: the safe default. Already resolved into Route rules. */
  readonly retry?: Retry;
  readonly provenance?: Provenance;
}
