// One worker's part of limits that hold for the whole process.
// It must not know what is limited. Invariant: the parts together reach the whole; none is zero where the whole is not,
// as zero means no limit.
import type { XdsServerOptions } from '../grpc/server.ts';
import { defaultAdmission, defaultMaxConnections } from '../grpc/server-limits.ts';

/**
 * The options of one of `workers` workers. The kernel deals out connections evenly, so a part each comes close to the
 * whole; one address, whose connections may all meet in one worker, gets its part only.
 */
export function share(options: XdsServerOptions, workers: number): XdsServerOptions {
  const part = (whole: number): number => Math.ceil(whole / workers);
  const admission = { ...defaultAdmission, ...options.admission };
  return {
    ...options,
    maxConnections: part(options.maxConnections ?? defaultMaxConnections),
    // Counted on the main thread, for all workers together.
    maxStreamsPerNode: 0,
    admission: {
      perSecond: part(admission.perSecond),
      burst: part(admission.burst),
      perTurn: admission.perTurn,
      maxWaiting: part(admission.maxWaiting),
      maxPerAddress: part(admission.maxPerAddress),
    },
  };
}
