// The times a followed key goes by, unless the options say otherwise.
import type { QueryTiming } from './blocking-query.ts';

export const defaultTiming: QueryTiming = {
  confirmMs: 1000,
  maxDoubtMs: 10_000,
  resyncMs: 300_000,
  maxBackoffMs: 1000,
};
