// Drains streams whose view changed: in the same turn, merged, with a pause after every megabyte.
// In the pause requests are read and answered, so a wave of pushes does not delay those who start up. It goes by bytes, not
// by streams: slices of small messages would reach the last stream later, as ACKs are read in between.
// It must not know messages. Invariant: a stream is in the queue at most once; order is first marked, first served.
import type { Clock } from '../util/clock.ts';

export interface Pumped {
  /** Sends what is due; returns the bytes written. */
  drain(): number;
}

export interface Pump {
  add(stream: Pumped): void;
  remove(stream: Pumped): void;
}

const pauseAfterBytes = 1024 * 1024;

export function createPump(clock: Clock): Pump {
  const queue = new Set<Pumped>();
  let scheduled = false;
  function run(): void {
    scheduled = false;
    let written = 0;
    for (const stream of queue) {
      queue.delete(stream);
      written += stream.drain();
      if (written < pauseAfterBytes || queue.size === 0) continue;
      scheduled = true;
      clock.after(0, run);
      return;
    }
  }
  return {
    add(stream) {
      queue.add(stream);
      if (scheduled) return;
      scheduled = true;
      queueMicrotask(run);
    },
    remove: (stream) => void queue.delete(stream),
  };
}
