// Keeps one worker's mirror: opens views for its streams, and tells it what they need to see and what changes in it.
// It must not know threads. Invariant: what the worker was told of is exactly what its open streams use; each message
// stands after all that it depends on (see thread-messages.ts).
import type { ResourceRef, View } from '../../resources/resource.ts';
import { errorText } from '../../util/errors.ts';
import type { Logger } from '../../util/log.ts';
import type { ClientInfo, Opened, ViewProvider, ViewSubscription } from '../contract.ts';
import type { ByteSegments } from './byte-segments.ts';
import { createEndpointFeed } from './endpoint-feed.ts';
import type { Outbox } from './outbox.ts';
import type { ToWorker } from './thread-messages.ts';
import { createViewFeed } from './view-feed.ts';

export interface PublisherDeps {
  readonly log: Logger;
  readonly provider: ViewProvider;
  readonly bytes: ByteSegments;
  readonly outbox: Outbox<ToWorker>;
  /** The stream is being told of a change. */
  readonly onDue: (streamId: number) => void;
  /** A change could not be told whole: what the worker knows is not to be relied on any more. */
  readonly onFault: (error: unknown) => void;
}

export interface Publisher {
  /** The worker asks for the view of a new stream. */
  open(client: ClientInfo): void;
  /** The worker closes what it opened. */
  close(streamId: number): void;
  /** A stream of the worker is about to ask for these names, which are made on demand. */
  want(streamId: number, names: readonly string[]): void;
  /** Endpoints of these names changed. */
  endpoints(names: readonly string[]): void;
  /** Of a stream that is open. */
  client(streamId: number): ClientInfo | undefined;
  /** True while the worker, when it had taken only lists up to `seen`, did not know of a change of the stream's view. */
  behind(streamId: number, seen: number): boolean;
  /** Closes all; nothing is told any more. */
  end(): void;
}

interface OpenStream {
  readonly client: ClientInfo;
  readonly subscription: ViewSubscription;
  /** Names made on demand that it asked for. */
  readonly wanted: Set<string>;
  /** As the worker knows it. */
  view: View;
  /** List with which the last change was told. */
  changedWith: number;
}

export function createPublisher({ log, provider, bytes, outbox, onDue, onFault }: PublisherDeps): Publisher {
  const streams = new Map<number, OpenStream>();
  const views = createViewFeed({ bytes, outbox });
  const endpoints = createEndpointFeed({ bytes, outbox });
  let ended = false;

  /** The fence: whoever publishes tells others too. */
  function fenced(action: () => void): void {
    if (ended) return;
    try {
      action();
    } catch (error) {
      onFault(error);
    }
  }

  function changed(streamId: number, refs: readonly ResourceRef[]): void {
    const stream = streams.get(streamId);
    if (stream === undefined) return;
    const before = stream.view;
    const after = stream.subscription.view();
    views.follow(before, { after, refs, wanted: stream.wanted });
    stream.view = after;
    stream.changedWith = outbox.list();
    const last = outbox.last();
    if (last?.kind === 'changed' && last.view === after.id && last.refs === refs)
      (last.streams as number[]).push(streamId);
    else outbox.push({ kind: 'changed', view: after.id, refs, streams: [streamId] });
    if (before.id !== after.id) views.leave(before.id, stream.wanted);
    onDue(streamId);
  }

  function accept(client: ClientInfo, opened: Opened): void {
    const { streamId } = client;
    if ('refused' in opened) {
      outbox.push({ kind: 'refused', stream: streamId, refusal: { refused: opened.refused, message: opened.message } });
      return;
    }
    if (ended) {
      opened.close();
      return;
    }
    const view = opened.view();
    endpoints.use(view);
    views.enter(view);
    streams.set(streamId, { client, subscription: opened, wanted: new Set(), view, changedWith: 0 });
    outbox.push({ kind: 'opened', stream: streamId, view: view.id });
  }

  function failed(client: ClientInfo, error: unknown): void {
    log.error('a stream could not be opened', { stream: client.streamId, error: errorText(error) });
    accept(client, { refused: 'unavailable', message: 'internal error' });
  }

  return {
    open(client) {
      const { streamId } = client;
      try {
        const opened = provider.open(client, (refs) => fenced(() => changed(streamId, refs)));
        if (!(opened instanceof Promise)) accept(client, opened);
        else
          opened.then(
            (later) => accept(client, later),
            (error: unknown) => failed(client, error),
          );
      } catch (error) {
        failed(client, error);
      }
    },
    close(streamId) {
      const stream = streams.get(streamId);
      if (stream === undefined) return;
      streams.delete(streamId);
      stream.subscription.close();
      views.leave(stream.view.id, stream.wanted);
      if (streams.size === 0) endpoints.rest();
    },
    want(streamId, names) {
      const stream = streams.get(streamId);
      if (stream === undefined) return;
      const fresh = names.filter((name) => !stream.wanted.has(name));
      for (const name of fresh) stream.wanted.add(name);
      views.want(stream.view.id, fresh);
      outbox.push({ kind: 'wanted', stream: streamId });
    },
    endpoints(names) {
      const [any] = streams.values();
      if (any !== undefined) fenced(() => endpoints.changed(any.subscription.view(), names));
    },
    client: (streamId) => streams.get(streamId)?.client,
    behind: (streamId, seen) => (streams.get(streamId)?.changedWith ?? 0) > seen,
    end() {
      ended = true;
      for (const { subscription } of streams.values()) subscription.close();
      streams.clear();
    },
  };
}
