// Cuts the bytes of one gRPC stream into messages. It must not know what they say.
// Invariant: at most one message is held, no larger than the limit; a message of which all bytes came at once is not copied.
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
}

const prefixBytes = 5;

export function createMessageReader(maxBytes: number): MessageReader {
  /** What came of a message that is not whole yet; undefined between messages. */
  let parts: Buffer[] | undefined;
  let have = 0;
  let need = prefixBytes;

  /** Bytes of the message that begins at `at`, with its prefix. */
  function sizeAt(bytes: Buffer, at: number): number {
    const flag = bytes[at];
    if (flag === 1) throw new FramingError('unimplemented', 'compressed messages are not supported');
    if (flag !== 0) throw new FramingError('internal', `a message begins with ${flag}`);
    const length = bytes.readUInt32BE(at + 1);
    if (length > maxBytes)
      throw new FramingError('resource-exhausted', `a message of ${length} bytes is larger than ${maxBytes}`);
    return prefixBytes + length;
  }

  function begin(rest: Buffer): void {
    parts = [rest];
    have = rest.length;
    need = have >= prefixBytes ? sizeAt(rest, 0) : prefixBytes;
  }

  return {
    take(chunk, onMessage) {
      let at = 0;
      while (parts !== undefined && at < chunk.length) {
        const piece = chunk.subarray(at, at + need - have);
        parts.push(piece);
        at += piece.length;
        have += piece.length;
        if (have < need) return;
        const whole = Buffer.concat(parts);
        if (need === prefixBytes) need = sizeAt(whole, 0);
        if (have < need) {
          parts = [whole];
          continue;
        }
        parts = undefined;
        onMessage(whole.subarray(prefixBytes));
      }
      while (at < chunk.length) {
        const left = chunk.length - at;
        const size = left < prefixBytes ? undefined : sizeAt(chunk, at);
        if (size === undefined || left < size) {
          begin(chunk.subarray(at));
          return;
        }
        onMessage(chunk.subarray(at + prefixBytes, at + size));
        at += size;
      }
    },
    atBoundary: () => parts === undefined,
  };
}
