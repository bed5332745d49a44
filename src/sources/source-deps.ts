// What every source is given. Sources read time, randomness, logs and metrics from here only.
// It must not grow anything of one registry.
import type { Clock } from '../util/clock.ts';
import type { Logger } from '../util/log.ts';
import type { Metrics } from '../util/metrics.ts';
import type { Random } from '../util/random.ts';

export interface SourceDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly metrics: Metrics;
}
