// When a removal may go (gate B): not while the client holds, or is about to hold, something that needs the name.
// Decided from dependencies, not from fixed phases, so a newer view simply changes the answers. It must not know message
// formats. Invariant: only removals of clusters have a time limit, and none while a rejected branch needs them.
import type { Resource } from '../resources/resource.ts';
import { type TypeUrl, typeUrls } from '../resources/type-urls.ts';
import { gatedTypes, settle } from './gates.ts';
import { held, heldResources } from './holdings.ts';
import type { StreamState } from './stream-state.ts';
import { holds, type TypeState } from './type-state.ts';
import { seen } from './wanted.ts';

const parents: Readonly<Partial<Record<TypeUrl, readonly TypeUrl[]>>> = {
  [typeUrls.cluster]: [typeUrls.listener, typeUrls.routes, typeUrls.virtualHost],
  [typeUrls.endpoints]: [typeUrls.cluster],
  [typeUrls.secret]: [typeUrls.cluster, typeUrls.listener],
  [typeUrls.routes]: [typeUrls.listener, typeUrls.scopedRoutes],
  [typeUrls.extension]: [typeUrls.listener, typeUrls.routes],
};

/** What a listener waits for before it serves. */
const warmsListeners: ReadonlySet<TypeUrl> = new Set([typeUrls.routes, typeUrls.secret, typeUrls.extension]);

/** Gate B: true if nothing the client holds or is about to hold needs the name any more (R43, R45, R52). */
export function mayBreak(stream: StreamState, state: TypeState, name: string): boolean {
  const users = parents[state.type];
  if (users === undefined) return true;
  const { gates } = stream;
  const target = { type: state.type, name };
  const ofCluster = state.type === typeUrls.cluster;
  const alone = ofCluster && !stream.options.aggregated;
  const waits = alone || usedBy(stream, users, target) || (ofCluster && !settled(stream));
  // Endpoints, secrets and routes go when what names them has gone: only clusters have a time limit of their own.
  if (waits && !ofCluster) return false;
  if (waits && stoppedUser(stream, users, target)) {
    settle(gates.heldRemovals, name);
    return false;
  }
  if (waits && !gates.heldRemovals.overdue.has(name)) {
    gates.heldRemovals.waiting.add(name);
    gates.breakWaits = true;
    return false;
  }
  return true;
}

/** The view has the name again: a later removal of it waits anew. */
export function stays({ gates }: StreamState, { type }: TypeState, name: string): void {
  const { waiting, overdue } = gates.heldRemovals;
  if (type === typeUrls.cluster && waiting.size + overdue.size > 0) settle(gates.heldRemovals, name);
}

/**
 * True if the view has the name no more, but the client still has it and something it holds needs it: it is kept, and sent
 * again as it is where that is asked for.
 */
export function isKept(stream: StreamState, state: TypeState, name: string): boolean {
  if (held(state.holdings, name) === undefined || seen(stream.view, state, name) !== undefined) return false;
  return !mayBreak(stream, state, name);
}

/**
 * True if the client has the name in a version that nobody knows and is to keep it: its new one was refused, or it has gone
 * while what the client brought along still needs it. Better silence than to take it from what serves or warms.
 */
export function isUnknownInUse(stream: StreamState, state: TypeState, name: string): boolean {
  if (!state.unsure.has(name)) return false;
  if (seen(stream.view, state, name) !== undefined) return true;
  return state.resumed && (bringsClusters(stream) || !mayBreak(stream, state, name));
}

/** True if the client came with clusters that it has not told of yet: SotW, before it took the first set. */
function bringsClusters({ types }: StreamState): boolean {
  const clusters = types.get(typeUrls.cluster);
  return clusters?.resumed === true && clusters.flight !== undefined && clusters.holdings.size === 0;
}

interface Target {
  readonly type: TypeUrl;
  readonly name: string;
}

function names(resource: Resource | undefined, { type, name }: Target): boolean {
  return resource?.deps.some((dep) => dep.type === type && dep.name === name) ?? false;
}

function usedBy(stream: StreamState, users: readonly TypeUrl[], target: Target): boolean {
  for (const type of users) {
    const state = stream.types.get(type);
    if (state === undefined) continue;
    for (const resource of heldResources(state.holdings)) if (names(resource, target)) return true;
    for (const resource of state.flight?.message.resources.values() ?? []) if (names(resource, target)) return true;
    if (hasUnknown(stream, state)) return true;
  }
  return false;
}

