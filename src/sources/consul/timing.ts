// The times a followed key goes by, unless the options say otherwise.
import type { QueryTiming } from './blocking-query.ts';

export const defaultTiming: QueryTiming = {
  confirmMs: 3000,
  maxDoubtMs: 10_000,
  resyncMs: 300_000,
  maxBackoffMs: 1000,
  idleBurst: 2,
  idlePerSecond: 1,
};

/**
 * The list of services wakes for every registration, mostly without a new name. Waiting long after those would make a
 * new service wait too, and its answer is small.
 */
export const listTiming: QueryTiming = { ...defaultTiming, idleBurst: 10, idlePerSecond: 10 };
