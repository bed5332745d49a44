// The control plane's own metrics, fed by the events that pass through control. Names after docs; no node is ever a label.
import { shortNames, type TypeUrl } from '../resources/type-urls.ts';
import type { Histogram, Labels, Metrics } from '../util/metrics.ts';
import type { LedgerEvent } from './ledger.ts';

export interface Measures {
  readonly buildSeconds: Histogram;
  /** Event in a registry or object store -> acknowledged by one proxy. */
  readonly propagationSeconds: Histogram;
  event(event: LedgerEvent): void;
  world(): void;
}

type TypeLabels = Readonly<Record<'of' | 'subscribe' | 'ack' | 'nack', Labels>>;

const seconds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
const bytes = [100, 1_000, 10_000, 100_000, 1_000_000, 4_000_000];

export function createMeasures(metrics: Metrics): Measures {
  const requests = metrics.counter('xds_requests_total', 'Requests from proxies', ['type', 'kind']);
  const responses = metrics.counter('xds_responses_total', 'Responses sent to proxies', ['type']);
  const size = metrics.histogram('xds_response_size_bytes', 'Size of responses', bytes, ['type']);
  const streams = metrics.counter('xds_streams_opened_total', 'Streams opened by proxies', ['variant']);
  const worlds = metrics.counter('world_changes_total', 'Worlds built that differ from the one before');
  /** The same objects for every push, so that its series need not be searched by their content. */
  const kept = new Map<TypeUrl, TypeLabels>();
  function labels(url: TypeUrl): TypeLabels {
    let known = kept.get(url);
    if (known === undefined) {
      const type = shortNames[url];
      const kind = (name: string): Labels => ({ type, kind: name });
      known = { of: { type }, subscribe: kind('subscribe'), ack: kind('ack'), nack: kind('nack') };
      kept.set(url, known);
    }
    return known;
  }
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
        case 'sent':
          responses.add(labels(event.type).of);
          return size.observe(labels(event.type).of, event.bytes);
        case 'subscribe':
        case 'ack':
        case 'nack':
          return requests.add(labels(event.type)[event.kind]);
        default:
          return undefined;
      }
    },
  };
}
