// What a request does to a stream: ACK or NACK by its nonce, then its subscription changes, whatever the nonce was.
// It must not know how answers are made. Invariant: version_info counts in the first request of a type only (R15).
import type { View } from '../resources/resource.ts';
import { type TypeUrl, typeUrls } from '../resources/type-urls.ts';
import { heldResources, hold, holdExactly } from './holdings.ts';
import type { DeltaRequest, DiscoveryRequest, SotwRequest } from './requests.ts';
import { withoutKeys } from './secrets.ts';
import type { StreamState } from './stream-state.ts';
import { applyDelta, applySotw, type SentNames, type SubscriptionChange } from './subscription.ts';
import { covers, createTypeState, forget, isFullType, type TypeState } from './type-state.ts';
import { accept, reject } from './verdict.ts';
import { type HostLinks, link, noHostOf, unlink } from './virtual-hosts.ts';
import { seen } from './wanted.ts';

const legacyWildcardTypes: ReadonlySet<TypeUrl> = new Set([typeUrls.cluster, typeUrls.listener, typeUrls.scopedRoutes]);

/** Applies one request to the stream's state; the caller drains afterwards. */
export function receive(stream: StreamState, type: TypeUrl, request: DiscoveryRequest): void {
  let state = stream.types.get(type);
  const first = state === undefined;
  if (state === undefined) {
    state = createTypeState(type);
    stream.types.set(type, state);
    // A nonce of an earlier stream means nothing here, but must not be given out again (R6).
    state.lastSequence = stream.options.messages.sequenceOf(request.nonce);
  } else answer(stream, state, request);
  const legacy = stream.options.legacyWildcard && legacyWildcardTypes.has(type);
  const change =
    request.variant === 'sotw'
      ? applySotw(state.subscription, namesOf(type, request), { legacy })
      : applyDelta(state.subscription, increments(stream, state, request), { first, legacy });
  applyChange(stream, state, state.links === undefined ? change : linked(state.links, stream.view, change));
  if (first && state.links !== undefined && change.answer.length === 0) wakeHosts(stream, state);
  if (first && request.variant === 'delta') resumeDelta(stream, state, request);
  if (first && request.variant === 'sotw') resumeSotw(stream, state, request);
  const changed = change.answer.length > 0 || change.dropped.length > 0;
  if (first || changed || change.wildcardAsked || change.wildcardDropped) {
    const { names, wildcard } = state.subscription;
    stream.effects.push({
      kind: 'notice',
      notice: { kind: 'subscribe', type, names: names.size, wildcard },
    });
    if (type === typeUrls.endpoints) {
      const watch = change.answer.filter((name) => names.has(name));
      stream.effects.push({ kind: 'watch', watch, unwatch: change.dropped, wildcard });
    }
  }
}

/** Takes the nonce: the message it answers is acknowledged or rejected; a stale one says nothing (R19, R20). */
function answer(stream: StreamState, state: TypeState, { nonce, error: said }: DiscoveryRequest): void {
  if (nonce === '') return;
  const { flight, overdue } = state;
  const late = overdue !== undefined && overdue.message.nonce === nonce;
  if (flight?.message.nonce !== nonce && !late) return;
  const answered = late ? overdue : flight;
  if (answered === undefined) return;
  if (!late) {
    state.flight = undefined;
    if (state.ackTimer) {
      state.ackTimer = false;
      stream.effects.push({ kind: 'stop-timer', timer: state.type });
    }
  }
  if (said === undefined) {
    // A late ACK was counted as landed when its time ran out.
    if (!late) accept(state, answered);
    state.overdue = undefined;
    stream.effects.push({ kind: 'notice', notice: { kind: 'ack', type: state.type, nonce } });
    return;
  }
  const error = state.type === typeUrls.secret ? { ...said, message: withoutKeys(said.message) } : said;
  reject(state, answered, { error, full: stream.options.variant === 'sotw' });
  state.overdue = undefined;
  const { versions: resources } = answered.message;
  stream.effects.push({
    kind: 'notice',
    notice: { kind: 'nack', type: state.type, nonce, message: error.message, resources },
  });
}

/**
 * An Envoy's first request for virtual hosts names none, and its listener waits until something comes for its route
 * configuration: it is told that the host without a name is none of each.
 */
