// What the make-before-break gates of one stream remember between two steps.
// It must not know how they are decided. Invariant: sets hold only names that wait or waited too long.
import { type TypeUrl, typeUrls } from '../resources/type-urls.ts';
import { SparseSet } from './sparse.ts';

/** What sends requests to clusters, by itself or through route configurations. */
export const gatedTypes: ReadonlySet<TypeUrl> = new Set([
  typeUrls.listener,
  typeUrls.scopedRoutes,
  typeUrls.routes,
  typeUrls.virtualHost,
]);

export interface Gates {
  makeRunning: boolean;
  breakRunning: boolean;
  /** Something waited for gate A, or gate B, in the current pass. */
  makeWaits: boolean;
  breakWaits: boolean;
  /** `name version` of clusters waited for. */
  readonly awaitedClusters: Aging;
  /** Clusters whose removal waits. */
  readonly heldRemovals: Aging;
  /** `type name` of listeners and routes held because a cluster of theirs was rejected. */
  readonly stoppedBranches: SparseSet;
  /** Routes of a resumed stream no longer wait for the client to ask for clusters. */
  clustersNeverAsked: boolean;
}

/**
 * What waits behind one time limit. The limit runs for those that wait when it starts; who joins later gets the next one,
 * so that a steady stream of changes lets nobody through early, and each waits less than twice the limit.
 */
export interface Aging {
  readonly waiting: SparseSet;
  /** Of those waiting: when the limit that runs now ends, their time is up. */
  readonly aging: SparseSet;
  /** Not waited for any longer. */
  readonly overdue: SparseSet;
}

function createAging(): Aging {
  return { waiting: new SparseSet(), aging: new SparseSet(), overdue: new SparseSet() };
}

/** The limit starts for all that wait now. */
export function startLimit({ waiting, aging }: Aging): void {
  aging.clear();
  for (const key of waiting) aging.add(key);
}

/** The limit is over. */
export function endLimit({ waiting, aging, overdue }: Aging): void {
  for (const key of aging) {
    waiting.delete(key);
    overdue.add(key);
  }
  aging.clear();
}

/** What it waited for has come, or is not wanted any more. */
export function settle({ waiting, aging, overdue }: Aging, key: string): void {
  waiting.delete(key);
  aging.delete(key);
  overdue.delete(key);
}

export function settleAll(aging: Aging): void {
  aging.waiting.clear();
  aging.aging.clear();
  aging.overdue.clear();
}

export function createGates(): Gates {
  return {
    makeRunning: false,
    breakRunning: false,
    makeWaits: false,
    breakWaits: false,
    awaitedClusters: createAging(),
    heldRemovals: createAging(),
    stoppedBranches: new SparseSet(),
    clustersNeverAsked: false,
  };
}
