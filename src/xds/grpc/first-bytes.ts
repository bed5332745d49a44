// Tells HTTP/2 from HTTP/1.1 on one port by the first bytes of a connection, and puts them back.
// It must not know what is served. Invariant: a connection that says nothing is closed in time; of one that speaks, no
// byte is lost or reordered.
import type { Socket } from 'node:net';
import type { Clock } from '../../util/clock.ts';

/** Of `PRI * HTTP/2.0`; no other method begins like it (PROPFIND differs in the third letter). */
const preface = Buffer.from('PRI');

export interface Protocols {
  readonly http2: (socket: Socket) => void;
  readonly http1: (socket: Socket) => void;
}

/** Hands the socket over once its first bytes have come; destroys it if none come within `waitMs`. */
export function byFirstBytes(
  clock: Clock,
  socket: Socket,
  { waitMs, http2, http1 }: Protocols & { waitMs: number },
): void {
  let head: Buffer = Buffer.alloc(0);
  const timer = clock.after(waitMs, () => socket.destroy());
  const decide = (choice: (socket: Socket) => void): void => {
    timer.cancel();
    socket.removeListener('readable', look);
    socket.removeListener('close', gone);
    socket.removeListener('end', cut);
    if (head.length > 0) socket.unshift(head);
    choice(socket);
  };
  function look(): void {
    const chunk = socket.read() as Buffer | null;
    if (chunk === null) return;
    head = head.length === 0 ? chunk : Buffer.concat([head, chunk]);
    const length = Math.min(head.length, preface.length);
    if (!head.subarray(0, length).equals(preface.subarray(0, length))) decide(http1);
    else if (length === preface.length) decide(http2);
  }
  /** It ends before it has said what it speaks. */
  function cut(): void {
    socket.destroy();
  }
  function gone(): void {
    timer.cancel();
  }
  socket.on('readable', look);
  socket.once('close', gone);
  socket.once('end', cut);
}
