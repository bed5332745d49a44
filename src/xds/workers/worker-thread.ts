// One worker thread as the main thread sees it: keeps its mirror, takes what it says, and cleans up after it.
// It must not restart it, nor know the others. Invariant: when it has ended, for whatever reason, every view it had open is
// closed and every stream of it was told to be closed.
import { Worker } from 'node:worker_threads';
import type { Resource } from '../../resources/resource.ts';
import { type ErrorCodeName, errorCodes } from '../../util/error-codes.ts';
import { AppError, errorText } from '../../util/errors.ts';
import type { Logger } from '../../util/log.ts';
import type { ClientConfig, Doors, ViewProvider, XdsEvent } from '../contract.ts';
import type { AskerOf } from '../readers.ts';
import type { NodeMatcher } from '../services/node-matcher.ts';
import { createBacklogCell, take as taken } from './backlog.ts';
import type { ByteSegments } from './byte-segments.ts';
import { restoreClient } from './client-copy.ts';
import { unpackEvents } from './event-batch.ts';
import type { MetricsReport } from './metrics-relay.ts';
import { createOutbox } from './outbox.ts';
import { createPublisher } from './publisher.ts';
import { createQuestions } from './questions.ts';
import { createStreamBook } from './stream-book.ts';
import type { FromWorker, FromWorkerList, Question, ToWorker, WorkerSetup } from './thread-messages.ts';

export interface WorkerThreadDeps {
  /** Of the worker's own lines too, each with its component. */
  readonly log: Logger;
  readonly provider: ViewProvider;
  readonly onEvent: (event: XdsEvent) => void;
  readonly bytes: ByteSegments;
  readonly onMetrics: (report: MetricsReport) => void;
  /** Clients of all workers. */
  readonly everyClient: (matchers: readonly NodeMatcher[]) => Promise<readonly ClientConfig[]>;
  readonly descriptors: (() => Promise<Uint8Array>) | undefined;
  readonly json: ((resource: Resource) => Promise<string>) | undefined;
  readonly doors: Doors | undefined;
  readonly askerOf: AskerOf | undefined;
}

export interface WorkerThread {
  /** Rejects with what kept it from listening. */
  readonly listening: Promise<{ readonly address: string; readonly port: number }>;
  /** Resolves when the thread is gone, with why, or with undefined if it was stopped. */
  readonly ended: Promise<string | undefined>;
  /** Highest stream number it used. */
  lastStream(): number;
  endpoints(names: readonly string[]): void;
  revoked(credentialIds: ReadonlySet<string>): void;
  clients(matchers: readonly NodeMatcher[]): Promise<readonly ClientConfig[]>;
  /** Drains; `ended` tells when it is done. */
  stop(): void;
  /** Ends it now. */
  kill(): void;
}

