// The next state-of-the-world response of a type: the complete set for clusters and listeners, else what is new.
// It must not know wire formats. Invariant: in a complete set absence is deletion (R23), so what must not go yet, because a
// route still needs it or its new content was refused, is in the set as the client holds it (R45).
import type { Resource } from '../resources/resource.ts';
import { typeUrls } from '../resources/type-urls.ts';
import { held, heldResources } from './holdings.ts';
import { isKept, isUnknownInUse, mayBreak, stays } from './removals.ts';
import { emptyAssignment } from './responses.ts';
import { type StreamState, send } from './stream-state.ts';
import { isEmpty } from './subscription.ts';
import { isUngated, lastGood, ready } from './transition.ts';
import { covers, isFullType, isOrdinary, type TypeState } from './type-state.ts';
import { awaitingTrial, nextTrial } from './verdict.ts';
import { seen, wanted } from './wanted.ts';
import { withdrawn } from './withdrawal.ts';

/** Sends the next response, if there is anything to say and it may be said now. Marks that must wait stay. */
export function evaluateSotw(stream: StreamState, state: TypeState): void {
  if (isEmpty(state.subscription)) {
    state.dirty.clear();
    state.forced.clear();
    state.trials = [];
    state.respond = false;
    state.unseen = false;
    return;
  }
  while (state.trials.length > 0) {
    const names = state.trials[0] ?? [];
    if (isFullType(state.type) ? emitFull(stream, state, true) : emitPart(stream, state, { names, trial: true }))
      return;
    nextTrial(state);
  }
  if (!isFullType(state.type)) {
    const all = state.unseen ? stream.view.names(state.type) : [];
    state.unseen = false;
    emitPart(stream, state, { names: new Set([...state.forced, ...state.dirty, ...all]), trial: false });
  } else if (!isOrdinary(state, stream.view) || !emitShared(stream, state)) emitFull(stream, state, false);
}

/**
 * The complete set of the view, where only marked names can differ from it: costs what changed, not what there is.
 * False if something of it must wait, so that this stream needs a set of its own.
 */
function emitShared(stream: StreamState, state: TypeState): boolean {
  const { messages } = stream.options;
  const set = messages.fullSet(stream.view, state.type);
  let touched: readonly string[] = set.names;
  const removed: string[] = [];
  if (state.unseen) {
    if (state.holdings.size > 0 || !isUngated(stream, state)) return false;
  } else {
    const changed: string[] = [];
    for (const name of state.dirty.size === 0 ? state.forced : new Set([...state.forced, ...state.dirty])) {
      const has = held(state.holdings, name);
      const resource = set.byName.get(name);
      if (resource !== undefined) stays(stream, state, name);
      if (resource?.version === has?.version) continue;
      if (resource === undefined ? !mayBreak(stream, state, name) : !ready(stream, state, resource)) return false;
      if (resource === undefined) removed.push(name);
      else changed.push(name);
    }
    touched = changed;
  }
  const due = state.forced.size > 0 || state.respond;
  state.forced.clear();
  state.dirty.clear();
  state.unseen = false;
  if (!due && touched.length === 0 && removed.length === 0) return true;
  state.respond = false;
  const content = { type: state.type, resources: set.resources, removed: removed.sort(), set };
  send(stream, state, { message: messages.sotw(content, state.lastSequence), touched, trial: false });
  return true;
}

