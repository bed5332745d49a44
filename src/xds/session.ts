// One gRPC stream as an xDS stream: decodes requests, steps the reducer, does its effects, honours back-pressure.
// It must not know transports, services or other streams. Invariant: nothing a client sends, and no fault of ours while
// serving it, ends more than this stream; after the end nothing of it is retained.
import type { ResourceRef } from '../resources/resource.ts';
import { isTypeUrl, typeUrls } from '../resources/type-urls.ts';
import type { Clock, Timer } from '../util/clock.ts';
import type { Logger } from '../util/log.ts';
import type {
  ClientConfig,
  ClientInfo,
  Opened,
  Refusal,
  ViewProvider,
  ViewSubscription,
  XdsEvent,
} from './contract.ts';
import { describe } from './description.ts';
import { createEarlyMessages, type EarlyMessages, tooEarly } from './early-messages.ts';
import { endOf } from './fence.ts';
import type { StreamMethod } from './methods.ts';
import type { NameLists } from './name-lists.ts';
import { isGrpcLibrary } from './node.ts';
import { changeOfNode } from './node-binding.ts';
import { introduced } from './opening.ts';
import { createOutlet } from './outlet.ts';
import type { Pump } from './pump.ts';
import { createRequestReader } from './request-reader.ts';
import type { DiscoveryRequest } from './requests.ts';
import type { Messages } from './responses.ts';
import type { SecretRule } from './secrets.ts';
import type { Sink, StatusName, StreamListener } from './sink.ts';
import type { Stalls } from './stalls.ts';
import { concern, createStream, isIdle, step } from './stream.ts';
import type { Effect, StreamEvent, StreamLimits, StreamState, TimerKey } from './stream-state.ts';
import type { Watcher, Watchers } from './watchers.ts';

export interface SessionDeps {
  readonly clock: Clock;
  readonly log: Logger;
  readonly provider: ViewProvider;
  readonly onEvent: (event: XdsEvent) => void;
  readonly messages: Messages;
  readonly pump: Pump;
  /** Of endpoints. */
  readonly watchers: Watchers<readonly ResourceRef[]>;
  readonly nameLists: NameLists;
  /** Undefined where nobody is asked who it is. */
  readonly secrets: SecretRule | undefined;
  readonly limits: StreamLimits;
  readonly stalls: Stalls;
  /** A client that takes nothing for so long is cut off. */
  readonly blockedMs: number;
  /** A stream without a first message is ended after so long. */
  readonly openMs: number;
}

/** Why a stream ended: what is counted. The words beside it are for the log. */
export type EndCause =
  | 'client-ended'
  | 'client-gone'
  | 'silent'
  | 'blocked'
  | 'invalid'
  | 'refused'
  | 'unauthenticated'
  | 'expired'
  | 'revoked'
  | 'over-limit'
  | 'stopping'
  | 'aged'
  | 'internal';

export interface Session extends StreamListener {
  /** Ends the stream with UNAVAILABLE. */
  stop(message: string, cause: 'stopping' | 'aged'): void;
  /** True once a response was sent. */
  answered(): boolean;
  /** Whose stream it is; undefined until it was taken. */
  client(): ClientInfo | undefined;
  /** What the client has, wants and refused; undefined until the stream was taken. */
  describe(): ClientConfig | undefined;
}

export interface SessionOptions {
  readonly id: number;
  readonly method: StreamMethod;
  readonly onEnd: (cause: EndCause, reason: string) => void;
}

const refusalCauses: Readonly<Partial<Record<Refusal['refused'], EndCause>>> = {
  'invalid-argument': 'invalid',
  'resource-exhausted': 'over-limit',
};

const drainEvent = { kind: 'drain' } as const;
/** Changes kept for a stream before they become marks. */
const maxPending = 64;

