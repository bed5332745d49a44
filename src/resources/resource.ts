// A named, encoded piece of Envoy configuration, made once per content and shared by every stream.
import type { Provenance } from '../model/provenance.ts';
import type { TypeUrl } from './type-urls.ts';

export interface ResourceRef {
  readonly type: TypeUrl;
  readonly name: string;
}

/** In a change: every name of the type may have changed. Nothing is called so. */
export const anyName = '*';

export interface Resource extends ResourceRef {
  /** Hash of `bytes`: equal on every replica and after every restart. */
  readonly version: string;
  /** The encoded message: the `value` of its Any. Never changed after creation. */
  readonly bytes: Uint8Array;
  /** What it names: EDS of a cluster, RDS and clusters of a listener, clusters of a route configuration, secrets. */
  readonly deps: readonly ResourceRef[];
  /** The objects it was made from. */
  readonly provenance: readonly Provenance[];
  /** Sent only to who names it; a wildcard does not cover it, and `View.names` does not list it. */
  readonly byNameOnly?: boolean;
  /**
   * Other names it goes by: of a virtual host `<route configuration>/<host>` for every host it serves. In a message: those
   * it was asked for by; with no bytes there, nothing goes by that name.
   */
  readonly aliases?: readonly string[];
}

/** What a set of proxies is to have now. Reads are cheap; nothing is copied per proxy. */
export interface View {
  /** Equal ids see equal configuration. */
  readonly id: string;
  /**
   * A virtual host is found by its own name, `<route configuration>/<its name>`, and by `<route configuration>/<host>` for
   * every host it serves: the resource found bears its own name.
   */
  get(type: TypeUrl, name: string): Resource | undefined;
  /** The type of which `get` makes what nobody has asked for yet. */
  readonly onDemand?: TypeUrl;
  /** Names a wildcard subscription covers; `get` may know more, marked `byNameOnly`. */
  names(type: TypeUrl): Iterable<string>;
}