function wakeHosts(stream: StreamState, state: TypeState): void {
  const asked = stream.types.get(typeUrls.routes)?.subscription.names;
  for (const routes of asked ?? stream.view.names(typeUrls.routes)) state.forced.add(noHostOf(routes));
  state.respond = true;
}

function increments(stream: StreamState, state: TypeState, request: DeltaRequest): Increments {
  if (state.links !== undefined || (state.type === typeUrls.secret && request.subscribe.includes('*')))
    return withoutWildcard(request);
  if (state.type !== typeUrls.endpoints) return request;
  // The names stay as long as the stream: they are kept as the resources have them, not once for every client.
  const kept = (name: string): string => {
    const known = stream.view.get(typeUrls.endpoints, name)?.name;
    return known === name ? known : name;
  };
  return { subscribe: request.subscribe.map(kept), unsubscribe: request.unsubscribe };
}

/** Secrets go to who names them: a wildcard covers none. The same of a SotW list. */
function namesOf(type: TypeUrl, { names, list }: SotwRequest): SentNames {
  if (type !== typeUrls.secret || !names.includes('*')) return { names, list };
  return { names: names.filter((name) => name !== '*') };
}

type Increments = Pick<DeltaRequest, 'subscribe' | 'unsubscribe'>;

/**
 * Virtual hosts have no wildcard (R34), nor have secrets. An Envoy that comes back says "*" all the same, as its first request named nothing;
 * taken at its word it would get every virtual host there is.
 */
function withoutWildcard({ subscribe, unsubscribe }: DeltaRequest): Increments {
  const named = (name: string): boolean => name !== '*';
  return { subscribe: subscribe.filter(named), unsubscribe: unsubscribe.filter(named) };
}

/** The change in the own names of virtual hosts. */
function linked(links: HostLinks, view: View, change: SubscriptionChange): SubscriptionChange {
  const dropped = change.dropped.map((name) => unlink(links, name));
  return { ...change, dropped, answer: change.answer.map((name) => link(links, view, name)) };
}

function applyChange(stream: StreamState, state: TypeState, change: SubscriptionChange): void {
  forget(state, change.dropped);
  if (change.wildcardDropped) {
    state.unseen = false;
    const names = [...heldResources(state.holdings)].map(({ name }) => name);
    forget(state, [...names, ...state.unsure, ...state.dirty, ...state.forced]);
  }
  for (const name of change.answer) state.forced.add(name);
  if (change.wildcardAsked) {
    state.respond = true;
    // Asked for again while on: the client may have dropped everything in between (R29).
    if (state.answered) for (const name of stream.view.names(state.type)) state.forced.add(name);
    else state.unseen = true;
  }
}

/** initial_resource_versions: equal ones are known, unequal or vanished ones are settled by the first response (R38, R39). */
function resumeDelta(stream: StreamState, state: TypeState, request: DeltaRequest): void {
  if (request.versions.size === 0) return;
  state.resumed = true;
  for (const [name, version] of request.versions) {
    // A virtual host that no name leads to any more is held all the same.
    if (!covers(state, name) && state.links === undefined) continue;
    const resource = seen(stream.view, state, name);
    if (resource?.version === version && covers(state, name)) hold(state.holdings, resource);
    else {
      state.unsure.add(name);
      state.dirty.add(name);
    }
  }
  // It has its resources: nothing has to be said if nothing differs.
  if (state.subscription.wildcard) state.respond = false;
}

/** version_info of an earlier stream: trusted only for a lone wildcard over a complete set (R41). */
function resumeSotw(stream: StreamState, state: TypeState, request: SotwRequest): void {
  if (request.versionInfo === '') return;
  state.resumed = true;
  // It may have any of them, in a version that nothing tells.
  for (const name of state.forced) state.unsure.add(name);
  const { wildcard, names } = state.subscription;
  if (!wildcard || names.size > 0) return;
  if (!isFullType(state.type)) return;
  const set = stream.options.messages.fullSet(stream.view, state.type);
  if (set.names.length === 0 || set.version !== request.versionInfo) return;
  holdExactly(state.holdings, set.byName);
  state.dirty.clear();
  state.unseen = false;
  state.respond = false;
}
