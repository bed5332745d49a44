// Make before break on one stream: when a listener or route may go (gate A), and the time limits of both gates.
// Decided from the dependencies of what the client holds and is to hold, not from fixed phases, so a newer view simply
// changes the answers. It must not know message formats. Invariants: no gate ever holds endpoints or secrets; every gate
// ends by time, except that what a rejected branch still needs is kept.
import type { Resource } from '../resources/resource.ts';
import { typeUrls } from '../resources/type-urls.ts';
import { endLimit, gatedTypes, settle, settleAll, startLimit } from './gates.ts';
import { held } from './holdings.ts';
import { lacksRejected } from './removals.ts';
import { emptyAssignment } from './responses.ts';
import type { StreamState } from './stream-state.ts';
import { covers, hasMarks, holds, isFullType, type TypeState } from './type-state.ts';

/** True if the client told of an earlier stream, in whatever type. */
function isResumed({ types }: StreamState): boolean {
  for (const { resumed } of types.values()) if (resumed) return true;
  return false;
}

/** True if nothing of the type waits at gate A, whatever it names. */
export function isUngated(stream: StreamState, { type, answered }: TypeState): boolean {
  if (!gatedTypes.has(type) || !stream.options.aggregated) return true;
  // The first answer on a fresh client has nothing to break, unless a cluster it names is still on its way.
  const clusters = stream.types.get(typeUrls.cluster);
  const atRest = clusters === undefined || (clusters.flight === undefined && !hasMarks(clusters));
  return atRest && !answered && !isResumed(stream);
}

/** Gate A: true if the client has, warm, every cluster that this new content of a listener or route needs (R17, R44). */
export function ready(stream: StreamState, state: TypeState, resource: Resource): boolean {
  if (isUngated(stream, state)) return true;
  // Content the client has already cannot break anything: it is only confirmed.
  if (held(state.holdings, resource.name)?.version === resource.version) return true;
  const key = `${state.type} ${resource.name}`;
  // A complete set says what the client has, so a name in none of those it took is new, refused or not: a trial of it must
  // not wait for what it is to find out.
  const exact = stream.options.variant === 'sotw' && isFullType(state.type);
  const had = exact ? held(state.holdings, resource.name) !== undefined : holds(state, resource.name);
  let stopped = false;
  let waits = false;
  for (const name of clustersOf(stream, resource)) {
    const condition = clusterCondition(stream, name);
    // A route the client never had is sent without the rejected cluster: its other rules work.
    if (condition === 'rejected' && had) stopped = true;
    if (condition === 'coming') {
      waits = true;
      stream.gates.awaitedClusters.waiting.add(clusterKey(stream, name));
    }
  }
  if (had && lacksRejected(stream, resource)) stopped = true;
  if (stopped) stream.gates.stoppedBranches.add(key);
  else stream.gates.stoppedBranches.delete(key);
  if (waits) stream.gates.makeWaits = true;
  return !stopped && !waits;
}

/** Clusters a listener or route names, through its route configurations. */
function* clustersOf(stream: StreamState, resource: Resource): Iterable<string> {
  for (const dep of resource.deps) {
    if (dep.type === typeUrls.cluster) yield dep.name;
    else if (dep.type === typeUrls.routes)
      for (const inner of stream.view.get(dep.type, dep.name)?.deps ?? [])
        if (inner.type === typeUrls.cluster) yield inner.name;
  }
}

function clusterCondition(stream: StreamState, name: string): 'there' | 'coming' | 'rejected' {
  const wantedCluster = stream.view.get(typeUrls.cluster, name);
  if (wantedCluster === undefined) return 'there';
  const clusters = stream.types.get(typeUrls.cluster);
  if (clusters === undefined) {
    // On reconnect types come in any order: clusters will be asked for, unless one is still warming (R40). A gRPC client
    // asks for clusters by the names that its routes bring, and puts nothing to use before it has them.
    const { legacyWildcard } = stream.options;
    return isResumed(stream) && legacyWildcard && !stream.gates.clustersNeverAsked ? 'coming' : 'there';
  }
  if (!covers(clusters, name)) return 'there';
  const has = held(clusters.holdings, name);
  if (clusters.pinned.get(name) === wantedCluster.version)
    return has === undefined || leaving(clusters, name) ? 'rejected' : 'there';
  const { awaitedClusters } = stream.gates;
  const same = has?.version === wantedCluster.version && !clusters.unsure.has(name) && !leaving(clusters, name);
  if (same && isBereft(stream, wantedCluster)) return 'rejected';
  if (same && !isHollow(stream, wantedCluster)) {
    if (awaitedClusters.waiting.size + awaitedClusters.overdue.size > 0)
      settle(awaitedClusters, clusterKey(stream, name));
    return 'there';
  }
  return awaitedClusters.overdue.has(clusterKey(stream, name)) ? 'there' : 'coming';
}

