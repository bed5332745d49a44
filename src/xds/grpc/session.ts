// One gRPC call as an xDS stream: decodes requests, steps the reducer, does its effects, honours back-pressure.
// It must not know services or other streams. Invariant: nothing a client sends, and no fault of ours while serving it,
// ends more than this stream; after the end nothing of it is retained.
import { type ServerDuplexStream, status } from '@grpc/grpc-js';
import type { ResourceRef } from '../../resources/resource.ts';
import { shortNames, type TypeUrl, typeUrls } from '../../resources/type-urls.ts';
import type { Clock, Timer } from '../../util/clock.ts';
import { errorText } from '../../util/errors.ts';
import type { Logger } from '../../util/log.ts';
import type { ClientInfo, Refusal, ViewProvider, ViewSubscription, XdsEvent } from '../contract.ts';
import { decodeNode } from '../node.ts';
import { type DiscoveryRequest, decodeDelta, decodeSotw } from '../requests.ts';
import type { Messages } from '../responses.ts';
import { createStream, isIdle, step } from '../stream.ts';
import type { Effect, StreamEvent, StreamLimits, StreamState, TimerKey } from '../stream-state.ts';
import type { Watcher, Watchers } from '../watchers.ts';
import { WireError } from '../wire.ts';
import type { Pump } from './pump.ts';
import type { StreamMethod } from './services.ts';

export type Call = ServerDuplexStream<Buffer, Buffer>;

export interface SessionDeps {
  readonly clock: Clock;
  readonly log: Logger;
  readonly provider: ViewProvider;
  readonly onEvent: (event: XdsEvent) => void;
  readonly messages: Messages;
  readonly pump: Pump;
  /** Of endpoints. */
  readonly watchers: Watchers;
  readonly limits: StreamLimits;
  /** A client that takes nothing for so long is cut off. */
  readonly blockedMs: number;
  /** A stream without a first message is ended after so long. */
  readonly openMs: number;
}

export interface Session {
  /** Ends the stream with UNAVAILABLE. */
  stop(message: string): void;
}

const refusalCodes: Readonly<Record<Refusal['refused'], status>> = {
  unauthenticated: status.UNAUTHENTICATED,
  'permission-denied': status.PERMISSION_DENIED,
  unavailable: status.UNAVAILABLE,
  'resource-exhausted': status.RESOURCE_EXHAUSTED,
  'invalid-argument': status.INVALID_ARGUMENT,
};

export interface SessionOptions {
  readonly id: number;
  readonly method: StreamMethod;
  /** Destroys the call's connection: a status never reaches a client that takes nothing, nor does it free its bytes. */
  readonly cut: () => void;
  readonly onEnd: () => void;
}

