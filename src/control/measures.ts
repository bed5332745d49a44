// The control plane's own metrics, fed by the events that pass through control. Names after docs; no node is ever a label.
import { shortNames } from '../resources/type-urls.ts';
import type { Histogram, Metrics } from '../util/metrics.ts';
import type { LedgerEvent } from './ledger.ts';

export interface Measures {
  readonly buildSeconds: Histogram;
  /** Event in a registry or object store -> acknowledged by one proxy. */
  readonly propagationSeconds: Histogram;
  event(event: LedgerEvent): void;
  world(): void;
}

const seconds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
const bytes = [100, 1_000, 10_000, 100_000, 1_000_000, 4_000_000];

export function createMeasures(metrics: Metrics): Measures {
  const requests = metrics.counter('xds_requests_total', 'Requests from proxies', ['type', 'kind']);
  const responses = metrics.counter('xds_responses_total', 'Responses sent to proxies', ['type']);
  const size = metrics.histogram('xds_response_size_bytes', 'Size of responses', bytes, ['type']);
  const streams = metrics.counter('xds_streams_opened_total', 'Streams opened by proxies', ['variant']);
  const worlds = metrics.counter('world_changes_total', 'Worlds built that differ from the one before');
  return {
    buildSeconds: metrics.histogram(
      'snapshot_build_seconds',
      'Time to translate and publish a structural change',
      seconds,
    ),
    propagationSeconds: metrics.histogram(
      'config_propagation_seconds',
      'From the event in a registry or object store to the acknowledgement of one proxy',
      seconds,
    ),
    world: () => worlds.add({}),
    event(event) {
      switch (event.kind) {
        case 'open':
          return streams.add({ variant: event.variant });
        case 'close':
        case 'idle':
          return undefined;
        case 'subscribe':
          return requests.add({ type: shortNames[event.type], kind: 'subscribe' });
        case 'sent':
          responses.add({ type: shortNames[event.type] });
          return size.observe({ type: shortNames[event.type] }, event.bytes);
        case 'ack':
        case 'nack':
          return requests.add({ type: shortNames[event.type], kind: event.kind });
      }
    },
  };
}
