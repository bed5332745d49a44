// Cuts the bytes of one gRPC stream into messages. It must not know what they say.
// Invariant: at most one message is held, no larger than the limit; a message of which all bytes came at once is not copied.
import { framePrefixBytes } from '../frame.ts';
import type { StatusName } from '../sink.ts';

/** The client broke the framing, or went beyond a limit. */
export class FramingError extends Error {
  override readonly name = 'FramingError';
  readonly status: StatusName;
  constructor(status: StatusName, message: string) {
    super(message);
    this.status = status;
  }
}

export interface MessageReader {
  /** Takes what came; calls back for each message that is whole. Throws FramingError. */
  take(chunk: Buffer, onMessage: (message: Buffer) => void): void;
  /** True between messages. */
  atBoundary(): boolean;
  /** Gives up what is held. */
  close(): void;
}

/** Bytes of unfinished messages that may be held, over all streams that share it. */
export interface ReceiveRoom {
  left: number;
}

/** Room for a message that comes in pieces is made as it comes: what a prefix promises may never follow. */
const firstRoomBytes = 4096;

export function createMessageReader(maxBytes: number, room: ReceiveRoom): MessageReader {
  /** What came of a message that is not whole yet; undefined between messages. Pieces may be single bytes: none is kept. */
  let held: Buffer | undefined;
  let have = 0;
  let need = framePrefixBytes;

  /** Bytes of the message that begins at `at`, with its prefix. */
  function sizeAt(bytes: Buffer, at: number): number {
    const flag = bytes[at];
    if (flag === 1) throw new FramingError('unimplemented', 'compressed messages are not supported');
    if (flag !== 0) throw new FramingError('internal', `a message begins with ${flag}`);
    const length = bytes.readUInt32BE(at + 1);
    if (length > maxBytes)
      throw new FramingError('resource-exhausted', `a message of ${length} bytes is larger than ${maxBytes}`);
    return framePrefixBytes + length;
  }

  /** Copies the next bytes of the message behind those held; returns how many there were. */
  function hold(before: Buffer, chunk: Buffer, at: number): { readonly held: Buffer; readonly taken: number } {
    const taken = Math.min(need - have, chunk.length - at);
    let after = before;
    if (have + taken > before.length) {
      const size = Math.min(need, Math.max(have + taken, 2 * before.length, firstRoomBytes));
      if (size - before.length > room.left)
        throw new FramingError('resource-exhausted', 'too many unfinished messages are held for other streams');
      room.left -= size - before.length;
      after = Buffer.allocUnsafeSlow(size);
      before.copy(after, 0, 0, have);
    }
    chunk.copy(after, have, at, at + taken);
    return { held: after, taken };
  }

  function release(): void {
    room.left += held?.length ?? 0;
    held = undefined;
  }

  return {
    take(chunk, onMessage) {
      let at = 0;
      while (at < chunk.length) {
        if (held === undefined) {
          const left = chunk.length - at;
          const size = left < framePrefixBytes ? undefined : sizeAt(chunk, at);
          if (size !== undefined && left >= size) {
            onMessage(chunk.subarray(at + framePrefixBytes, at + size));
            at += size;
            continue;
          }
          held = Buffer.alloc(0);
          have = 0;
          need = size ?? framePrefixBytes;
        }
        const next = hold(held, chunk, at);
        held = next.held;
        have += next.taken;
        at += next.taken;
        if (have === framePrefixBytes && need === framePrefixBytes) need = sizeAt(held, 0);
        if (have < need) continue;
        const whole = held.subarray(framePrefixBytes, need);
        release();
        onMessage(whole);
      }
    },
    atBoundary: () => held === undefined,
    close: release,
  };
}
