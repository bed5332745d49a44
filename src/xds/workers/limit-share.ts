// One worker's part of limits that hold for the whole process.
// It must not know what is limited. Invariant: the parts together reach the whole; none is zero.
import type { XdsServerOptions } from '../grpc/server.ts';
import { defaultMaxConnections } from '../grpc/server-limits.ts';

/** The options of one of `workers` workers. The kernel deals out connections evenly, so a part each is close to the whole. */
export function share(options: XdsServerOptions, workers: number): XdsServerOptions {
  const part = (whole: number): number => Math.ceil(whole / workers);
  return { ...options, maxConnections: part(options.maxConnections ?? defaultMaxConnections) };
}
