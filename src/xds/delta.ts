// The next delta response of a type: what changed, what was asked for, what is gone.
// It must not know wire formats. Invariant: no name is in both lists (R4); every subscribed name is answered, with its
// content or as removed (R29, R31); a removal waits until nothing the client holds needs it.
import type { Resource } from '../resources/resource.ts';
import { typeUrls } from '../resources/type-urls.ts';
import { held } from './holdings.ts';
import { isKept, isUnknownInUse, mayBreak, stays } from './removals.ts';
import { unresolvedHost } from './responses.ts';
import { type StreamState, send } from './stream-state.ts';
import { isUngated, lastGood, ready } from './transition.ts';
import { covers, holds, isOrdinary, type TypeState } from './type-state.ts';
import { nextTrial } from './verdict.ts';
import { withAliases } from './virtual-hosts.ts';
import { seen, wanted } from './wanted.ts';

/** Sends the next response, if there is anything to say and it may be said now. Marks that must wait stay. */
export function evaluateDelta(stream: StreamState, state: TypeState): void {
  while (state.trials.length > 0) {
    if (emit(stream, state, { names: state.trials[0] ?? [], trial: true })) return;
    nextTrial(state);
  }
  if (state.unseen && emitFirst(stream, state)) return;
  emit(stream, state, { names: marked(stream, state), trial: false });
  state.unseen = false;
}

/** The names to look at, each once. */
function marked({ view }: StreamState, { forced, dirty, unseen, type }: TypeState): Iterable<string> {
  if (forced.size === 0 && !unseen) return [...dirty];
  return new Set([...forced, ...dirty, ...(unseen ? view.names(type) : [])]);
}

/** The first answer to a wildcard of a client that has nothing: one message for all such streams. False if it is not. */
function emitFirst(stream: StreamState, state: TypeState): boolean {
  const bare =
    isOrdinary(state, stream.view) && state.holdings.size === 0 && state.forced.size === 0 && state.dirty.size === 0;
  // Endpoints change under a view, so that there is no set of them to share.
  if (!bare || !isUngated(stream, state) || state.type === typeUrls.endpoints) return false;
  const { messages } = stream.options;
  const set = messages.fullSet(stream.view, state.type);
  state.unseen = false;
  if (set.names.length === 0 && !state.respond) return true;
  state.respond = false;
  const message = messages.delta({ type: state.type, resources: set.resources, removed: [], set }, state.lastSequence);
  send(stream, state, { message, touched: set.names, trial: false });
  return true;
}

function emit(
  stream: StreamState,
  state: TypeState,
  { names, trial }: { readonly names: Iterable<string>; readonly trial: boolean },
): boolean {
  const upserts: Resource[] = [];
  const removed: string[] = [];
  const asked: string[] = [];
  let waits = false;
  for (const name of names) {
    const verdict = judge(stream, state, name);
    if (verdict === 'wait') {
      waits = true;
      if (!state.forced.has(name)) state.dirty.add(name);
      continue;
    }
    state.dirty.delete(name);
    const due = state.forced.delete(name);
    if (verdict === 'remove') removed.push(name);
    else if (verdict !== undefined) {
      upserts.push(state.links === undefined ? verdict : withAliases(state.links, verdict));
      if (due) asked.push(name);
      // Kept for now: to be looked at again.
      if (seen(stream.view, state, name) === undefined ? holds(state, name) : lastGood(stream, state, name) === verdict)
        state.dirty.add(name);
    }
  }
  // A first wildcard request is answered even if there is nothing (R36), unless content only waits for its gate.
  const responds = state.respond && !trial && !waits;
  if (upserts.length === 0 && removed.length === 0 && !responds) return false;
  if (!trial) state.respond = false;
  upserts.sort((a, b) => (a.name < b.name ? -1 : 1));
  removed.sort();
  const message = stream.options.messages.delta({ type: state.type, resources: upserts, removed }, state.lastSequence);
  send(stream, state, { message, touched: upserts.map(({ name }) => name), asked, trial });
  return true;
}

/** The content to send, `remove`, `wait` for a gate, or undefined: nothing to say. */
function judge(stream: StreamState, state: TypeState, name: string): Resource | 'remove' | 'wait' | undefined {
  const forced = state.forced.has(name);
  // Virtual hosts: an alias that leads elsewhere now, or a word that there is none.
  if (!covers(state, name)) return forced || holds(state, name) ? 'remove' : undefined;
  const resource = wanted(stream.view, state, name);
  if (resource === undefined) {
    if (forced && state.links !== undefined && !holds(state, name)) return unresolvedHost(name);
    // A route configuration brought along, in content we do not know, that a listener still names: not taken away early.
    if (state.type === typeUrls.routes && state.unsure.has(name) && !mayBreak(stream, state, name)) return 'wait';
    const warms = state.type === typeUrls.endpoints || state.type === typeUrls.secret;
    if (warms && isUnknownInUse(stream, state, name)) return undefined;
    if (forced && isKept(stream, state, name)) return held(state.holdings, name);
    // Told that there is none, Envoy puts what waits for it to use, and that answers nobody.
    if (forced && state.type === typeUrls.secret && !mayBreak(stream, state, name)) return undefined;
    if (forced) return 'remove';
    // Rejected without a last good one is not gone.
    if (!holds(state, name) || seen(stream.view, state, name) !== undefined) return undefined;
    return mayBreak(stream, state, name) ? 'remove' : 'wait';
  }
  stays(stream, state, name);
  if (!forced && !state.unsure.has(name) && held(state.holdings, name)?.version === resource.version) return undefined;
  if (ready(stream, state, resource)) return resource;
  return (forced ? lastGood(stream, state, name) : undefined) ?? 'wait';
}
