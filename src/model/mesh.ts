// Mesh-wide settings with every default resolved.
import type { Provenance } from './provenance.ts';
import type { Retry } from './route.ts';

export interface Mesh {
  /** `cart.<domain>` names service cart. */
  readonly domain: string;
  readonly trustDomain: string;
  /** Until certificates are issued only `off` is acted on. */
  readonly mtls: 'strict' | 'permissive' | 'off';
  readonly accessLog: boolean;
  /** For routes and services that say nothing; undefined: the safe default. Already resolved into Route rules. */
  readonly retry?: Retry;
  readonly provenance?: Provenance;
}
