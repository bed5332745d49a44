// Server-sent events: control's events as they happen. A reader that falls behind is cut off, never buffered without end.
// It must not know HTTP routes. Invariant: the subscription ends with the connection or the server, whichever is first.
import type { ServerResponse } from 'node:http';
import type { Control } from '../control/contract.ts';
import type { Clock, Timer } from '../util/clock.ts';

const keepaliveMs = 15_000;
const maxUnsentBytes = 1 << 20;

/** Streams until the client leaves or `signal` aborts. `headers` go out first. */
export function streamEvents(
  deps: { readonly control: Pick<Control, 'subscribe'>; readonly clock: Clock },
  response: ServerResponse,
  signal: AbortSignal,
): void {
  let timer: Timer | undefined;
  let last = 0;
  let ended = false;
  const write = (text: string): void => {
    if (response.writableLength > maxUnsentBytes) stop();
    else response.write(text);
  };
  const beat = (): void => {
    write(': still here\n\n');
    timer = deps.clock.after(keepaliveMs, beat);
  };
  const stop = (): void => {
    if (ended) return;
    ended = true;
    timer?.cancel();
    unsubscribe();
    signal.removeEventListener('abort', stop);
    response.destroy();
  };
  response.writeHead(200, {
    'content-type': 'text/event-stream',
    'cache-control': 'no-store',
    'x-accel-buffering': 'no',
  });
  response.write(': connected\n\n');
  const unsubscribe = deps.control.subscribe((event) =>
    write(`id: ${++last}\nevent: ${event.kind}\ndata: ${JSON.stringify(event)}\n\n`),
  );
  timer = deps.clock.after(keepaliveMs, beat);
  response.on('close', stop);
  signal.addEventListener('abort', stop, { once: true });
}
