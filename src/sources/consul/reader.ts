// Reads through a bounded number of connections, counted. It must not know what is read.
// Invariant: an agent that refuses a connection is asked with fewer from then on, and that is said plainly.
import { createTokenBucket } from '../../util/backoff.ts';
import type { Answer } from '../../util/consul/answer.ts';
import type { ConsulClient, ReadOptions } from '../../util/consul/client.ts';
import { AppError } from '../../util/errors.ts';
import type { SourceDeps } from '../source-deps.ts';
import { createSlots } from './slots.ts';

export interface ReaderRequest extends ReadOptions {
  /** Has a connection of its own whenever it asks: the one key that all others hang on. */
  readonly always?: boolean;
}

export interface Reader {
  read(request: ReaderRequest, signal: AbortSignal): Promise<Answer>;
  /** True when that many keys cannot all hold a connection: each should then wait only briefly. */
  crowded(keys: number): boolean;
  /** Something changed somewhere: reads that wait for a connection to wait on are answered at once instead. */
  hurry(): void;
  /** Counts a difference found by a periodic full read. */
  diverged(): void;
}

export interface ReaderOptions {
  readonly client: ConsulClient;
  readonly source: string;
  readonly maxConnections: number;
}

/** At most so many, and at most a quarter of all. */
const briefConnections = 16;

export function createReader(deps: SourceDeps, options: ReaderOptions): Reader {
  const { client, source } = options;
  // Reads that do not wait have connections of their own, so that a new key never stands behind waiting ones.
  const share = Math.min(briefConnections, Math.ceil(options.maxConnections / 4));
  const brief = createSlots(share);
  const waiting = createSlots(Math.max(1, options.maxConnections - share - 1));
  const reads = deps.metrics.counter('source_reads_total', 'Answers and failures of a source', ['source', 'outcome']);
  const differences = deps.metrics.counter(
    'source_resync_differences_total',
    'Changes that only a periodic full read of a source found',
    ['source'],
  );
  // With many keys a hurry is as many reads, so it has a rate of its own; what it skips is seen in the key's next turn.
  const hurries = createTokenBucket(deps.clock, 2, 1);
  let hurrying = new AbortController();
  let told = 0;

  async function scheduled(request: ReaderRequest, signal: AbortSignal): Promise<Answer> {
    const { blocking, ...brisk } = request;
    if (request.always) return client.read(request, signal);
    const now = (): Promise<Answer> => brief.run(signal, () => client.read(brisk, signal));
    if (blocking === undefined) return now();
    const impatient = hurrying.signal;
    let started = false;
    try {
      return await waiting.run(AbortSignal.any([signal, impatient]), () => {
        started = true;
        return client.read(request, signal);
      });
    } catch (error) {
      if (started || signal.aborted || !impatient.aborted) throw error;
      return now();
    }
  }

  return {
    async read(request, signal) {
      try {
        const answer = await scheduled(request, signal);
        reads.add({ source, outcome: 'answer' });
        return answer;
      } catch (error) {
        if (!signal.aborted) reads.add({ source, outcome: 'failure' });
        if (error instanceof AppError && error.code === 'CH1311') {
          const size = waiting.shrink();
          if (size !== told) deps.log.error(`${error.message}; using at most ${size} connections from now on`);
          told = size;
        }
        throw error;
      }
    },
    crowded: (keys) => keys > waiting.size,
    hurry() {
      if (waiting.queued() === 0 || hurries.take() > 0) return;
      const before = hurrying;
      hurrying = new AbortController();
      before.abort();
    },
    diverged: () => differences.add({ source }),
  };
}
