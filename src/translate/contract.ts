// What translate offers to control. The implementation is memoised by the identity of its inputs.
import type { Problem } from '../model/problem.ts';
import type { World } from '../model/world.ts';
import type { Resource } from '../resources/resource.ts';
import type { TypeUrl } from '../resources/type-urls.ts';
import type { ProxyProfile } from './profile.ts';

/**
 * Resources of one type that are made when somebody asks for a name, whatever the name: the listeners of gRPC clients.
 * Pure; another object when an answer may differ.
 */
export interface OnDemand {
  readonly type: TypeUrl;
  get(name: string): Resource | undefined;
}

/** All resources of one view except endpoints, which lie beside the views. An unchanged resource is the same object as before. */
export interface ViewContent {
  readonly resources: ReadonlyMap<TypeUrl, ReadonlyMap<string, Resource>>;
  readonly onDemand?: OnDemand;
  readonly problems: readonly Problem[];
}

/** Counters for tests and metrics: how much work was really done. */
export interface TranslateCounters {
  /** Translation functions that ran (memo misses), by stage. */
  readonly ran: Map<string, number>;
  /** Messages encoded, by short type name. */
  readonly encoded: Map<string, number>;
}

export interface Translator {
  /** Total: never throws on user input. Pure but for its memo. */
  view(world: World, profile: ProxyProfile): ViewContent;
  /** ClusterLoadAssignments of all services and subsets, by resource name; unchanged ones are the same objects. */
  endpoints(world: World): ReadonlyMap<string, Resource>;
  /**
   * Another object whenever views depend on what changed in the endpoints of a World: Envoy resolves host names itself, so
   * their instances stand in the clusters. Compare by identity; the same: an endpoint event touches no view.
   */
  endpointFacts(world: World): object;
  readonly counters: TranslateCounters;
}