/** Starts it at once. `name` is for people: debuggers and process lists show it. */
export function startWorkerThread(
  deps: WorkerThreadDeps,
  setup: Omit<WorkerSetup, 'backlog'>,
  name: string,
): WorkerThread {
  const { log, onEvent } = deps;
  const listening = Promise.withResolvers<{ address: string; port: number }>();
  listening.promise.catch(() => {});
  const ended = Promise.withResolvers<string | undefined>();
  const questions = createQuestions<readonly ClientConfig[]>();
  let stopped = false;
  let gone = false;
  let failure: string | undefined;

  const backlog = createBacklogCell();
  // Built code has the ending of built code.
  const program = `./worker-main.${import.meta.url.endsWith('.ts') ? 'ts' : 'js'}`;
  const worker = new Worker(new URL(program, import.meta.url), {
    workerData: { ...setup, backlog } satisfies WorkerSetup,
    name,
  });
  const outbox = createOutbox<ToWorker>({
    send(messages, list) {
      if (!gone) worker.postMessage({ list, messages });
    },
    atEnd: queueMicrotask,
  });
  /** No fault of who is told ends the thread that tells. */
  function tell(event: XdsEvent): void {
    try {
      onEvent(event);
    } catch (error) {
      log.error('an event of a stream could not be taken', { event: event.kind, error: errorText(error) });
    }
  }
  const publisher = createPublisher({
    ...{ log, provider: deps.provider, bytes: deps.bytes, outbox },
    onDue: (streamId) => tell({ kind: 'due', streamId }),
    // Its proxies come back to a thread that is told everything anew.
    onFault(error) {
      failure ??= `it could not be told of a change: ${errorText(error)}`;
      void worker.terminate();
    },
  });
  const book = createStreamBook(publisher, tell);

  async function answer(ask: number, question: Question): Promise<void> {
    try {
      if (question.kind === 'clients') {
        const clients = await deps.everyClient(question.matchers);
        outbox.push({ kind: 'answer', ask, answer: { kind: 'clients', clients } });
      } else if (question.kind === 'caller') {
        const caller = await deps.provider.authenticate?.(question.credentials);
        if (caller === undefined) throw new Error('nobody is asked who it is');
        outbox.push({ kind: 'answer', ask, answer: { kind: 'caller', caller } });
      } else if (question.kind === 'asker') {
        const asker = (await deps.askerOf?.(question.credentials)) ?? { kind: 'nobody' };
        outbox.push({ kind: 'answer', ask, answer: { kind: 'asker', asker } });
      } else if (question.kind === 'door') {
        const reply = await deps.doors?.(question.request);
        outbox.push({ kind: 'answer', ask, answer: { kind: 'door', reply } });
      } else if (question.kind === 'json') {
        const text = (await deps.json?.(question.resource)) ?? '{}';
        outbox.push({ kind: 'answer', ask, answer: { kind: 'json', text } });
      } else {
        const bytes = (await deps.descriptors?.()) ?? new Uint8Array();
        outbox.push({ kind: 'answer', ask, answer: { kind: 'descriptors', bytes } });
      }
    } catch (error) {
      outbox.push({ kind: 'answer', ask, answer: { kind: 'failed', message: errorText(error) } });
    }
  }

  function takeEvents(events: readonly XdsEvent[], seen: number): void {
    for (const event of events) book.take(event, seen);
    taken(backlog, events.length);
  }

  function take(message: FromWorker, seen: number): void {
    switch (message.kind) {
      case 'open':
        book.open(restoreClient(message.client));
        return;
      case 'close':
        publisher.close(message.stream);
        return;
      case 'want':
        publisher.want(message.stream, message.names);
        return;
      case 'events':
        takeEvents(unpackEvents(message.batch), seen);
        return;
      case 'metrics':
        deps.onMetrics(message.report);
        return;
      case 'log':
        log.child(message.component)[message.level](message.message, message.fields);
        return;
      case 'ask':
        void answer(message.ask, message.question);
        return;
      case 'described':
        questions.answer(message.ask, message.clients);
        return;
      case 'listening':
        listening.resolve({ address: message.address, port: message.port });
        return;
      case 'failed': {
        failure = message.message;
        const { code } = message;
        const known = code !== undefined && Object.hasOwn(errorCodes, code);
        listening.reject(known ? new AppError(code as ErrorCodeName, failure) : new Error(failure));
      }
    }
  }

  worker.on('message', ({ seen, messages }: FromWorkerList) => {
    for (const message of messages) take(message, seen);
  });
  worker.on('error', (error) => {
    failure = errorText(error);
  });
  worker.once('exit', (code) => {
    gone = true;
    const why = stopped ? undefined : (failure ?? `it exited with ${code}`);
    listening.reject(new Error(failure ?? 'the thread ended before it listened'));
    questions.abandon([]);
    book.end('the thread that served the stream ended');
    ended.resolve(why);
  });

  return {
    listening: listening.promise,
    ended: ended.promise,
    lastStream: book.lastStream,
    endpoints: publisher.endpoints,
    revoked: (ids) => outbox.push({ kind: 'revoked', credentialIds: [...ids] }),
    clients: (matchers) =>
      gone ? Promise.resolve([]) : questions.ask((ask) => outbox.push({ kind: 'describe', ask, matchers })),
    stop() {
      stopped = true;
      outbox.push({ kind: 'stop' });
    },
    kill: () => void worker.terminate(),
  };
}
