// A certificate that a connected proxy shows, as people are told of it. Data only. Nothing of its key.
import type { IssuedCertificate } from './secrets.ts';

export interface ProxyCertificate extends IssuedCertificate {
  /** `node.id`. */
  readonly node: string;
}
