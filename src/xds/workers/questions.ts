// Questions to another thread and their answers, matched by number.
// It must not know what is asked. Invariant: every question is settled once, at the latest when the other thread is gone.

export interface Questions<T> {
  /** `put` sends the question with its number. */
  ask(put: (ask: number) => void): Promise<T>;
  answer(ask: number, answer: T): void;
  /** The other thread will answer nothing any more. */
  abandon(answer: T): void;
}

export function createQuestions<T>(): Questions<T> {
  const open = new Map<number, (answer: T) => void>();
  let next = 1;
  return {
    ask: (put) =>
      new Promise((resolve) => {
        const ask = next++;
        open.set(ask, resolve);
        put(ask);
      }),
    answer(ask, answer) {
      open.get(ask)?.(answer);
      open.delete(ask);
    },
    abandon(answer) {
      for (const resolve of open.values()) resolve(answer);
      open.clear();
    },
  };
}
