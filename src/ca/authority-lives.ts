// How long certificates live: what is used where nothing is said, and what is refused.
// Invariant: an intermediate lives at least twice as long as leaves, so that, renewed at half of its life, it shortens none.
import { AppError } from '../util/errors.ts';

export interface LifeOptions {
  /** 24 hours; from 5 minutes to 7 days. */
  readonly leafLifeMs?: number;
  /** 7 days, or twice that of leaves if it is more; at least twice that of leaves. */
  readonly intermediateLifeMs?: number;
  /** Certificates count as valid from so long ago, for clocks differ. 15 minutes, a quarter of their life at most. */
  readonly backdateMs?: number;
  /** Lets leaves live shorter than the least: for tests. */
  readonly shortLives?: boolean;
}

export interface Lives {
  readonly leafMs: number;
  readonly intermediateMs: number;
  readonly backdateMs: number;
}

const minute = 60_000;
const day = 24 * 60 * minute;
const leastLeafMs = 5 * minute;
const mostLeafMs = 7 * day;

export function checkedLives(options: LifeOptions): Lives {
  const leafMs = options.leafLifeMs ?? day;
  const intermediateMs = options.intermediateLifeMs ?? Math.max(7 * day, 2 * leafMs);
  const backdateMs = options.backdateMs ?? Math.min(15 * minute, leafMs / 4);
  const least = options.shortLives === true ? 1 : leastLeafMs;
  // NaN fails each of these.
  if (!(leafMs >= least && leafMs <= mostLeafMs))
    throw new AppError('CH1604', `a certificate lives from 5 minutes to 7 days, not ${seconds(leafMs)}`);
  if (!(intermediateMs >= 2 * leafMs && Number.isFinite(intermediateMs)))
    throw new AppError(
      'CH1604',
      `an intermediate lives at least twice as long as the certificates (${seconds(leafMs)}), not ${seconds(intermediateMs)}`,
    );
  if (!(backdateMs >= 0 && Number.isFinite(backdateMs)))
    throw new AppError('CH1604', `a certificate cannot begin ${seconds(-backdateMs)} from now`);
  return { leafMs, intermediateMs, backdateMs };
}

const seconds = (ms: number): string => `${ms / 1000} s`;
