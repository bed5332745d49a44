// One connection of a model client to the reducer: both directions are queues, so that whatever can cross on a wire crosses.
// Checks every message as it is sent. Invariant: a broken law of the protocol throws where it breaks.
import type { ResourceRef, View } from '../../../src/resources/resource.ts';
import { isTypeUrl, shortNames, type TypeUrl } from '../../../src/resources/type-urls.ts';
import type { DiscoveryRequest } from '../../../src/xds/requests.ts';
import type { Message, Messages } from '../../../src/xds/responses.ts';
import { createStream, step } from '../../../src/xds/stream.ts';
import { defaultLimits, type Effect, type StreamEvent, type TimerKey } from '../../../src/xds/stream-state.ts';
import { bodyText } from './mesh.ts';

export interface ConnectionOptions {
  readonly variant: 'sotw' | 'delta';
  /** False: a stream per type, which know nothing of each other. */
  readonly aggregated: boolean;
  readonly legacyWildcard: boolean;
  readonly view: View;
  readonly messages: Messages;
  /** Told of every line of what happens, for the timeline of a failure. */
  readonly trace: (line: string) => void;
}

export interface Connection {
  /** The client's request sets off. */
  send(request: DiscoveryRequest): void;
  /** The client opens the type's stream anew; what was under way on it is lost. */
  restart(type: TypeUrl): void;
  /** The server takes the oldest request under way; false if there is none. */
  serve(): boolean;
  /** The client takes the oldest message under way. */
  receive(): Message | undefined;
  publish(view: View, changed: readonly ResourceRef[]): void;
  /** The server sends what the last publications left. */
  drain(): void;
  block(blocked: boolean): void;
  timers(): TimerKey[];
  fire(timer: TimerKey): void;
  /** Messages sent so far. */
  readonly sent: () => number;
  /** The server took a request of the type. */
  asked(type: TypeUrl): boolean;
}

interface Asked {
  readonly names: Set<string>;
  wildcard: boolean;
  first: boolean;
}

/** The subscription as the requests say it, kept apart from the server's own. */
function apply(asked: Asked, request: DiscoveryRequest, legacy: boolean): void {
  const { first } = asked;
  if (request.variant === 'sotw') {
    if (request.names.length === 0 && first) {
      asked.wildcard = legacy;
      return;
    }
    asked.first = false;
    asked.names.clear();
    for (const name of request.names) asked.names.add(name);
    asked.wildcard = asked.names.delete('*');
    return;
  }
  if (first && request.subscribe.length === 0) asked.wildcard = legacy;
  asked.first = false;
  for (const name of request.unsubscribe)
    if (name === '*') asked.wildcard = false;
    else asked.names.delete(name);
  for (const name of request.subscribe)
    if (name === '*') asked.wildcard = true;
    else asked.names.add(name);
}

