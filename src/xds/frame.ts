// A gRPC message with its five-byte prefix in front of it, in one piece of memory, so that one Buffer serves every stream.
// It must not know protobuf or HTTP/2. Invariant: `bytes` is the rest of `framed` after the prefix; neither is changed once
// it was handed out.

export interface Frame {
  /** The message. */
  readonly bytes: Buffer;
  /** The same memory, with the prefix: not compressed, length big-endian. */
  readonly framed: Buffer;
}

export const framePrefixBytes = 5;

/** A frame whose message of `size` bytes is still to be written into `bytes`. */
export function allocateFrame(size: number): Frame {
  const framed = Buffer.allocUnsafe(framePrefixBytes + size);
  framed[0] = 0;
  framed.writeUInt32BE(size, 1);
  return { framed, bytes: framed.subarray(framePrefixBytes) };
}

/** A frame around a copy of the message. */
export function frameOf(message: Uint8Array): Frame {
  const frame = allocateFrame(message.length);
  frame.bytes.set(message);
  return frame;
}
