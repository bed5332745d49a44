// What one stream knows of one type: what is wanted, what the client holds, what is on its way, what it refused.
// It must not know the message formats. Invariant: at most one un-acknowledged message (`flight`); the maps hold
// references to shared Resource records, never copies.
import type { View } from '../resources/resource.ts';
import { type TypeUrl, typeUrls } from '../resources/type-urls.ts';
import { createHoldings, type Holdings, held, release } from './holdings.ts';
import type { Message } from './responses.ts';
import { SparseMap, SparseSet } from './sparse.ts';
import { createSubscription, type Subscription } from './subscription.ts';
import { createHostLinks, type HostLinks } from './virtual-hosts.ts';

export interface Flight {
  readonly message: Message;
  /** Names whose content the client did not have before. */
  readonly touched: readonly string[];
  /** Names that were due whether or not they changed: where one is refused, its last good content is due instead. */
  readonly asked?: readonly string[];
  /** Held content that the client may have lost, sent again (R14). */
  readonly again?: readonly string[];
  /** It tries the first group of `trials`. */
  readonly trial: boolean;
}

export interface TypeState {
  readonly type: TypeUrl;
  readonly subscription: Subscription;
  /** Virtual hosts only: the other sets here hold their own names. */
  readonly links: HostLinks | undefined;
  /** Last content the client acknowledged, by name. */
  readonly holdings: Holdings;
  /** Names the client may hold in a version we do not know (R14, R38). */
  readonly unsure: SparseSet;
  /** Of those, what a refused message of several made so: the client has what was held before, or what was in it. */
  readonly suspected: SparseSet;
  /** Names to be compared with the view. */
  readonly dirty: SparseSet;
  /** Names to be sent even if unchanged. */
  readonly forced: SparseSet;
  /** Rejected version by name: held at last good until the content changes (R13). */
  readonly pinned: SparseMap<string>;
  /** The client's words about each pinned name. */
  readonly reasons: SparseMap<string>;
  /** Groups of a rejected message, sent one by one to find the bad resource. */
  trials: string[][];
  flight: Flight | undefined;
  /** A message whose answer took too long; a late NACK still counts. */
  overdue: Flight | undefined;
  /** Nonces of later messages have a greater sequence (R6). */
  lastSequence: number;
  lastNonce: string;
  /** The wildcard is on and nothing it covers was compared yet: as if every name were in `dirty`. */
  unseen: boolean;
  /** A response is due even if it is empty (R36), or equal (SotW, new names). */
  respond: boolean;
  /** The client came with state from an earlier stream. */
  resumed: boolean;
  /** At least one response was sent on this stream. */
  answered: boolean;
  ackTimer: boolean;
}

export function createTypeState(type: TypeUrl): TypeState {
  return {
    type,
    subscription: createSubscription(),
    links: type === typeUrls.virtualHost ? createHostLinks() : undefined,
    holdings: createHoldings(),
    unsure: new SparseSet(),
    suspected: new SparseSet(),
    dirty: new SparseSet(),
    forced: new SparseSet(),
    pinned: new SparseMap(),
    reasons: new SparseMap(),
    trials: [],
    flight: undefined,
    overdue: undefined,
    lastSequence: 0,
    lastNonce: '',
    unseen: false,
    respond: false,
    resumed: false,
    answered: false,
    ackTimer: false,
  };
}

/** Types whose SotW response is the complete set (R23). */
export function isFullType(type: TypeUrl): boolean {
  return type === typeUrls.cluster || type === typeUrls.listener || type === typeUrls.scopedRoutes;
}

/** True if the subscription covers the name. The wildcard covers every name of the type. */
export function covers({ subscription, links }: TypeState, name: string): boolean {
  return subscription.wildcard || (links === undefined ? subscription.names : links.namesOf).has(name);
}

/** True if the client has, or may have, the name. */
export function holds(state: TypeState, name: string): boolean {
  return held(state.holdings, name) !== undefined || state.unsure.has(name);
}

/** True if something waits to be compared or sent. */
export function hasMarks(state: TypeState): boolean {
  return state.dirty.size > 0 || state.forced.size > 0 || state.respond || state.unseen || state.trials.length > 0;
}

/**
 * True if the client is to have what every client of its view has, as far as it is not marked: nothing the view has is
 * refused or uncertain, and all it asked for is everything.
 */
export function isOrdinary({ type, subscription, pinned, unsure, trials }: TypeState, view: View): boolean {
  if (!subscription.wildcard || subscription.names.size + unsure.size + trials.length > 0) return false;
  for (const [name, rejected] of pinned) if (view.get(type, name)?.version === rejected) return false;
  return true;
}

/** Forgets what a client that dropped these names holds (R25). */
export function forget(state: TypeState, names: Iterable<string>): void {
  for (const name of names) {
    if (covers(state, name)) continue;
    release(state.holdings, name);
    state.unsure.delete(name);
    state.dirty.delete(name);
    state.forced.delete(name);
  }
}
