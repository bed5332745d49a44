// What an ACK or NACK says of the resources in a message, and how a bad one is found among many.
// It must not know when things are sent. Invariant: after a NACK the same message is never sent again; each rejected group
// is halved until one resource is left, which is pinned at its last good version: at most 2n messages for n resources.
import { held, hold, holdExactly, release } from './holdings.ts';
import type { ErrorDetail } from './requests.ts';
import { isUnresolved } from './responses.ts';
import { covers, type Flight, isFullType, type TypeState } from './type-state.ts';

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
    state.unsure.delete(name);
  }
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
  const suspects = (complete ? flight.touched : [...message.resources.keys()]).filter((name) => covers(state, name));
  const asked = (flight.asked ?? []).filter((name) => suspects.includes(name));
  const bad = suspects.length === 1 ? suspects[0] : undefined;
  for (const name of suspects) {
    // Taken for held when its time ran out, or sent again unchanged: it is no last good one any more.
    if (held(state.holdings, name)?.version === message.versions.get(name)) release(state.holdings, name);
    if (name === bad || state.unsure.has(name)) continue;
    state.unsure.add(name);
    state.suspected.add(name);
  }
  if (bad !== undefined) {
    // Refused alone, it was not taken before either: the client has its last good content, or none.
    if (state.suspected.delete(bad)) state.unsure.delete(bad);
    state.pinned.set(bad, message.versions.get(bad) ?? '');
    state.reasons.set(bad, error.message);
    // What warms waits for it, or was given up at the refusal: the last good content serves.
    if (asked.includes(bad) && held(state.holdings, bad) !== undefined) state.forced.add(bad);
    else state.forced.delete(bad);
    // A complete set without the bad one is due if it says anything new.
    state.dirty.add(bad);
  } else if (suspects.length > 1) {
    for (const name of asked) state.forced.add(name);
    const [left, right] = split(suspects, error.message);
    state.trials.unshift(left, right);
  }
  if (complete) return;
  if (suspects.length === 0) for (const name of message.removed) release(state.holdings, name);
  else for (const name of message.removed) if (covers(state, name)) state.dirty.add(name);
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
