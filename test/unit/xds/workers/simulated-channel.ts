// A publisher and a mirror joined by two queues that a test delivers from, over views that it changes by hand: every order in
// which threads can run, without threads. Invariant: what a stream is told is checked as it is told.
import type { Resource, ResourceRef, View } from '../../../../src/resources/resource.ts';
import { type TypeUrl, typeUrls } from '../../../../src/resources/type-urls.ts';
import { silentLogger } from '../../../../src/util/log.ts';
import type { ViewProvider, ViewSubscription } from '../../../../src/xds/contract.ts';
import { createByteSegments } from '../../../../src/xds/workers/byte-segments.ts';
import { createMirror } from '../../../../src/xds/workers/mirror.ts';
import { createOutbox } from '../../../../src/xds/workers/outbox.ts';
import { createPublisher } from '../../../../src/xds/workers/publisher.ts';
import type { FromWorker, ToWorker } from '../../../../src/xds/workers/thread-messages.ts';
import { differences, resource, viewOf } from '../../../support/static-views.ts';
import { testClient } from '../../../support/worlds.ts';

export type Contents = Readonly<Record<string, string>>;

const viewTypes = [typeUrls.cluster, typeUrls.listener, typeUrls.routes] as const;

/** `{c1: 'x'}` as resources: one of each type for every name, so that one change concerns several types. */
function made(contents: Contents): Resource[] {
  return Object.entries(contents).flatMap(([name, content]) =>
    viewTypes.map((type) =>
      resource(type, name, { content, deps: [{ type: typeUrls.endpoints, name: `${name}-${content}` }] }),
    ),
  );
}

interface MainStream {
  view: string;
  readonly onChange: (changed: readonly ResourceRef[]) => void;
}

