// One xDS stream's state, the events it takes and the effects it gives, and the one way a message goes out.
// It must not know when anything is sent. Invariant: effects are data: sends, timers, notices and an end.
import type { ResourceRef, View } from '../resources/resource.ts';
import { type TypeUrl, typeUrls } from '../resources/type-urls.ts';
import type { XdsEvent } from './contract.ts';
import { type Gates, settle } from './gates.ts';
import { held } from './holdings.ts';
import type { DiscoveryRequest } from './requests.ts';
import type { Message, Messages } from './responses.ts';
import { covers, type Flight, type TypeState } from './type-state.ts';
import { hostsOf, noHostOf } from './virtual-hosts.ts';

type WithoutStream<T> = T extends { readonly streamId: number } ? Omit<T, 'streamId'> : never;
/** What control is told, without the stream's number, which the adapter knows. */
export type Notice = WithoutStream<
  Exclude<XdsEvent, { kind: 'open' | 'close' | 'due' | 'idle' | 'load' | 'load-end' }>
>;

/** `make`: gate A, waits for clusters. `break`: gate B, holds removals. Others: the answer to a type's message. */
export type TimerKey = 'make' | 'break' | TypeUrl;

export type StreamEvent =
  | { readonly kind: 'request'; readonly request: DiscoveryRequest }
  /** The view changed in these names; marks only, nothing is sent before `drain`. */
  | { readonly kind: 'changed'; readonly view: View; readonly changed: readonly ResourceRef[] }
  | { readonly kind: 'drain' }
  | { readonly kind: 'timeout'; readonly timer: TimerKey }
  /** The transport takes no more for now. */
  | { readonly kind: 'blocked' }
  | { readonly kind: 'writable' };

export type Effect =
  | { readonly kind: 'send'; readonly message: Message }
  | { readonly kind: 'start-timer'; readonly timer: TimerKey; readonly ms: number }
  | { readonly kind: 'stop-timer'; readonly timer: TimerKey }
  | { readonly kind: 'notice'; readonly notice: Notice }
  /** What the stream watches among the endpoints changed; the lists may repeat what is known. */
  | {
      readonly kind: 'watch';
      readonly watch: readonly string[];
      readonly unwatch: readonly string[];
      readonly wildcard: boolean;
    }
  /** A type we do not serve: left unanswered, the stream stays. */
  | { readonly kind: 'ignored'; readonly typeUrl: string }
  | { readonly kind: 'end'; readonly code: 'invalid-argument' | 'resource-exhausted'; readonly message: string };

export interface StreamLimits {
  /** Longest wait for a CDS ACK before routes go; above Envoy's initial_fetch_timeout of 15 s. */
  readonly makeMs: number;
  /** Longest time removals wait for listeners and routes. */
  readonly breakMs: number;
  /** Removals of clusters on a stream that carries only clusters wait this long, as its ACKs say nothing of routes. */
  readonly separateBreakMs: number;
  /** Longest wait for an answer while newer content waits. */
  readonly ackMs: number;
  /** Names one stream may be subscribed to, over all types. */
  readonly maxNames: number;
  /** Characters of those names together. */
  readonly maxNameCharacters: number;
}

export const defaultLimits: StreamLimits = {
  makeMs: 20_000,
  breakMs: 20_000,
  separateBreakMs: 3_000,
  ackMs: 30_000,
  maxNames: 200_000,
  maxNameCharacters: 32 * 1024 * 1024,
};

export interface StreamOptions {
  readonly variant: 'sotw' | 'delta';
  readonly aggregated: boolean;
  /** An empty first list means everything (R34): Envoy yes, gRPC clients no. */
  readonly legacyWildcard: boolean;
  readonly view: View;
  readonly messages: Messages;
  readonly limits: StreamLimits;
  /** The client is told of absent names by `resource_errors` where nothing else tells it (R57). */
  readonly resourceErrors?: boolean;
}

export interface StreamState {
  readonly options: StreamOptions;
  view: View;
  readonly types: Map<TypeUrl, TypeState>;
  /** The same, in the order of one change. */
  inOrder: readonly TypeState[];
  readonly gates: Gates;
  paused: boolean;
  /** Collects the effects of the current step. */
  effects: Effect[];
}

/** Puts a message on its way. */
export function send(stream: StreamState, state: TypeState, flight: Flight): void {
  const { message } = flight;
  state.flight = flight;
  state.lastSequence = message.sequence;
  state.lastNonce = message.nonce;
  state.answered = true;
  unpin(stream, state, message);
  stream.effects.push(
    { kind: 'send', message },
    {
      kind: 'notice',
      notice: {
        kind: 'sent',
        type: state.type,
        nonce: message.nonce,
        resources: message.versions,
        removed: message.removed,
        bytes: message.bytes.length,
      },
    },
  );
  if (state.type === typeUrls.cluster) for (const name of message.removed) settle(stream.gates.heldRemovals, name);
  if (state.type === typeUrls.cluster || state.type === typeUrls.listener) resendChildren(stream, flight);
  if (state.type === typeUrls.routes) resendHosts(stream, flight);
}

/** New content of a rejected name goes out: from here on that is what an answer is about. */
function unpin({ view }: StreamState, { type, pinned, reasons }: TypeState, message: Message): void {
  for (const [name, rejected] of pinned) {
    const sent = message.versions.get(name);
    // A last good version, sent again while the view's was refused, says nothing.
    if (sent === undefined || sent === rejected || sent !== view.get(type, name)?.version) continue;
    pinned.delete(name);
    reasons.delete(name);
  }
}

/**
 * The client drops or re-warms what belongs to a cluster or listener it just got: endpoints, secrets and routes that it
 * subscribes to are sent again, unasked (R46 to R49).
 */
function resendChildren(stream: StreamState, { message, touched, again = [] }: Flight): void {
  // Most first answers: nothing else was asked for yet.
  if (stream.types.size === 1) return;
  for (const name of [...touched, ...again]) {
    for (const dep of message.resources.get(name)?.deps ?? []) {
      const child = stream.types.get(dep.type);
      if (child === undefined || dep.type === typeUrls.cluster || !covers(child, dep.name)) continue;
      // Also what the view has no more, as long as the client needs it.
      const there = stream.view.get(dep.type, dep.name) ?? held(child.holdings, dep.name);
      if (there !== undefined) child.forced.add(dep.name);
    }
  }
}

/**
 * New content of a route configuration empties the client's table of its virtual hosts: all it asked for again. Where it
 * asked for none, a word that there is none, as its listener waits for one.
 */
function resendHosts(stream: StreamState, { touched }: Flight): void {
  const hosts = stream.types.get(typeUrls.virtualHost);
  if (hosts?.links === undefined) return;
  for (const routes of touched) {
    const there = hostsOf(hosts.links, routes).filter(
      (own) => stream.view.get(typeUrls.virtualHost, own) !== undefined,
    );
    for (const own of there.length > 0 ? there : [noHostOf(routes)]) hosts.forced.add(own);
  }
}