/** Serves the call until it ends; `onEnd` is called once. */
export function createSession(deps: SessionDeps, call: Call, { id, method, cut, onEnd }: SessionOptions): Session {
  const timers = new Map<TimerKey, Timer>();
  let stream: StreamState | undefined;
  let subscription: ViewSubscription | undefined;
  let watcher: Watcher | undefined;
  let blockedTimer: Timer | undefined;
  /** Messages HTTP/2 has not taken yet. */
  let unwritten = 0;
  let ended = false;
  const openTimer = deps.clock.after(deps.openMs, () =>
    fail(status.DEADLINE_EXCEEDED, `no request came within ${deps.openMs} ms`),
  );

  function end(reason: string): void {
    if (ended) return;
    ended = true;
    for (const timer of timers.values()) timer.cancel();
    timers.clear();
    blockedTimer?.cancel();
    openTimer.cancel();
    deps.pump.remove(pumped);
    subscription?.close();
    watcher?.leave(stream?.types.get(typeUrls.endpoints)?.subscription.names ?? []);
    if (stream !== undefined) deps.onEvent({ kind: 'close', streamId: id, reason });
    stream = undefined;
    subscription = undefined;
    onEnd();
  }

  function fail(code: status, details: string): void {
    if (ended) return;
    end(details);
    call.emit('error', { code, details });
  }

  /** The fence: whatever is thrown ends this stream only. */
  function fenced(action: () => void): void {
    if (ended) return;
    try {
      action();
    } catch (error) {
      if (error instanceof WireError) {
        fail(status.INVALID_ARGUMENT, `not a discovery request: ${error.message}`);
        return;
      }
      deps.log.error('a stream failed', { stream: id, error: errorText(error) });
      fail(status.INTERNAL, 'internal error');
    }
  }

  /** Steps the reducer and does the effects; returns the bytes written. */
  function take(event: StreamEvent): number {
    if (stream === undefined) return 0;
    let written = 0;
    for (const effect of step(stream, event)) {
      if (ended) break;
      if (effect.kind === 'send') {
        written += effect.message.bytes.length;
        write(effect.message.bytes);
      } else perform(effect);
    }
    if (!ended && stream !== undefined && isIdle(stream)) deps.onEvent({ kind: 'idle', streamId: id });
    return written;
  }

  /**
   * grpc-js queues up to sixteen messages before `write` says no, whatever their size; its callback comes when HTTP/2 has
   * taken the bytes. Until then the reducer is blocked, so a slow client costs marks, not messages.
   */
  function write(bytes: Buffer): void {
    unwritten++;
    if (unwritten === 1 && stream !== undefined) {
      step(stream, { kind: 'blocked' });
      blockedTimer = deps.clock.after(deps.blockedMs, () => {
        end(`the client has taken nothing for ${deps.blockedMs} ms`);
        cut();
      });
    }
    call.write(bytes, () => {
      unwritten--;
      if (unwritten > 0 || ended) return;
      blockedTimer?.cancel();
      blockedTimer = undefined;
      fenced(() => take({ kind: 'writable' }));
    });
  }

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
        fail(refusalCodes[effect.code], effect.message);
    }
  }

  function watch({ watch, unwatch, wildcard }: Extract<Effect, { kind: 'watch' }>): void {
    watcher ??= deps.watchers.join((names) => changed(names.map((name) => ({ type: typeUrls.endpoints, name }))));
    watcher.unwatch(unwatch);
    watcher.watch(watch);
    watcher.watchAll(wildcard);
  }

  function changed(refs: readonly ResourceRef[]): void {
    if (stream === undefined || subscription === undefined) return;
    step(stream, { kind: 'changed', view: subscription.view(), changed: refs });
    deps.onEvent({ kind: 'due', streamId: id });
    deps.pump.add(pumped);
  }

  const pumped = {
    drain(): number {
      let written = 0;
      fenced(() => {
        written = take({ kind: 'drain' });
      });
      return written;
    },
  };

  /** The first message says who the client is (R5). False if the stream was refused. */
  function open(request: DiscoveryRequest): boolean {
    if (request.node === undefined) return refuse('invalid-argument', 'the first message of a stream must have a node');
    const claims = decodeNode(request.node);
    if (claims.nodeId === '') return refuse('invalid-argument', 'node.id is empty');
    for (const name of [claims.nodeId, claims.nodeCluster])
      if (name.length > maxNodeName)
        return refuse('invalid-argument', `node.id and node.cluster have at most ${maxNodeName} characters`);
    const client: ClientInfo = { ...claims, streamId: id, peer: call.getPeer() };
    const opened = deps.provider.open(client, changed);
    if (opened instanceof Promise) throw new Error('a view that is opened later is not served yet');
    if ('refused' in opened) return refuse(opened.refused, opened.message);
    subscription = opened;
    openTimer.cancel();
    stream = createStream({
      variant: method.variant,
      aggregated: method.type === undefined,
      // gRPC libraries name themselves `gRPC ...` or `grpc-...`; for them an empty list is an empty list (R34).
      legacyWildcard: !/^grpc/i.test(claims.userAgentName),
      view: opened.view(),
      messages: deps.messages,
      limits: deps.limits,
    });
    deps.onEvent({ kind: 'open', client, variant: method.variant, aggregated: method.type === undefined });
    return true;
  }

  function refuse(refused: Refusal['refused'], message: string): false {
    deps.log.info('a stream was refused', { stream: id, reason: refused, message });
    fail(refusalCodes[refused], message);
    return false;
  }

  function request(bytes: Buffer): void {
    const decoded = method.variant === 'sotw' ? decodeSotw(bytes) : decodeDelta(bytes);
    const typed = typeOf(decoded, method.type);
    if (typed === undefined) {
      fail(status.INVALID_ARGUMENT, `this stream carries ${shortNames[method.type as TypeUrl]} only`);
      return;
    }
    if (stream === undefined && (typed.typeUrl === '' ? !refuse('invalid-argument', noType) : !open(typed))) return;
    take({ kind: 'request', request: typed });
  }

  call.on('data', (bytes: Buffer) => fenced(() => request(bytes)));
  call.on('end', () => {
    end('the client ended the stream');
    call.end();
  });
  call.on('cancelled', () => end('the client went away'));
  call.on('error', (error: unknown) => end(errorText(error)));
  call.on('close', () => end('the connection closed'));

  return { stop: (message) => fail(status.UNAVAILABLE, message) };
}

/** Both stand in logs, status and discovery of targets. */
const maxNodeName = 512;
const noType = 'type_url is required on an aggregated stream';

/** On a separate stream the type is implicit (R2); undefined if the request says another one. */
function typeOf(request: DiscoveryRequest, type: TypeUrl | undefined): DiscoveryRequest | undefined {
  if (type === undefined || request.typeUrl === type) return request;
  return request.typeUrl === '' ? { ...request, typeUrl: type } : undefined;
}
