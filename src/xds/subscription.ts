// What one client wants of one type on one stream: the wildcard state machine of the xDS protocol, for both variants.
// It must not know resources. Invariant: `[""]` is a name like any other; "*" is the only wildcard (R34).
import type { NameList } from './name-lists.ts';

export interface Subscription {
  /** Explicit names, without "*". It may be shared with other streams: replaced, or copied before it is changed. */
  names: ReadonlySet<string>;
  /** Of all names together. */
  characters: number;
  wildcard: boolean;
  /** An explicit name or "*" was sent before: an empty list then means nothing, not everything. */
  named: boolean;
  /** The last list of a SotW client, to tell by identity that it repeats itself. */
  list: readonly string[] | undefined;
  /** `names`, where it is this subscription's alone. */
  own: Set<string> | undefined;
}

export interface SubscriptionChange {
  /** Names to be answered, whatever the client has (R24, R25, R29, R35). */
  readonly answer: readonly string[];
  /** Explicit names no longer wanted. */
  readonly dropped: readonly string[];
  /** The wildcard was switched on, or asked for anew. */
  readonly wildcardAsked: boolean;
  readonly wildcardDropped: boolean;
}

const noNames: ReadonlySet<string> = new Set();

export function createSubscription(): Subscription {
  return { names: noNames, characters: 0, wildcard: false, named: false, list: undefined, own: undefined };
}

/** True if nothing is wanted: such a type is never sent to (R16). */
export function isEmpty(subscription: Subscription): boolean {
  return !subscription.wildcard && subscription.names.size === 0;
}

const noChange: SubscriptionChange = { answer: [], dropped: [], wildcardAsked: false, wildcardDropped: false };

function charactersOf(names: Iterable<string>): number {
  let sum = 0;
  for (const name of names) sum += name.length;
  return sum;
}

/** Names a client sent, and where they are known, the set of them that all streams share. */
export interface SentNames {
  readonly names: readonly string[];
  readonly list?: NameList | undefined;
}

/**
 * Applies the complete list of a SotW request (R22). `legacy`: an empty list before any explicit name means everything.
 */
export function applySotw(
  subscription: Subscription,
  { names, list }: SentNames,
  { legacy }: { readonly legacy: boolean },
): SubscriptionChange {
  const before = subscription.wildcard;
  if (names.length === 0 && !subscription.named) {
    subscription.wildcard = legacy;
    return { answer: [], dropped: [], wildcardAsked: legacy && !before, wildcardDropped: false };
  }
  if (names === subscription.list) return noChange;
  subscription.list = names;
  subscription.named = true;
  let wanted = list?.set() ?? new Set(names);
  const wildcard = wanted.has('*');
  if (wildcard) wanted = new Set(names.filter((name) => name !== '*'));
  const answer = [...wanted].filter((name) => !subscription.names.has(name));
  const dropped = [...subscription.names].filter((name) => !wanted.has(name));
  subscription.names = wanted;
  subscription.characters += charactersOf(answer) - charactersOf(dropped);
  subscription.wildcard = wildcard;
  return { answer, dropped, wildcardAsked: wildcard && !before, wildcardDropped: before && !wildcard };
}

/** The names as a set that may be changed. */
function ownNames(subscription: Subscription): Set<string> {
  subscription.own ??= new Set(subscription.names);
  subscription.names = subscription.own;
  return subscription.own;
}

/**
 * Applies the increments of a delta request (R28 to R30, R35). `first`: the first request of the type on the stream;
 * `legacy`: an empty first subscribe means everything.
 */
export function applyDelta(
  subscription: Subscription,
  change: {
    readonly subscribe: readonly string[];
    readonly unsubscribe: readonly string[];
    readonly list?: NameList | undefined;
  },
  { first, legacy }: { readonly first: boolean; readonly legacy: boolean },
): SubscriptionChange {
  const before = subscription.wildcard;
  const answer = new Set<string>();
  const dropped: string[] = [];
  let asked = false;
  if (first && change.subscribe.length === 0 && legacy) {
    subscription.wildcard = true;
    asked = true;
  }
  for (const name of change.unsubscribe) {
    if (name === '*') subscription.wildcard = false;
    else if (subscription.names.has(name)) {
      ownNames(subscription).delete(name);
      subscription.characters -= name.length;
      dropped.push(name);
    }
  }
  const shared = subscription.names.size === 0 ? change.list?.set() : undefined;
  if (shared !== undefined && !shared.has('*')) {
    subscription.named = true;
    subscription.names = shared;
    subscription.characters = charactersOf(shared);
    subscription.own = undefined;
    const answer =
      dropped.length > 0 && subscription.wildcard ? [...new Set([...dropped, ...shared])] : change.subscribe;
    return { answer, dropped, wildcardAsked: asked, wildcardDropped: before && !subscription.wildcard };
  }
  for (const name of change.subscribe) {
    subscription.named = true;
    if (name === '*') {
      subscription.wildcard = true;
      asked = true;
    } else {
      if (!subscription.names.has(name)) {
        ownNames(subscription).add(name);
        subscription.characters += name.length;
      }
      answer.add(name);
    }
  }
  // A name that was explicit beside the wildcard: the client cannot know what it is to have now, so tell (R35).
  if (subscription.wildcard) for (const name of dropped) answer.add(name);
  return { answer: [...answer], dropped, wildcardAsked: asked, wildcardDropped: before && !subscription.wildcard };
}