/** True if the client keeps content that we do not know, as its new one is rejected or stopped: it may name anything. */
function hasUnknown(stream: StreamState, { type, pinned, unsure, holdings }: TypeState): boolean {
  const { view, gates } = stream;
  if (type === typeUrls.listener && isRejecting(stream))
    for (const listener of heldResources(holdings)) if (lacksRejected(stream, listener)) return true;
  for (const [name, rejected] of pinned)
    if (unsure.has(name) && view.get(type, name)?.version === rejected) return true;
  // A route configuration brought along that only a rejected listener keeps.
  if (type === typeUrls.routes)
    for (const name of unsure)
      if (view.get(type, name) === undefined && stoppedUser(stream, parents[type] ?? [], { type, name })) return true;
  for (const key of gates.stoppedBranches) {
    const [itsType, ...name] = key.split(' ');
    if (itsType === type && unsure.has(name.join(' '))) return true;
  }
  return false;
}

/** True if the content of something that listeners warm for is rejected. */
function isRejecting({ types }: StreamState): boolean {
  for (const type of warmsListeners) if ((types.get(type)?.pinned.size ?? 0) > 0) return true;
  return false;
}

/** True if something it warms for was rejected, and the client has none of that name: it never warms, and its old one serves. */
export function lacksRejected({ types, view }: StreamState, resource: Resource): boolean {
  return resource.deps.some(({ type, name }) => {
    const state = warmsListeners.has(type) ? types.get(type) : undefined;
    const rejected = state?.pinned.get(name);
    return rejected !== undefined && rejected === view.get(type, name)?.version && !holds(state as TypeState, name);
  });
}

/** True if a user of the target is kept at an old version because its new one, or a cluster of it, was rejected. */
function stoppedUser(stream: StreamState, users: readonly TypeUrl[], target: Target): boolean {
  for (const type of users) {
    const state = stream.types.get(type);
    if (state === undefined) continue;
    if (hasUnknown(stream, state)) return true;
    for (const resource of heldResources(state.holdings)) {
      if (!names(resource, target)) continue;
      const { name } = resource;
      const rejected = state.pinned.get(name);
      if (rejected !== undefined && rejected === stream.view.get(type, name)?.version) return true;
      if (stream.gates.stoppedBranches.has(`${type} ${name}`)) return true;
      // A route configuration that only a rejected listener keeps, keeps its clusters.
      const kept = stream.view.get(type, name) === undefined;
      if (kept && stoppedUser(stream, parents[type] ?? [], { type, name })) return true;
    }
  }
  return false;
}

/** True if something of the type is to be sent that no rejection stops, and that is not a removal waiting for its users. */
function isPending({ view, gates }: StreamState, { type, dirty, forced, respond, unseen, trials }: TypeState): boolean {
  if (respond || unseen || trials.length > 0) return true;
  for (const names of [dirty, forced])
    for (const name of names) {
      if (gates.stoppedBranches.has(`${type} ${name}`)) continue;
      if (names === forced || type === typeUrls.listener || view.get(type, name) !== undefined) return true;
    }
  return false;
}

/** What sends requests to clusters is acknowledged as the new view has it, so no old one is in use unseen. */
function settled(stream: StreamState): boolean {
  const listeners = stream.types.get(typeUrls.listener);
  if (listeners === undefined) return stream.types.get(typeUrls.cluster)?.resumed !== true;
  for (const type of gatedTypes) {
    const state = stream.types.get(type);
    if (state !== undefined && (state.flight !== undefined || isPending(stream, state))) return false;
  }
  for (const user of heldRouteUsers(stream))
    for (const dep of user.deps) {
      const state = stream.types.get(dep.type);
      // A listener that warms for its routes, secrets or extensions leaves the old one in use, though it is acknowledged.
      if (!warmsListeners.has(dep.type) || stream.gates.stoppedBranches.has(`${dep.type} ${dep.name}`)) continue;
      const target = stream.view.get(dep.type, dep.name);
      if (target === undefined) continue;
      if (state === undefined || state.forced.has(dep.name) || state.flight?.message.resources.has(dep.name) === true)
        return false;
      if (!state.pinned.has(dep.name) && held(state.holdings, dep.name)?.version !== target.version) return false;
    }
  return true;
}

/** Listeners and scopes: what names route configurations. */
function* heldRouteUsers({ types }: StreamState): Iterable<Resource> {
  for (const type of [typeUrls.listener, typeUrls.scopedRoutes]) {
    const state = types.get(type);
    if (state !== undefined) yield* heldResources(state.holdings);
  }
}
