// Mesh-wide settings with every default resolved.
import type { Provenance } from './provenance.ts';

export interface Mesh {
  /** `cart.<domain>` names service cart. */
  readonly domain: string;
  readonly trustDomain: string;
  /** Until certificates are issued only `off` is acted on. */
  readonly mtls: 'strict' | 'permissive' | 'off';
  readonly accessLog: boolean;
  readonly provenance?: Provenance;
}
