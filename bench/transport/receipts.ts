// Who has received a change, and how long after it was asked for. A change is of one name (delta), or of the whole set.
// Invariant: a proxy counts once a change, at its first receipt after the change was asked for.

export interface Receipts {
  /** Resolves when `expect` proxies have it, or at the deadline with those that have. */
  readonly done: Promise<Receipt>;
}

export interface Receipt {
  /** Milliseconds from the request to each receipt, in order of arrival. */
  readonly latencies: number[];
  readonly expected: number;
}

interface Watch {
  readonly sentMs: number;
  readonly expect: number;
  readonly seen: Uint8Array;
  readonly latencies: number[];
  readonly finish: () => void;
}

/** The slot of a change that is not of one name. */
export const wholeSet = -1;

export interface ReceiptBook {
  /** Waits for `slot` (index of a name, or `wholeSet`) from now on. One at a time a slot. */
  expect(slot: number, options: { readonly proxies: number; readonly deadlineMs: number }): Receipts;
  awaits(slot: number): boolean;
  received(slot: number, proxy: number, nowMs: number): void;
}

/** `proxies`: how many there are at most. */
export function createReceiptBook(proxies: number): ReceiptBook {
  const watches = new Map<number, Watch>();
  return {
    expect(slot, options) {
      if (watches.has(slot)) throw new Error(`a change of slot ${slot} is still awaited`);
      const { promise, resolve } = Promise.withResolvers<Receipt>();
      const latencies: number[] = [];
      const finish = (): void => {
        clearTimeout(timer);
        watches.delete(slot);
        resolve({ latencies, expected: options.proxies });
      };
      const timer = setTimeout(finish, options.deadlineMs);
      const seen = new Uint8Array(proxies);
      watches.set(slot, { sentMs: performance.now(), expect: options.proxies, seen, latencies, finish });
      return { done: promise };
    },
    awaits: (slot) => watches.has(slot),
    received(slot, proxy, nowMs) {
      const watch = watches.get(slot);
      if (watch === undefined || watch.seen[proxy] === 1) return;
      watch.seen[proxy] = 1;
      watch.latencies.push(nowMs - watch.sentMs);
      if (watch.latencies.length === watch.expect) watch.finish();
    },
  };
}
