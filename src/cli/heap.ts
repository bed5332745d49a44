// How V8 keeps this process's heap: small while the mesh is, quick once there is a fleet.
// It must not know what fills it. Invariant: nothing here changes what the program does.
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { Control } from '../control/contract.ts';

/** Streams opened after which speed counts for more than memory. */
const fleetStreams = 10;

/**
 * What is loaded at start stays, so growing the young generation for it only costs memory (about 15 MB). Held small until
 * a fleet is there.
 */
export function keepHeapSmall(): void {
  setFlagsFromString('--semi-space-growth-factor=1');
}

/**
 * From the tenth stream on: a fifth of the CPU of every event is worth those megabytes. And V8 is not to collect the whole
 * heap each time nothing happens for a moment: a fleet's state stays, and looking at it again took a third of the CPU.
 */
export function growHeapWithFleet(control: Pick<Control, 'subscribe'>): void {
  let streams = 0;
  control.subscribe((event) => {
    if (event.kind !== 'proxy' || event.state !== 'pending' || ++streams !== fleetStreams) return;
    setFlagsFromString('--semi-space-growth-factor=2');
    setFlagsFromString('--no-memory-reducer');
  });
}

/** What loading left behind (5 MB) would else stay: V8 collects its old space when that grows, and a small mesh's does not. */
export function collectGarbage(): void {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
}
