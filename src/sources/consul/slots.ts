// How many requests to one agent may be open at once: each blocking query holds a connection, and agents cut off clients
// above limits.http_max_conns_per_client (200 by default). It must not know what is asked.
// Invariant: never more than `size` at once; who waited longest goes first.

export interface Slots {
  /** Runs `work` in a slot; rejects with the signal's reason when aborted before it got one. */
  run<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T>;
  readonly size: number;
  /** How many wait for a slot now. */
  queued(): number;
  /** The agent refused a connection: use fewer than are open now, at least 2. Returns the new size. */
  shrink(): number;
}

export function createSlots(size: number): Slots {
  let free = size;
  let total = size;
  const queue: (() => void)[] = [];

  function release(): void {
    free++;
    while (free > 0) {
      const next = queue.shift();
      if (next === undefined) return;
      free--;
      next();
    }
  }

  async function acquire(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (free > 0 && queue.length === 0) {
      free--;
      return;
    }
    await new Promise<void>((resolve, reject) => {
      const leave = (): void => {
        queue.splice(queue.indexOf(enter), 1);
        reject(signal.reason);
      };
      const enter = (): void => {
        signal.removeEventListener('abort', leave);
        resolve();
      };
      queue.push(enter);
      signal.addEventListener('abort', leave, { once: true });
    });
  }

  return {
    async run(signal, work) {
      await acquire(signal);
      try {
        return await work();
      } finally {
        release();
      }
    },
    get size() {
      return total;
    },
    queued: () => queue.length,
    shrink() {
      const target = Math.max(2, total - free - 1);
      if (target < total) {
        free -= total - target;
        total = target;
      }
      return total;
    },
  };
}
