// Reads through a bounded number of connections, counted. It must not know what is read.
// Invariant: an agent that refuses a connection is asked with fewer from then on, and that is said plainly.
import { AppError } from '../../util/errors.ts';
import type { SourceDeps } from '../source-deps.ts';
import type { Answer } from './answer.ts';
import type { ConsulClient, ReadOptions } from './client.ts';
import { createSlots } from './slots.ts';

export interface Reader {
  read(options: ReadOptions, signal: AbortSignal): Promise<Answer>;
  /** True when that many keys cannot all hold a connection: each should then wait only briefly. */
  crowded(keys: number): boolean;
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
  const waiting = createSlots(Math.max(1, options.maxConnections - share));
  const reads = deps.metrics.counter('source_reads_total', 'Answers and failures of a source', ['source', 'outcome']);
  const differences = deps.metrics.counter(
    'source_resync_differences_total',
    'Changes that only a periodic full read of a source found',
    ['source'],
  );
  let told = 0;

  return {
    async read(request, signal) {
      const slots = request.blocking === undefined ? brief : waiting;
      try {
        const answer = await slots.run(signal, () => client.read(request, signal));
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
    diverged: () => differences.add({ source }),
  };
}
