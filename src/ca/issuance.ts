// What waits to be signed, in the order in which it is needed: a proxy without any certificate before one whose certificate
// ends soon, before those that a rotation touches, before the rest. It must not know what waits.
// Invariant: of two items with one urgency the older is taken first; what is put back comes before what never was taken.
import type { Urgency } from './contract.ts';

export interface IssuanceQueue<T> {
  size(): number;
  push(urgency: Urgency, item: T): void;
  /** What was taken and came to nothing. Put back in the order in which it was taken. */
  putBack(urgency: Urgency, item: T): void;
  /** What `take` would give. */
  peek(): T | undefined;
  take(): T | undefined;
}

const order: readonly Urgency[] = ['none-yet', 'expiring', 'rotation', 'routine'];

export function createIssuanceQueue<T>(): IssuanceQueue<T> {
  const lines = new Map(order.map((urgency) => [urgency, { returned: createLine<T>(), fresh: createLine<T>() }]));
  const all = [...lines.values()].flatMap(({ returned, fresh }) => [returned, fresh]);
  let size = 0;
  return {
    size: () => size,
    push(urgency, item) {
      size++;
      lines.get(urgency)?.fresh.push(item);
    },
    putBack(urgency, item) {
      size++;
      lines.get(urgency)?.returned.push(item);
    },
    peek() {
      for (const line of all) {
        const item = line.peek();
        if (item !== undefined) return item;
      }
      return undefined;
    },
    take() {
      for (const line of all) {
        const item = line.shift();
        if (item === undefined) continue;
        size--;
        return item;
      }
      return undefined;
    },
  };
}

interface Line<T> {
  push(item: T): void;
  peek(): T | undefined;
  shift(): T | undefined;
}

/** First in, first out. An array's own `shift` moves all that is behind; ten thousand may wait. */
function createLine<T>(): Line<T> {
  let incoming: T[] = [];
  /** The oldest last. */
  let outgoing: T[] = [];
  function turn(): void {
    if (outgoing.length > 0) return;
    outgoing = incoming.reverse();
    incoming = [];
  }
  return {
    push(item) {
      incoming.push(item);
    },
    peek() {
      turn();
      return outgoing.at(-1);
    },
    shift() {
      turn();
      return outgoing.pop();
    },
  };
}