export function createConnection(options: ConnectionOptions): Connection {
  const { variant, aggregated, legacyWildcard, messages, trace } = options;
  let view = options.view;
  const streams = new Map<string, ReturnType<typeof createStream>>();
  const asked = new Map<TypeUrl, Asked>();
  const nonces = new Set<string>();
  const answered = new Set<string>();
  const timers = new Map<string, { readonly stream: string; readonly timer: TimerKey }>();
  const unanswered = new Map<TypeUrl, string>();
  const toServer: DiscoveryRequest[] = [];
  const toClient: Message[] = [];
  let blocked = false;
  let sent = 0;

  const streamOf = (type: TypeUrl): string => (aggregated ? 'ads' : type);
  function obtain(key: string) {
    let stream = streams.get(key);
    if (stream === undefined) {
      stream = createStream({ variant, aggregated, legacyWildcard, view, messages, limits: defaultLimits });
      streams.set(key, stream);
      if (blocked) step(stream, { kind: 'blocked' });
    }
    return stream;
  }

  function check(message: Message): void {
    const { type, nonce, resources, removed } = message;
    const where = `${shortNames[type]} ${nonce}`;
    const subscription = asked.get(type);
    if (subscription === undefined) throw new Error(`${where}: never asked for`);
    if (!subscription.wildcard && subscription.names.size === 0) throw new Error(`${where}: nothing is subscribed`);
    if (nonce === '' || nonces.has(`${type} ${nonce}`)) throw new Error(`${where}: the nonce is not new`);
    nonces.add(`${type} ${nonce}`);
    if (unanswered.has(type)) throw new Error(`${where}: sent before ${unanswered.get(type)} was answered`);
    unanswered.set(type, nonce);
    const gone = variant === 'delta' ? removed : [];
    const all = [...resources.keys(), ...gone];
    if (new Set(all).size < all.length) throw new Error(`${where}: a name twice in ${all.join()}`);
    for (const name of all)
      if (!subscription.wildcard && !subscription.names.has(name)) throw new Error(`${where}: ${name} not asked for`);
  }

  function take(key: string, event: StreamEvent): void {
    // The effects belong to the stream and are reused: done with before the next step.
    for (const effect of step(obtain(key), event)) perform(key, effect);
  }

  function perform(stream: string, effect: Effect): void {
    if (effect.kind === 'send') {
      const { message } = effect;
      check(message);
      sent++;
      toClient.push(message);
      const gone = message.removed.filter((name) => !message.resources.has(name)).map((name) => `-${name}`);
      const lines = [...message.resources.values()].map(bodyText);
      trace(`    server: ${shortNames[message.type]} ${message.nonce} ${[...lines, ...gone].join(' ')}`);
    } else if (effect.kind === 'start-timer') timers.set(`${stream} ${effect.timer}`, { stream, timer: effect.timer });
    else if (effect.kind === 'stop-timer') timers.delete(`${stream} ${effect.timer}`);
    else if (effect.kind === 'end') throw new Error(`the server ends the stream: ${effect.message}`);
    else if (effect.kind === 'notice') {
      const { notice } = effect;
      if (notice.kind !== 'ack' && notice.kind !== 'nack') return;
      const key = `${notice.type} ${notice.nonce}`;
      if (answered.has(key)) throw new Error(`${key}: counted as answered twice`);
      answered.add(key);
    }
  }

  return {
    send(request) {
      toServer.push(request);
      const names =
        request.variant === 'sotw'
          ? request.names.join()
          : `+${request.subscribe.join()} -${request.unsubscribe.join()} has ${[...request.versions.keys()].join()}`;
      const type = isTypeUrl(request.typeUrl) ? shortNames[request.typeUrl] : request.typeUrl;
      trace(`  client: ${type} ${request.nonce} ${names} ${request.error?.message ?? ''}`);
    },
    restart(type) {
      const others = [toServer.filter(({ typeUrl }) => typeUrl !== type), toClient.filter((one) => one.type !== type)];
      toServer.splice(0, Infinity, ...(others[0] as DiscoveryRequest[]));
      toClient.splice(0, Infinity, ...(others[1] as Message[]));
      for (const [key, { stream }] of timers) if (stream === streamOf(type)) timers.delete(key);
      streams.delete(streamOf(type));
      asked.delete(type);
      unanswered.delete(type);
      for (const key of [...nonces]) if (key.startsWith(`${type} `)) nonces.delete(key);
      for (const key of [...answered]) if (key.startsWith(`${type} `)) answered.delete(key);
      trace(`  client opens ${shortNames[type]} anew`);
    },
    serve() {
      const request = toServer.shift();
      if (request === undefined || !isTypeUrl(request.typeUrl)) return false;
      const type = request.typeUrl;
      const subscription = asked.get(type) ?? { names: new Set(), wildcard: false, first: true };
      asked.set(type, subscription);
      apply(subscription, request, legacyWildcard);
      if (request.nonce === unanswered.get(type)) unanswered.delete(type);
      trace(`    server takes ${shortNames[type]} ${request.nonce}`);
      take(streamOf(type), { kind: 'request', request });
      return true;
    },
    receive() {
      const message = toClient.shift();
      if (message !== undefined) trace(`  client takes ${shortNames[message.type]} ${message.nonce}`);
      return message;
    },
    publish(next, changed) {
      view = next;
      for (const key of streams.keys()) take(key, { kind: 'changed', view, changed });
    },
    drain() {
      for (const key of streams.keys()) take(key, { kind: 'drain' });
    },
    block(next) {
      blocked = next;
      for (const key of streams.keys()) take(key, { kind: next ? 'blocked' : 'writable' });
    },
    timers: () => [...new Set([...timers.values()].map(({ timer }) => timer))],
    fire(timer) {
      for (const [key, one] of timers) {
        if (one.timer !== timer) continue;
        timers.delete(key);
        trace(`    server: time limit ${timer} of ${one.stream}`);
        if (isTypeUrl(timer)) unanswered.delete(timer);
        take(one.stream, { kind: 'timeout', timer });
        return;
      }
    },
    sent: () => sent,
    asked: (type) => asked.has(type),
  };
}
