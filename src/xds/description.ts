// What a stream says of itself when asked: each subscribed resource, and how far the client is with it.
// It changes nothing and must not know who asks. Invariants: it follows from the stream's state alone; of a secret it never
// has the content.
import type { ResourceConfig } from './contract.ts';
import { held, heldResources } from './holdings.ts';
import { shown } from './secrets.ts';
import type { StreamState } from './stream-state.ts';
import { covers, type TypeState } from './type-state.ts';

/** Resources told in answer to one question; who gets more than that is to ask about fewer clients. */
export const maxDescribed = 200_000;

/** Everything the client is subscribed to or still holds, by type in the order asked for, names sorted. */
export function describe(stream: StreamState): readonly ResourceConfig[] {
  return [...stream.types.values()].flatMap((state) => {
    const names = new Set(state.subscription.names);
    if (state.subscription.wildcard) for (const name of stream.view.names(state.type)) names.add(name);
    const others = state.links === undefined ? heldResources(state.holdings) : [];
    for (const { name } of others) if (covers(state, name)) names.add(name);
    return [...names].sort().map((name) => describeName(stream, state, name));
  });
}

function describeName({ view }: StreamState, state: TypeState, name: string): ResourceConfig {
  const { type } = state;
  const resource = view.get(type, name);
  const own = state.links?.ownOf.get(name) ?? name;
  const has = held(state.holdings, own);
  const told = { type, name, resource: shown(resource), held: has?.version ?? '' };
  if (resource === undefined) {
    const leaving = state.flight?.message.removed.includes(name) === true;
    return { ...told, status: leaving ? 'stale' : 'not-sent' };
  }
  if (state.pinned.get(own) === resource.version)
    return { ...told, status: 'error', reason: state.reasons.get(own) ?? '' };
  const unsure = state.unsure.has(own);
  // Complete sets repeat what the client has.
  if (!unsure && has?.version === resource.version) return { ...told, status: 'synced' };
  // Unsure: it was in a refused message, and its own part in that is not known yet.
  const sent = state.flight?.message.versions.get(own) === resource.version || (unsure && state.answered);
  return { ...told, status: sent ? 'stale' : 'not-sent' };
}
