// Which content of a name the client is to have now: the view's, or its last good one where that was refused.
// It must not know phases or message formats. Invariant: rejected content is never returned.
import type { Resource, View } from '../resources/resource.ts';
import { held } from './holdings.ts';
import type { TypeState } from './type-state.ts';

/** What the view has of the name for this subscription: a wildcard does not cover what is to be named. */
export function seen(view: View, { type, subscription }: TypeState, name: string): Resource | undefined {
  const resource = view.get(type, name);
  return resource?.byNameOnly === true && !subscription.names.has(name) ? undefined : resource;
}

/** The content to send for the name; undefined if the view has none, or only rejected content and no last good. */
export function wanted(view: View, state: TypeState, name: string): Resource | undefined {
  const resource = seen(view, state, name);
  const rejected = state.pinned.get(name);
  // Gone for a while or not: the same content would be refused again.
  if (rejected === undefined || resource === undefined) return resource;
  return resource.version === rejected ? held(state.holdings, name) : resource;
}
