// One xDS stream as a reducer: `step(stream, event)` returns effects as data. The state belongs to the one stream and is
// changed in place for speed; equal event sequences give equal effects, so a test drives it step by step without I/O.
// It must not know sockets, time or services. Invariant: effects are only sends, timers, notices and an end.
import { anyName, type ResourceRef } from '../resources/resource.ts';
import { isTypeUrl, type TypeUrl, typeUrls } from '../resources/type-urls.ts';
import { evaluateDelta } from './delta.ts';
import { createGates } from './gates.ts';
import { receive } from './request-handling.ts';
import { evaluateSotw } from './sotw.ts';
import type { Effect, StreamEvent, StreamOptions, StreamState, TimerKey } from './stream-state.ts';
import { expireBreak, expireMake, settleGates } from './transition.ts';
import { covers, hasMarks } from './type-state.ts';
import { accept } from './verdict.ts';
import { relink } from './virtual-hosts.ts';

/** Order of one change (R43): what is needed before what needs it. */
const sendOrder: readonly TypeUrl[] = [
  typeUrls.cluster,
  typeUrls.endpoints,
  typeUrls.secret,
  typeUrls.runtime,
  typeUrls.extension,
  typeUrls.listener,
  typeUrls.scopedRoutes,
  typeUrls.routes,
  typeUrls.virtualHost,
];

export function createStream(options: StreamOptions): StreamState {
  return {
    options,
    view: options.view,
    types: new Map(),
    inOrder: [],
    gates: createGates(),
    paused: false,
    effects: [],
  };
}

/** Takes one event and returns what is to be done, in order. */
export function step(stream: StreamState, event: StreamEvent): readonly Effect[] {
  stream.effects = [];
  switch (event.kind) {
    case 'request':
      if (!isServed(stream, event.request.typeUrl)) {
        stream.effects.push(
          event.request.typeUrl === ''
            ? { kind: 'end', code: 'invalid-argument', message: 'type_url is required on an aggregated stream' }
            : { kind: 'ignored', typeUrl: event.request.typeUrl },
        );
        return stream.effects;
      }
      receive(stream, event.request.typeUrl, event.request);
      if (stream.inOrder.length < stream.types.size)
        stream.inOrder = sendOrder.flatMap((type) => stream.types.get(type) ?? []);
      if (isOverLimit(stream)) {
        const { maxNames, maxNameCharacters } = stream.options.limits;
        const message = `more than ${maxNames} names, or ${maxNameCharacters} characters of them, are subscribed on one stream`;
        stream.effects = [{ kind: 'end', code: 'resource-exhausted', message }];
        return stream.effects;
      }
      break;
    case 'changed':
      stream.view = event.view;
      for (const { type, name } of event.changed) {
        const state = stream.types.get(type);
        if (state === undefined) continue;
        if (name === anyName)
          for (const own of state.links?.namesOf.keys() ?? state.subscription.names) state.dirty.add(own);
        else if (covers(state, name)) state.dirty.add(name);
      }
      relinkHosts(stream, event.changed);
      return stream.effects;
    case 'timeout':
      timeout(stream, event.timer);
      break;
    case 'blocked':
      stream.paused = true;
      return stream.effects;
    case 'writable':
      stream.paused = false;
      break;
    case 'drain':
      break;
  }
  drain(stream);
  return stream.effects;
}

/** Virtual hosts exist in delta only (R1). */
function isServed({ options }: StreamState, type: string): type is TypeUrl {
  return isTypeUrl(type) && (type !== typeUrls.virtualHost || options.variant === 'delta');
}

/** A name of a virtual host may lead to another one now. */
function relinkHosts({ types, view }: StreamState, changed: readonly ResourceRef[]): void {
  const state = types.get(typeUrls.virtualHost);
  if (state?.links === undefined || !changed.some(({ type }) => type === typeUrls.virtualHost)) return;
  for (const own of relink(state.links, view)) state.dirty.add(own);
}

/**
 * When a change of these resources can cause anything: never where none of their types is asked for; later where the
 * transport is to take a message first, or the client to answer one of that type, which has its time limit; else now.
 */
export function concern({ paused, types }: StreamState, changed: readonly ResourceRef[]): 'never' | 'later' | 'now' {
  let when: 'never' | 'later' = 'never';
  for (const { type } of changed) {
    const state = types.get(type);
    if (state === undefined) continue;
    if (!paused && (state.flight === undefined || !state.ackTimer)) return 'now';
    when = 'later';
  }
  return when;
}

/** True if nothing waits to be sent, for a gate or for the transport, and nothing waits for its answer. */
export function isIdle({ inOrder }: StreamState): boolean {
  for (const state of inOrder) if (state.flight !== undefined || hasMarks(state)) return false;
  return true;
}

function isOverLimit({ inOrder, options }: StreamState): boolean {
  let names = 0;
  let characters = 0;
  for (const { subscription } of inOrder) {
    names += subscription.names.size;
    characters += subscription.characters;
  }
  return names > options.limits.maxNames || characters > options.limits.maxNameCharacters;
}

function timeout(stream: StreamState, timer: TimerKey): void {
  if (timer === 'make') expireMake(stream);
  else if (timer === 'break') expireBreak(stream);
  else expireAnswer(stream, timer);
}

function expireAnswer(stream: StreamState, type: TypeUrl): void {
  const state = stream.types.get(type);
  if (state === undefined) return;
  state.ackTimer = false;
  const flight = state.flight;
  if (flight === undefined) return;
  // No answer ever (R16), or a very late one: go on as if it had been taken, but remember it for a late NACK.
  accept(state, flight);
  state.flight = undefined;
  // Of complete sets each is answered for what those before it brought, too.
  const touched = [...new Set([...(state.overdue?.touched ?? []), ...flight.touched])];
  state.overdue = { ...flight, touched, trial: false };
}

/** Sends what may be sent now, in order, one message a type at most. */
function drain(stream: StreamState): void {
  if (stream.paused) return;
  // Clusters come before what uses them, so they are judged again where a use of theirs went without a message.
  if (pass(stream) && stream.gates.breakWaits) pass(stream);
}

/** True if a type had nothing to say after all, which removals may have waited for. */
function pass(stream: StreamState): boolean {
  const { gates } = stream;
  gates.makeWaits = false;
  gates.breakWaits = false;
  let whole = true;
  let quieted = false;
  for (const state of stream.inOrder) {
    if (!hasMarks(state)) continue;
    if (state.flight === undefined) {
      if (stream.options.variant === 'delta') evaluateDelta(stream, state);
      else evaluateSotw(stream, state);
      quieted ||= state.flight === undefined && !hasMarks(state);
    } else {
      // Not judged in this pass: what it waited for, it still waits for.
      whole = false;
      gates.makeWaits ||= gates.makeRunning;
      gates.breakWaits ||= gates.breakRunning;
    }
    if (state.flight !== undefined && hasMarks(state) && !state.ackTimer) {
      state.ackTimer = true;
      stream.effects.push({ kind: 'start-timer', timer: state.type, ms: stream.options.limits.ackMs });
    }
  }
  settleGates(stream, whole);
  return quieted;
}
