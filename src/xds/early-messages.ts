// Messages that came before they can be taken: reading is stopped then, but a few were read already.
// It must not know what they say. Invariant: their number and bytes are bounded.

export interface EarlyMessages {
  /** False if it is one too many. */
  push(bytes: Buffer): boolean;
  /** All of them in order; none is left. */
  takeAll(): readonly Buffer[];
}

const maxMessages = 64;
const maxBytes = 16 * 1024 * 1024;

/** What a stream with too many of them is told. */
export const tooEarly = 'too many requests came before the first one could be answered';

export function createEarlyMessages(): EarlyMessages {
  let messages: Buffer[] = [];
  let size = 0;
  return {
    push(bytes) {
      size += bytes.length;
      if (messages.length >= maxMessages || size > maxBytes) return false;
      messages.push(bytes);
      return true;
    },
    takeAll() {
      const all = messages;
      messages = [];
      size = 0;
      return all;
    },
  };
}
