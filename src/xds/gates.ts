// What the make-before-break gates of one stream remember between two steps.
// It must not know how they are decided. Invariant: sets hold only names that wait or waited too long.

export interface Gates {
  makeRunning: boolean;
  breakRunning: boolean;
  /** Something waited for gate A, or gate B, in the current pass. */
  makeWaits: boolean;
  breakWaits: boolean;
  /** `name version` of clusters waited for. */
  readonly awaitedClusters: Set<string>;
  /** `name version` of clusters not waited for any longer. */
  readonly overdueClusters: Set<string>;
  /** Clusters whose removal does not wait any longer. */
  readonly overdueRemovals: Set<string>;
  /** Clusters whose removal waits now. */
  readonly heldRemovals: Set<string>;
  /** `type name` of listeners and routes held because a cluster of theirs was rejected. */
  readonly stoppedBranches: Set<string>;
  /** Routes of a resumed stream no longer wait for the client to ask for clusters. */
  clustersNeverAsked: boolean;
}

export function createGates(): Gates {
  return {
    makeRunning: false,
    breakRunning: false,
    makeWaits: false,
    breakWaits: false,
    awaitedClusters: new Set(),
    overdueClusters: new Set(),
    overdueRemovals: new Set(),
    heldRemovals: new Set(),
    stoppedBranches: new Set(),
    clustersNeverAsked: false,
  };
}