/** True if a removal of the name is on its way: what the client holds of it now it will not hold when it has read that. */
function leaving({ flight }: TypeState, name: string): boolean {
  return flight?.message.removed.includes(name) === true && !flight.message.resources.has(name);
}

/**
 * True if the client warmed the cluster with no endpoints, since there were none when it asked, and what there is now has
 * not been sent: the message that said so is still on its way.
 */
function isHollow({ types, view }: StreamState, cluster: Resource): boolean {
  return cluster.deps.some(({ type, name }) => {
    const state = type === typeUrls.endpoints ? types.get(type) : undefined;
    const wanted = view.get(type, name);
    if (state === undefined || wanted === undefined || !covers(state, name)) return false;
    // Refused: it will not come.
    if (state.pinned.get(name) === wanted.version) return false;
    if (leaving(state, name)) return true;
    const told = state.flight?.message.resources.get(name) ?? held(state.holdings, name);
    return told !== undefined && told.version !== wanted.version && told.version === emptyAssignment(name).version;
  });
}

/** True if its endpoints were refused and the client has none: it answers every request with an error. */
function isBereft({ types, view }: StreamState, cluster: Resource): boolean {
  const state = types.get(typeUrls.endpoints);
  if (state === undefined || state.pinned.size === 0) return false;
  return cluster.deps.some(({ type, name }) => {
    const rejected = type === typeUrls.endpoints && covers(state, name) ? state.pinned.get(name) : undefined;
    if (rejected === undefined || view.get(type, name)?.version !== rejected || state.unsure.has(name)) return false;
    const has = held(state.holdings, name);
    return has === undefined || has.version === emptyAssignment(name).version;
  });
}

function clusterKey(stream: StreamState, name: string): string {
  return `${name} ${stream.view.get(typeUrls.cluster, name)?.version ?? ''}`;
}

/** The last good content of a name whose new content is stopped for a rejected cluster: what an answer that is due says. */
export function lastGood({ gates }: StreamState, { type, holdings }: TypeState, name: string): Resource | undefined {
  return gates.stoppedBranches.has(`${type} ${name}`) ? held(holdings, name) : undefined;
}

/** Starts or stops the time limits after a pass over all types. `whole`: no type with marks was left out of it. */
export function settleGates(stream: StreamState, whole: boolean): void {
  const { gates, options } = stream;
  const breakMs = options.aggregated ? options.limits.breakMs : options.limits.separateBreakMs;
  if (gates.makeWaits !== gates.makeRunning) {
    gates.makeRunning = gates.makeWaits;
    startLimit(gates.awaitedClusters);
    stream.effects.push(
      gates.makeWaits
        ? { kind: 'start-timer', timer: 'make', ms: options.limits.makeMs }
        : { kind: 'stop-timer', timer: 'make' },
    );
  }
  if (gates.breakWaits !== gates.breakRunning) {
    gates.breakRunning = gates.breakWaits;
    startLimit(gates.heldRemovals);
    stream.effects.push(
      gates.breakWaits ? { kind: 'start-timer', timer: 'break', ms: breakMs } : { kind: 'stop-timer', timer: 'break' },
    );
  }
  if (whole && !gates.makeWaits) settleAll(gates.awaitedClusters);
  if (whole && !gates.breakWaits) settleAll(gates.heldRemovals);
}

/** The limit of gate A: clusters not acknowledged by now are not waited for. */
export function expireMake(stream: StreamState): void {
  stream.gates.makeRunning = false;
  stream.gates.clustersNeverAsked = true;
  endLimit(stream.gates.awaitedClusters);
}

/** The limit of gate B: what is held now goes, unless a rejected branch needs it. */
export function expireBreak(stream: StreamState): void {
  stream.gates.breakRunning = false;
  endLimit(stream.gates.heldRemovals);
}
