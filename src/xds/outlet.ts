// What a stream has written and its transport has not taken: one message is handed over, then the reducer is blocked until
// it is gone, so that a slow client costs marks, not messages.
// It must not know messages or requests. Invariant: after `close` nothing is told.
import type { Frame } from './frame.ts';
import type { Sink } from './sink.ts';
import type { Stalls } from './stalls.ts';

export interface Outlet {
  write(frame: Frame): void;
  /** True once something was written. */
  used(): boolean;
  close(): void;
}

export interface OutletDeps {
  readonly sink: Sink;
  readonly stalls: Stalls;
  readonly onBlocked: () => void;
  readonly onWritable: () => void;
  /** The client took nothing for too long. */
  readonly onStalled: () => void;
}

export function createOutlet({ sink, stalls, onBlocked, onWritable, onStalled }: OutletDeps): Outlet {
  let unwritten = 0;
  let used = false;
  let closed = false;

  function taken(): void {
    unwritten--;
    if (unwritten > 0 || closed) return;
    stalls.leave(onStalled);
    onWritable();
  }

  return {
    write(frame) {
      used = true;
      unwritten++;
      if (unwritten === 1) {
        onBlocked();
        stalls.enter(onStalled);
      }
      sink.write(frame, taken);
    },
    used: () => used,
    close() {
      closed = true;
      stalls.leave(onStalled);
    },
  };
}
