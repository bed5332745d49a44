// The merged, frozen truth the translation works from.
// Invariant: structural sharing; what did not change between two Worlds is the same object in both.
import type { Authorization } from './authorization.ts';
import type { Certificate } from './certificate.ts';
import type { Gateway } from './gateway.ts';
import type { Instance } from './instance.ts';
import type { Mesh } from './mesh.ts';
import type { ServiceId } from './names.ts';
import type { Problem } from './problem.ts';
import type { Route } from './route.ts';
import type { Service } from './service.ts';
import type { DeclaredUpstream, Degraded } from './snapshot.ts';

export interface SourceState {
  readonly name: string;
  readonly kind: string;
  readonly revision: string;
  readonly complete: boolean;
  readonly degraded?: Degraded;
}

export interface World {
  /** Grows by one with every World that differs from the one before. */
  readonly revision: number;
  readonly mesh: Mesh;
  /** Every service known by an object or a registry, also those without instances; sorted by id. */
  readonly services: ReadonlyMap<ServiceId, Service>;
  /** The instances of each service, sorted by key; absent key: none. */
  readonly endpoints: ReadonlyMap<ServiceId, readonly Instance[]>;
  /** Upstreams that sidecar registrations declare, by service and instance id. */
  readonly upstreams: ReadonlyMap<ServiceId, ReadonlyMap<string, readonly DeclaredUpstream[]>>;
  /** Sorted by namespace and name. */
  readonly routes: readonly Route[];
  /** By name. */
  readonly gateways: ReadonlyMap<string, Gateway>;
  /** Of each service that has any, known or not, sorted by namespace and name. */
  readonly authorizations: ReadonlyMap<ServiceId, readonly Authorization[]>;
  /** By name; `namespace/name` outside the default namespace. */
  readonly certificates: ReadonlyMap<string, Certificate>;
  readonly problems: readonly Problem[];
  readonly sources: ReadonlyMap<string, SourceState>;
}
