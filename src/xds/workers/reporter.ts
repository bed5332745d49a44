// What a worker has to say: its streams' events, what it measured and logged, and requests for views, in one order.
// It must not know threads. Invariant: an event is never overtaken by what was said after it.
import type { LogFields, Logger, LogLevel } from '../../util/log.ts';
import type { Metrics } from '../../util/metrics.ts';
import type { XdsEvent } from '../contract.ts';
import { packEvents } from './event-batch.ts';
import { createMetricsRelay } from './metrics-relay.ts';
import { createOutbox } from './outbox.ts';
import type { FromWorker, FromWorkerList } from './thread-messages.ts';

export interface Reporter {
  say(message: FromWorker): void;
  onEvent(event: XdsEvent): void;
  readonly metrics: Metrics;
  readonly log: Logger;
  /** A list from the main thread was taken. */
  taken(list: number): void;
  /** Sends all at once. */
  flush(): void;
}

export interface ReporterDeps {
  send(list: FromWorkerList): void;
  /** Runs `fn` at the end of the turn. */
  atEnd(fn: () => void): void;
  /** Called after so many events were sent; may make the thread wait. */
  pace(events: number): void;
}

export function createReporter({ send, atEnd, pace }: ReporterDeps): Reporter {
  let events: XdsEvent[] = [];
  let seen = 0;
  let unpaced = 0;

  function batch(): FromWorker[] {
    if (events.length === 0) return [];
    const told = events;
    events = [];
    unpaced += told.length;
    return [{ kind: 'events', batch: packEvents(told) }];
  }

  const outbox = createOutbox<FromWorker>({
    send(messages) {
      send({ seen, messages });
      if (unpaced > 0) pace(unpaced);
      unpaced = 0;
    },
    atEnd,
    closing() {
      const report = metrics.report();
      return [...batch(), ...(report === undefined ? [] : [{ kind: 'metrics', report } as const])];
    },
  });
  const metrics = createMetricsRelay(outbox.wake);

  function say(message: FromWorker): void {
    for (const before of batch()) outbox.push(before);
    outbox.push(message);
  }

  function logger(component: string): Logger {
    const at =
      (level: Exclude<LogLevel, 'trace'>) =>
      (message: string, fields?: LogFields): void =>
        // As it will be written, so that nothing is in it which cannot cross.
        say({ kind: 'log', level, component, message, fields: fields && JSON.parse(JSON.stringify(fields)) });
    return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error'), child: logger };
  }

  return {
    say,
    onEvent(event) {
      events.push(event);
      outbox.wake();
    },
    metrics,
    log: logger('xds'),
    taken(list) {
      // What waits was said before.
      if (events.length > 0) outbox.flush();
      seen = list;
    },
    flush: outbox.flush,
  };
}
