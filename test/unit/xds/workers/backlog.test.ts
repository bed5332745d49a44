// What a worker may tell before it waits.
import { Worker } from 'node:worker_threads';
import { expect, it } from 'vitest';
import { createBacklogCell, createTeller, take } from '../../../../src/xds/workers/backlog.ts';

it('lets a worker tell up to the bound without waiting, and again what was taken', () => {
  const cell = createBacklogCell();
  const tell = createTeller(cell, 10);
  tell(10);
  take(cell, 5);
  tell(5);
  take(cell, 10);
  tell(10);
});

it('makes it wait beyond the bound until the other thread has taken enough', async () => {
  const cell = createBacklogCell();
  const tell = createTeller(cell, 10);
  const other = new Worker(
    `const { workerData: cell, parentPort } = require('node:worker_threads');
     parentPort.on('message', () => { Atomics.add(cell, 0, 5); Atomics.notify(cell, 0); });
     parentPort.postMessage('ready');`,
    { eval: true, workerData: cell },
  );
  await new Promise((resolve) => other.once('message', resolve));
  tell(10);
  other.postMessage('take');
  tell(5);
  // It can only have come back because five were taken.
  expect(Atomics.load(cell, 0)).toBe(5);
  await other.terminate();
});

it('counts on when the count wraps around', () => {
  const cell = createBacklogCell();
  const tell = createTeller(cell, 10);
  for (let round = 0; round < 5; round++) {
    take(cell, 2 ** 30);
    tell(2 ** 30);
  }
  expect(Atomics.load(cell, 0)).toBe((5 * 2 ** 30) | 0);
});
