// What an edge shows to its clients. It must not know files or authorities. Invariant: no key is ever in the model.
import type { Provenance } from './provenance.ts';

export interface Certificate {
  readonly namespace: string;
  readonly name: string;
  readonly from:
    | { readonly kind: 'files' /** PEM, absolute paths. */; readonly cert: string; readonly key: string }
    /** Issued by the mesh's own authority, for these host names; `*.x` allowed. */
    | { readonly kind: 'mesh'; readonly hosts: readonly string[] };
  readonly provenance: Provenance;
}
