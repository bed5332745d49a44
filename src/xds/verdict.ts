// What an ACK or NACK says of the resources in a message, and how a bad one is found among many.
// It must not know when things are sent. Invariant: after a NACK the same message is never sent again; each rejected group
// is halved until one resource is left, which is pinned at its last good version: at most 2n messages for n resources.
import { typeUrls } from '../resources/type-urls.ts';
import { held, hold, holdExactly, release } from './holdings.ts';
import type { ErrorDetail } from './requests.ts';
import { isUnresolved } from './responses.ts';
import { covers, type Flight, holds, isFullType, type TypeState } from './type-state.ts';

/** The client has the message's content. */
export function accept(state: TypeState, flight: Flight): void {
  landed(state, flight);
  if (flight.trial) nextTrial(state);
}

/** Records the message's content as held. */
function landed(state: TypeState, { message }: Flight): void {
  // A complete set under a wildcard is all the client has, whatever it had before.
  if (message.version !== '' && isFullType(state.type) && state.subscription.wildcard) {
    holdExactly(state.holdings, message.resources);
    state.unsure.clear();
    return;
  }
  const share = state.holdings.size === 0 && state.links === undefined && allCovered(state, message.resources.keys());
  if (share) holdExactly(state.holdings, message.resources);
  for (const [name, resource] of message.resources) {
    if (!share && covers(state, name) && !isUnresolved(resource)) hold(state.holdings, resource);
    state.unsure.delete(name);
  }
  for (const name of message.removed) {
    if (message.resources.has(name)) continue;
    release(state.holdings, name);
    // An Envoy does not drop a route configuration that it still uses: what it brought along may still be there.
    if (state.type !== typeUrls.routes) state.unsure.delete(name);
  }
  // What is not in a complete set the client has no more, whatever it had.
  if (message.version !== '' && isFullType(state.type)) state.unsure.clear();
}

function allCovered(state: TypeState, names: Iterable<string>): boolean {
  if (state.subscription.wildcard) return true;
  for (const name of names) if (!covers(state, name)) return false;
  return true;
}

/**
 * Draws the consequences of a NACK (R13, R14). `full` on SotW streams, where only what the message changed is suspect.
 * Names the client quotes in its error are tried apart from the others.
 */
export function reject(
  state: TypeState,
  flight: Flight,
  { error, full }: { readonly error: ErrorDetail; readonly full: boolean },
): void {
  const { message } = flight;
  if (flight.trial) state.trials.shift();
  const complete = full && isFullType(state.type);
  const brought = complete ? newIn(state, flight) : [...message.resources.keys()];
  const suspects = brought.filter((name) => covers(state, name));
  if (complete && isExplained(state, flight)) {
    for (const name of suspects) for (const marks of [state.unsure, state.dirty]) marks.add(name);
    return;
  }
  if (complete && !flight.trial && flight !== state.overdue && suspects.length > 0 && state.trials.length > 0) {
    // What is being looked for was in this set, too; what it had besides gets its own trial.
    state.trials.push(suspects);
    return;
  }
  const asked = (flight.asked ?? []).filter((name) => suspects.includes(name));
  // Nothing new was in it: sent again it would be refused again.
  if (complete && suspects.length === 0) state.unsure.clear();
  if (complete) doubt(state, flight);
  // What the client has let go of meanwhile may have been the bad one: then the last one is tried alone.
  const bad = suspects.length === 1 && brought.length === 1 ? suspects[0] : undefined;
  for (const name of suspects) {
    // Taken for held when its time ran out, or refused alone though it was sent unchanged: no last good one any more.
    const doubtful = name === bad || state.overdue?.touched.includes(name) === true;
    const taken = doubtful && held(state.holdings, name)?.version === message.versions.get(name);
    if (taken) release(state.holdings, name);
    if ((name === bad && !taken) || state.unsure.has(name)) continue;
    state.unsure.add(name);
    // What it had before it was taken for held, nobody knows any more.
    if (!taken) state.suspected.add(name);
  }
  if (bad !== undefined) {
    // Refused alone, it was not taken before either: the client has its last good content, or none.
    if (state.suspected.delete(bad)) state.unsure.delete(bad);
    // A client that came back with a complete set may have it in a version that nothing told.
    if (complete && state.resumed && held(state.holdings, bad) === undefined) state.unsure.add(bad);
    state.pinned.set(bad, message.versions.get(bad) ?? '');
    state.reasons.set(bad, error.message);
    // What warms waits for it, or was given up at the refusal: the last good content serves.
    // Asked for since, it is answered in any case: with its last good content, or as missing.
    if (asked.includes(bad) && held(state.holdings, bad) !== undefined) state.forced.add(bad);
    // A complete set without the bad one is due if it says anything new.
    state.dirty.add(bad);
  } else if (suspects.length > 0) {
    for (const name of asked) state.forced.add(name);
    const [left, right] = split(suspects, error.message);
    state.trials.unshift(...[left, right].filter((group) => group.length > 0));
  }
  if (!complete && suspects.length === 0) for (const name of message.removed) release(state.holdings, name);
  else
    for (const name of message.removed) {
      if (message.resources.has(name)) continue;
      if (!holds(state, name)) {
        // Said to be missing beside what was refused: it may not have been heard, and is waited for.
        if (!complete && covers(state, name)) state.forced.add(name);
        continue;
      }
      // Removals count though the message was refused (R14): the client may have it or not.
      state.unsure.add(name);
      state.dirty.add(name);
    }
}

/** What a complete set has that the client never acknowledged, be it that an earlier answer took too long. */
function newIn({ overdue }: TypeState, { message, touched }: Flight): string[] {
  const late = (overdue?.touched ?? []).filter(
    (name) => !touched.includes(name) && overdue?.message.versions.get(name) === message.versions.get(name),
  );
  return [...touched, ...late];
}

/** What was only taken for held, as its answer took too long, is no last good content beside a refusal. */
function doubt(state: TypeState, flight: Flight): void {
  const { overdue } = state;
  if (overdue === undefined || overdue === flight) return;
  for (const name of overdue.touched) {
    if (held(state.holdings, name)?.version !== overdue.message.versions.get(name)) continue;
    release(state.holdings, name);
    state.unsure.add(name);
  }
}

/** True if a late refusal of an earlier message found what is bad in this one. */
function isExplained({ pinned }: TypeState, { message }: Flight): boolean {
  for (const [name, rejected] of pinned) if (message.versions.get(name) === rejected) return true;
  return false;
}

function split(suspects: readonly string[], message: string): [string[], string[]] {
  const quoted = suspects.filter((name) => message.includes(name));
  if (quoted.length > 0 && quoted.length < suspects.length)
    return [suspects.filter((name) => !quoted.includes(name)), quoted];
  const middle = Math.ceil(suspects.length / 2);
  return [suspects.slice(0, middle), suspects.slice(middle)];
}

/** The group tried first is settled; the next one is due. */
export function nextTrial(state: TypeState): void {
  state.trials.shift();
}

/** Names that wait for their trial: until then the client keeps what it had. */
export function awaitingTrial(state: TypeState): ReadonlySet<string> {
  return new Set(state.trials.slice(1).flat());
}