/** The complete set: what is wanted, and what the client keeps for now. */
function emitFull(stream: StreamState, state: TypeState, trial: boolean): boolean {
  const resources: Resource[] = [];
  const touched: string[] = [];
  const again: string[] = [];
  const waiting: string[] = [];
  const awaiting = awaitingTrial(state);
  const names = new Set(state.subscription.names);
  if (state.subscription.wildcard) for (const name of stream.view.names(state.type)) names.add(name);
  for (const { name } of heldResources(state.holdings)) if (covers(state, name)) names.add(name);
  for (const name of [...names].sort()) {
    const has = held(state.holdings, name);
    let resource = awaiting.has(name) ? has : wanted(stream.view, state, name);
    if (resource !== undefined) stays(stream, state, name);
    const gone = has !== undefined && seen(stream.view, state, name) === undefined;
    if (gone && resource === undefined && !mayBreak(stream, state, name)) {
      waiting.push(name);
      resource = has;
    } else if (resource !== undefined && resource.version !== has?.version && !ready(stream, state, resource)) {
      waiting.push(name);
      resource = has;
    }
    if (resource === undefined) continue;
    resources.push(resource);
    if (resource.version !== has?.version) touched.push(name);
    else if (state.unsure.has(name)) again.push(name);
  }
  const kept = new Set(resources.map(({ name }) => name));
  // What the client may have taken from a refused set, and is not to have, only a set without it takes away (R14).
  const { view } = stream;
  const stray = [...state.unsure].some((name) => !kept.has(name) && seen(view, state, name) === undefined);
  const due = stray || (!trial && again.length > 0) || state.forced.size > 0 || state.respond;
  state.forced.clear();
  state.dirty.clear();
  state.unseen = false;
  for (const name of waiting) state.dirty.add(name);
  if (!due && touched.length === 0 && resources.length === state.holdings.size) return false;
  // A first answer that would be empty only because its content waits is no answer yet.
  if (resources.length === 0 && waiting.length > 0 && state.holdings.size === 0) {
    state.respond = due;
    return false;
  }
  state.respond = false;
  const removed = [...heldResources(state.holdings)].flatMap(({ name }) => (kept.has(name) ? [] : [name]));
  const message = stream.options.messages.sotw({ type: state.type, resources, removed }, state.lastSequence);
  send(stream, state, { message, touched, again, trial });
  return true;
}

/** Only what is new, changed or asked for; deletion happens through the parent. */
function emitPart(
  stream: StreamState,
  state: TypeState,
  { names, trial }: { readonly names: Iterable<string>; readonly trial: boolean },
): boolean {
  const resources: Resource[] = [];
  const asked: string[] = [];
  const missing: string[] = [];
  for (const name of names) {
    const resource = covers(state, name) ? part(stream, state, name) : undefined;
    if (resource === 'wait') {
      if (!state.forced.has(name)) state.dirty.add(name);
      continue;
    }
    state.dirty.delete(name);
    const forced = state.forced.delete(name);
    if (forced) asked.push(name);
    // Said again as it was: the new content is still due.
    if (resource !== undefined && lastGood(stream, state, name) === resource) state.dirty.add(name);
    if (resource !== undefined) resources.push(resource);
    // Told once, as the answer to the request: the client need not wait out its timer.
    else if (forced && stream.options.resourceErrors === true) missing.push(name);
  }
  if (!trial) state.respond = false;
  if (resources.length === 0 && missing.length === 0) return false;
  missing.sort();
  resources.sort((a, b) => (a.name < b.name ? -1 : 1));
  const content = { type: state.type, resources, removed: [], missing };
  const message = stream.options.messages.sotw(content, state.lastSequence);
  send(stream, state, { message, touched: resources.map(({ name }) => name), asked, trial });
  return true;
}

function part(stream: StreamState, state: TypeState, name: string): Resource | 'wait' | undefined {
  const resource = wanted(stream.view, state, name);
  const forced = state.forced.has(name);
  if (resource === undefined) {
    if (forced && isKept(stream, state, name)) return held(state.holdings, name);
    if (isUnknownInUse(stream, state, name)) return undefined;
    // An EDS request left unanswered keeps its cluster from ever warming (R40).
    if (state.type !== typeUrls.endpoints) return undefined;
    return forced ? emptyAssignment(name) : withdrawn(stream, state, name);
  }
  if (!forced && !state.unsure.has(name) && held(state.holdings, name)?.version === resource.version) return undefined;
  if (ready(stream, state, resource)) return resource;
  return (forced ? lastGood(stream, state, name) : undefined) ?? 'wait';
}
