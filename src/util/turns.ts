// Work done one after the other, in the order it was asked for. A failure is its asker's; the next one runs all the same.

/** Runs each piece of work once the ones before it have settled; resolves or rejects as the work does. */
export function createTurns(): <T>(work: () => Promise<T>) => Promise<T> {
  let last: Promise<unknown> = Promise.resolve();
  return (work) => {
    const turn = last.then(work);
    last = turn.catch(() => {});
    return turn;
  };
}
