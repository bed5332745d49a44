// Which content of a name the client is to have now: the view's, or its last good one where that was refused.
// It must not know phases or message formats. Invariant: rejected content is never returned.
import type { Resource, View } from '../resources/resource.ts';
import { held } from './holdings.ts';
import type { TypeState } from './type-state.ts';

/** The content to send for the name; undefined if the view has none, or only rejected content and no last good. */
export function wanted(view: View, state: TypeState, name: string): Resource | undefined {
  const found = view.get(state.type, name);
  const resource = found?.byNameOnly === true && !state.subscription.names.has(name) ? undefined : found;
  const rejected = state.pinned.get(name);
  // Gone for a while or not: the same content would be refused again.
  if (rejected === undefined || resource === undefined) return resource;
  return resource.version === rejected ? held(state.holdings, name) : resource;
}
