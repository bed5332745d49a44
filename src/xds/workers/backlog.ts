// Keeps a worker from telling more than the main thread can take: beyond a bound it waits, as it would if both were one
// thread. It must not know what is told. Invariant: what was told and not yet taken is bounded; the thread that takes never waits.

/** Shared by both threads; holds how much was taken so far, modulo 2 ** 32. */
export type BacklogCell = Int32Array<SharedArrayBuffer>;

/** About twenty megabytes of events; a fleet of ten thousand has that much to say of ten changes. */
export const maxBacklog = 100_000;
/** Only to look again, should a wake-up be lost. */
const lookAgainMs = 100;

export function createBacklogCell(): BacklogCell {
  return new Int32Array(new SharedArrayBuffer(4));
}

/** The side that tells: returns once at most `max` of all that was told is not taken. Blocks the thread until then. */
export function createTeller(cell: BacklogCell, max: number): (count: number) => void {
  let told = 0;
  return (count) => {
    told = (told + count) | 0;
    for (let taken = Atomics.load(cell, 0); ((told - taken) | 0) > max; taken = Atomics.load(cell, 0))
      Atomics.wait(cell, 0, taken, lookAgainMs);
  };
}

/** The side that takes. */
export function take(cell: BacklogCell, count: number): void {
  Atomics.add(cell, 0, count);
  Atomics.notify(cell, 0);
}
