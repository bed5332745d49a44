// Collects what one thread has to tell another until its turn is over, so that a turn costs one message, not many.
// It must not know what is told. Invariant: order is kept; nothing waits longer than the turn in which it was said.

export interface Outbox<T> {
  push(message: T): void;
  /** The last message that was not sent yet, for one that goes on where it left off. */
  last(): T | undefined;
  /** Number of the list that what is pushed now goes with; the first is 1. */
  list(): number;
  /** Something else joins at the end of the turn (`closing`), though nothing was pushed. */
  wake(): void;
  /** Sends what waits. */
  flush(): void;
}

export interface OutboxDeps<T> {
  /** `list` counts the lists from 1. */
  send(messages: readonly T[], list: number): void;
  /** Runs `fn` at the end of the turn. */
  atEnd(fn: () => void): void;
  /** What joins every list, last. */
  closing?(): readonly T[];
}

export function createOutbox<T>(deps: OutboxDeps<T>): Outbox<T> {
  let waiting: T[] = [];
  let list = 1;
  let scheduled = false;

  function flush(): void {
    scheduled = false;
    const messages = [...waiting, ...(deps.closing?.() ?? [])];
    waiting = [];
    if (messages.length > 0) deps.send(messages, list++);
  }

  function wake(): void {
    if (scheduled) return;
    scheduled = true;
    deps.atEnd(flush);
  }

  return {
    push(message) {
      waiting.push(message);
      wake();
    },
    last: () => waiting.at(-1),
    list: () => list,
    wake,
    flush,
  };
}
