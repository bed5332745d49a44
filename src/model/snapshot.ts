// What sources hand to the pipeline: always the full state, structurally shared with the one before.
// Invariant: a snapshot with equal content is never emitted twice in a row; an unchanged RegistryService,
// and an unchanged ObjectDocument, is the same object as in the snapshot before.
import type { Instance } from './instance.ts';
import type { Intentions } from './intentions.ts';
import type { Problem } from './problem.ts';

export interface Degraded {
  /** Plain words for people: `no leader`, `answer filtered by ACLs`. */
  readonly reason: string;
  /** `unreachable`: nothing new is known. `partial`: an answer came but rows may be missing. `suspect`: right after a reconnect. */
  readonly kind: 'unreachable' | 'partial' | 'suspect';
}

export interface RegistryService {
  /** The registry's name for it. */
  readonly name: string;
  /** Sorted by key. */
  readonly instances: readonly Instance[];
  /** Upstreams declared by sidecar registrations (Consul `Proxy.Upstreams`), by instance id. */
  readonly upstreams?: ReadonlyMap<string, readonly DeclaredUpstream[]>;
}

export interface DeclaredUpstream {
  readonly service: string;
  readonly address: string;
  readonly port: number;
}

export interface RegistrySnapshot {
  /** Name of the source, unique in a process, e.g. `consul`. */
  readonly source: string;
  readonly kind: 'consul' | 'etcd' | 'files' | 'dns' | 'memory';
  /** The registry's own position, for people: a Consul index, an etcd revision, a counter. */
  readonly revision: string;
  /** False until the first full read is done; nothing is served from an incomplete source. */
  readonly complete: boolean;
  readonly degraded?: Degraded;
  readonly services: ReadonlyMap<string, RegistryService>;
  /** Entries that could not be read (bad JSON in a key, an instance without address); the rest still ships. */
  readonly problems: readonly Problem[];
  /** Who may call whom, of a registry that is asked for it; the last that was read whole, the same object while nothing changed. */
  readonly intentions?: Intentions;
}

/** One YAML text as it lies in an object store. Parsed in model, never in the store. */
export interface ObjectDocument {
  /** File path relative to the directory, KV key, or API path. */
  readonly path: string;
  readonly text: string;
  /** Where it lies, as a person would name it (`objects/shop.yaml`); the path if absent. */
  readonly shown?: string;
  /** Order of creation inside its store (etcd create revision, Consul CreateIndex); absent for files. */
  readonly created?: number;
}

export interface ObjectSnapshot {
  readonly source: string;
  readonly revision: string;
  readonly complete: boolean;
  readonly degraded?: Degraded;
  /** By path. */
  readonly documents: ReadonlyMap<string, ObjectDocument>;
}