/** Serves the stream until it ends; `onEnd` is called once. */
export function createSession(deps: SessionDeps, sink: Sink, { id, method, onEnd }: SessionOptions): Session {
  const timers = new Map<TimerKey, Timer>();
  const read = createRequestReader(method, deps.nameLists);
  const withoutSecrets = deps.secrets?.ofStream(sink);
  let stream: StreamState | undefined;
  let client: ClientInfo | undefined;
  let subscription: ViewSubscription | undefined;
  let watcher: Watcher | undefined;
  /** Requests that came while the view is opened or learns of names; undefined at all other times. */
  let waiting: EarlyMessages | undefined;
  let ended = false;
  let halfClosed = false;
  /** What changed for the stream and the reducer has not been told: it is told all at once when next asked for anything. */
  let pending: (readonly ResourceRef[])[] = [];
  const openTimer = deps.clock.after(deps.openMs, () =>
    fail('deadline-exceeded', { details: `no request came within ${deps.openMs} ms`, cause: 'silent' }),
  );

  function end(cause: EndCause, reason: string): void {
    if (ended) return;
    ended = true;
    for (const timer of timers.values()) timer.cancel();
    timers.clear();
    outlet.close();
    openTimer.cancel();
    deps.pump.remove(pumped);
    subscription?.close();
    watcher?.leave(stream?.types.get(typeUrls.endpoints)?.subscription.names ?? []);
    if (stream !== undefined) deps.onEvent({ kind: 'close', streamId: id, reason });
    stream = undefined;
    pending = [];
    client = undefined;
    subscription = undefined;
    waiting = undefined;
    onEnd(cause, reason);
  }

  function fail(status: StatusName, { details, cause }: { readonly details: string; readonly cause: EndCause }): void {
    if (ended) return;
    end(cause, details);
    sink.end(status, details);
  }

  /** The fence: whatever is thrown ends this stream only. */
  function fenced(action: () => void): void {
    if (ended) return;
    try {
      action();
    } catch (error) {
      broken(error);
    }
  }

  function broken(error: unknown): void {
    const { status, details } = endOf(error, { log: deps.log, stream: id, what: 'a discovery request' });
    fail(status, { details, cause: status === 'internal' ? 'internal' : 'invalid' });
  }

  /** Steps the reducer and does the effects; returns the bytes written. */
  function take(event: StreamEvent): number {
    if (stream === undefined) return 0;
    mark(stream);
    let written = 0;
    for (const effect of step(stream, event)) {
      if (ended) break;
      if (effect.kind === 'send') {
        written += effect.message.bytes.length;
        outlet.write(effect.message);
      } else perform(effect);
    }
    if (!ended && stream !== undefined && isIdle(stream)) deps.onEvent({ kind: 'idle', streamId: id });
    return written;
  }

  const outlet = createOutlet({
    sink,
    stalls: deps.stalls,
    onBlocked: () => void (stream !== undefined && step(stream, { kind: 'blocked' })),
    onWritable: () => fenced(() => take({ kind: 'writable' })),
    onStalled() {
      end('blocked', `the client has taken nothing for ${deps.blockedMs} ms`);
      sink.cut();
    },
  });

  function perform(effect: Exclude<Effect, { kind: 'send' }>): void {
    switch (effect.kind) {
      case 'start-timer':
        timers.get(effect.timer)?.cancel();
        timers.set(
          effect.timer,
          deps.clock.after(effect.ms, () => {
            timers.delete(effect.timer);
            fenced(() => take({ kind: 'timeout', timer: effect.timer }));
          }),
        );
        return;
      case 'stop-timer':
        timers.get(effect.timer)?.cancel();
        timers.delete(effect.timer);
        return;
      case 'notice':
        deps.onEvent({ ...effect.notice, streamId: id });
        return;
      case 'watch':
        watch(effect);
        return;
      case 'ignored':
        deps.log.debug('a type we do not serve was asked for', { stream: id, type: effect.typeUrl.slice(0, 200) });
        return;
      case 'end':
        fail(effect.code, {
          details: effect.message,
          cause: effect.code === 'resource-exhausted' ? 'over-limit' : 'invalid',
        });
    }
  }

  function watch({ watch, unwatch, wildcard }: Extract<Effect, { kind: 'watch' }>): void {
    watcher ??= deps.watchers.join(changed);
    watcher.unwatch(unwatch);
    watcher.watch(watch);
    watcher.watchAll(wildcard);
  }

  /** A stream that waits for its client anyway costs one entry of a list; what it is to have is found when it is its turn. */
  function changed(refs: readonly ResourceRef[]): void {
    if (stream === undefined || subscription === undefined) return;
    const when = concern(stream, refs);
    pending.push(refs);
    try {
      // What does not concern it only brings its view up to date; marks are bounded by what is subscribed, changes are not.
      if (when === 'never' || pending.length > maxPending) mark(stream);
      if (when === 'never') return;
      if (pending.length === 1) deps.onEvent({ kind: 'due', streamId: id });
      if (when === 'now') deps.pump.add(pumped);
    } catch (error) {
      broken(error);
    }
  }

  /** Tells the reducer what changed since it was told last. */
  function mark(of: StreamState): void {
    const [first] = pending;
    if (first === undefined || subscription === undefined) return;
    const refs = pending.length === 1 ? first : pending.flat();
    pending = [];
    step(of, { kind: 'changed', view: subscription.view(), changed: refs });
  }

  const pumped = {
    drain(): number {
      try {
        return take(drainEvent);
      } catch (error) {
        broken(error);
        return 0;
      }
    },
  };

  /** False if the stream was refused, or its view is yet to come. */
  function open(request: DiscoveryRequest): boolean {
    const info = introduced(request, sink, id);
    if ('refused' in info) return refuse(info);
    openTimer.cancel();
    const opened = deps.provider.open(info, changed);
    if (!(opened instanceof Promise)) return accept(opened, info);
    hold();
    opened.then((later) => {
      if (!ended) fenced(() => resume(request, accept(later, info)));
      else if (!('refused' in later)) later.close();
    }, broken);
    return false;
  }

  function hold(): void {
    waiting = createEarlyMessages();
    sink.pause();
  }

  /** Takes the request that made the others wait, and those, in order. */
  function resume(first: DiscoveryRequest, accepted: boolean): void {
    const requests = waiting?.takeAll() ?? [];
    waiting = undefined;
    if (!accepted) return;
    admit(first);
    for (const bytes of requests) if (!ended) request(bytes);
    if (ended || waiting !== undefined) return;
    sink.resume();
    if (halfClosed) session.halfClosed();
  }

  /** Takes the request, as soon as the view knows the names in it. */
  function admit(typed: DiscoveryRequest): void {
    withoutSecrets?.asked(typed.typeUrl);
    const names = typed.variant === 'sotw' ? typed.names : typed.subscribe;
    const coming = isTypeUrl(typed.typeUrl) ? subscription?.prepare?.(typed.typeUrl, names) : undefined;
    if (coming === undefined) {
      take({ kind: 'request', request: typed });
      return;
    }
    hold();
    coming.then(
      () =>
        fenced(() => {
          if (stream !== undefined && subscription !== undefined)
            step(stream, { kind: 'changed', view: subscription.view(), changed: [] });
          resume(typed, true);
        }),
      broken,
    );
  }

  function accept(opened: Opened, info: ClientInfo): boolean {
    if ('refused' in opened) return refuse(opened);
    subscription = withoutSecrets?.hide(opened) ?? opened;
    client = info;
    stream = createStream({
      variant: method.variant,
      aggregated: method.type === undefined,
      // For gRPC libraries an empty list is an empty list (R34); they can be told what does not exist (R57).
      legacyWildcard: !isGrpcLibrary(info),
      resourceErrors: isGrpcLibrary(info),
      view: subscription.view(),
      messages: deps.messages,
      limits: deps.limits,
    });
    deps.onEvent({ kind: 'open', client: info, variant: method.variant, aggregated: method.type === undefined });
    return true;
  }

  function refuse({ refused, message }: Refusal): false {
    deps.log.info('a stream was refused', { stream: id, reason: refused, message });
    fail(refused, { details: message, cause: refusalCauses[refused] ?? 'refused' });
    return false;
  }

  /** Nobody who proved to be somebody becomes another node on the way. */
  function isSame({ node }: DiscoveryRequest): boolean {
    if (node === undefined || client?.principal === undefined) return true;
    const change = changeOfNode(client, node);
    return change === undefined || refuse(change);
  }

  function request(bytes: Buffer): void {
    if (waiting !== undefined) {
      if (!waiting.push(bytes)) refuse({ refused: 'resource-exhausted', message: tooEarly });
      return;
    }
    const typed = read(bytes);
    if (stream === undefined ? open(typed) : isSame(typed)) admit(typed);
  }

  const session: Session = {
    incoming: (bytes) => fenced(() => request(bytes)),
    halfClosed() {
      halfClosed = true;
      if (ended || waiting !== undefined) return;
      end('client-ended', 'the client ended the stream');
      sink.end('ok', '');
    },
    closed: (reason) => end('client-gone', reason),
    expelled: ({ cause, message }) => fail('unauthenticated', { details: message, cause }),
    stop: (message, cause) => fail('unavailable', { details: message, cause }),
    answered: outlet.used,
    client: () => client,
    describe() {
      if (stream === undefined || client === undefined) return undefined;
      mark(stream);
      const { variant, aggregated } = stream.options;
      return { client, variant, aggregated, resources: describe(stream) };
    },
  };
  return session;
}