/** Views by name and one table of endpoints, changed by hand. */
export function createHandViews(): ViewProvider & {
  publish(view: string, contents: Contents): void;
  publishEndpoints(contents: Contents): void;
  move(streamId: number, view: string): void;
  readonly streams: ReadonlyMap<number, MainStream>;
  view(name: string): View;
} {
  const contents = new Map<string, Resource[]>();
  const made_ = new Map<string, View>();
  let endpoints = new Map<string, Resource>();
  const streams = new Map<number, MainStream>();
  const listeners = new Set<(names: readonly string[]) => void>();
  const current = (name: string): View => {
    let view = made_.get(name);
    if (view === undefined) {
      const fixed = viewOf(contents.get(name) ?? [], name);
      view = {
        id: name,
        get: (type, of) => (type === typeUrls.endpoints ? endpoints.get(of) : fixed.get(type, of)),
        names: (type) => (type === typeUrls.endpoints ? endpoints.keys() : fixed.names(type)),
      };
      made_.set(name, view);
    }
    return view;
  };
  return {
    streams,
    view: current,
    publish(name, next) {
      const before = contents.get(name) ?? [];
      const after = made(next);
      contents.set(name, after);
      made_.delete(name);
      const changed = differences(before, after);
      if (changed.length === 0) return;
      for (const stream of [...streams.values()]) if (stream.view === name) stream.onChange(changed);
    },
    publishEndpoints(next) {
      const before = [...endpoints.values()];
      const after = Object.entries(next).map(([name, content]) => resource(typeUrls.endpoints, name, { content }));
      endpoints = new Map(after.map((one) => [one.name, one]));
      const names = differences(before, after).map(({ name }) => name);
      if (names.length > 0) for (const listener of listeners) listener(names);
    },
    move(streamId, name) {
      const stream = streams.get(streamId);
      if (stream === undefined || stream.view === name) return;
      const changed = differences(contents.get(stream.view) ?? [], contents.get(name) ?? []);
      stream.view = name;
      if (changed.length > 0) stream.onChange(changed);
    },
    onEndpoints(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    open(client, onChange) {
      if (client.nodeCluster === 'refused') return { refused: 'unavailable', message: 'not synced yet' };
      const stream = { view: client.nodeCluster, onChange };
      streams.set(client.streamId, stream);
      return { view: () => current(stream.view), close: () => streams.delete(client.streamId) };
    },
  };
}

/** All a view holds, as `type name` -> content and dependencies. */
export function seen(view: View): Record<string, string> {
  const all: Record<string, string> = {};
  for (const type of [...viewTypes, typeUrls.endpoints] as readonly TypeUrl[])
    for (const name of view.names(type)) all[`${type} ${name}`] = text(view.get(type, name));
  return all;
}

function text(found: Resource | undefined): string {
  if (found === undefined) return 'none';
  return `${Buffer.from(found.bytes).toString()} ${found.version} ${JSON.stringify(found.deps)}`;
}

export interface WorkerStream {
  readonly id: number;
  subscription: ViewSubscription | undefined;
  refused: string | undefined;
  /** What a client that applied everything it was told would hold. */
  held: Record<string, string>;
}

export function createSimulatedChannel(provider: ViewProvider) {
  const toWorker: (readonly ToWorker[])[] = [];
  const toMain: (readonly FromWorker[])[] = [];
  const said: ToWorker[] = [];
  const due: number[] = [];
  const faults: unknown[] = [];
  let ends: (() => void)[] = [];
  const atEnd = (fn: () => void): void => void ends.push(fn);
  const mainOutbox = createOutbox<ToWorker>({
    send: (messages) => {
      said.push(...messages);
      toWorker.push(structuredClone(messages));
    },
    atEnd,
  });
  const workerOutbox = createOutbox<FromWorker>({ send: (messages) => void toMain.push(messages), atEnd });
  const publisher = createPublisher({
    log: silentLogger,
    provider,
    bytes: createByteSegments(),
    outbox: mainOutbox,
    onDue: (id) => due.push(id),
    onFault: (error) => faults.push(error),
  });
  provider.onEndpoints(publisher.endpoints);
  const mirror = createMirror(workerOutbox.push);
  const streams: WorkerStream[] = [];
  let next = 1;
  mirror.onEndpoints((names) => {
    for (const stream of streams) for (const name of names) apply(stream, { type: typeUrls.endpoints, name });
  });

  function apply(stream: WorkerStream, { type, name }: ResourceRef): void {
    const found = stream.subscription?.view().get(type, name);
    const key = `${type} ${name}`;
    if (found === undefined) delete stream.held[key];
    else stream.held[key] = text(found);
  }

  return {
    publisher,
    /** Everything the worker was told, in order. */
    said,
    due,
    /** What was thrown while a change was told. */
    faults,
    streams,
    /** Ends a turn in both threads. */
    endTurn(): void {
      const now = ends;
      ends = [];
      for (const fn of now) fn();
    },
    deliverToWorker(): void {
      for (const message of toWorker.shift() ?? []) mirror.take(message);
    },
    deliverToMain(): void {
      for (const message of toMain.shift() ?? []) {
        if (message.kind === 'open') publisher.open(message.client);
        if (message.kind === 'close') publisher.close(message.stream);
        if (message.kind === 'want') publisher.want(message.stream, message.names);
      }
    },
    quiet: (): boolean => toWorker.length + toMain.length + ends.length === 0,
    open(view: string): WorkerStream {
      const stream: WorkerStream = { id: next++, subscription: undefined, refused: undefined, held: {} };
      const opened = mirror.open(
        testClient(`node-${stream.id}`, { streamId: stream.id, nodeCluster: view }),
        (refs) => {
          // Told before its opening was seen: what it then reads has the change already.
          if (stream.subscription === undefined) return;
          for (const ref of refs) apply(stream, ref);
        },
      );
      void Promise.resolve(opened).then((result) => {
        if ('refused' in result) stream.refused = result.message;
        else {
          stream.subscription = result;
          stream.held = seen(result.view());
          streams.push(stream);
        }
      });
      return stream;
    },
    close(stream: WorkerStream): void {
      stream.subscription?.close();
      const at = streams.indexOf(stream);
      if (at >= 0) streams.splice(at, 1);
    },
  };
}

export type Channel = ReturnType<typeof createSimulatedChannel>;

/** Everything said arrives and is answered. */
export async function settle(channel: Channel): Promise<void> {
  do {
    channel.endTurn();
    channel.deliverToMain();
    channel.deliverToWorker();
    await Promise.resolve().then(() => {});
  } while (!channel.quiet());
  for (let turn = 0; turn < 5; turn++) await Promise.resolve();
}
