// Requests for leaves of Connect, a few at a time, in the order in which they are needed: the deadline of a request is for the
// request, not for the waiting before it. It must not know what is asked.
import type { Urgency } from './contract.ts';
import { createIssuanceQueue } from './issuance.ts';

export type ConnectLine = <T>(urgency: Urgency, work: () => Promise<T>) => Promise<T>;

export function createConnectLine(atOnce: number): ConnectLine {
  const waiting = createIssuanceQueue<() => void>();
  let busy = 0;
  return async (urgency, work) => {
    // Whoever ends hands its place on, so that none is taken in between.
    if (busy >= atOnce) await new Promise<void>((resolve) => waiting.push(urgency, resolve));
    else busy++;
    try {
      return await work();
    } finally {
      const next = waiting.take();
      if (next === undefined) busy--;
      else next();
    }
  };
}
