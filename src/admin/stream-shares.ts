// How many event streams may be open: of everybody together, and of one token, so that no token keeps the others out.
// It must not know what a stream tells. Invariant: the token of the file, which is for emergencies, finds room that no other
// token can take.
import type { Asker } from '../model/access.ts';
import { tooMany } from './fault.ts';
import { firstToken } from './gatekeeper.ts';

export interface StreamLimits {
  /** Open at the same time; default 256. */
  readonly all?: number;
  /** Of one token, and kept free for the token of the file; default 64. */
  readonly each?: number;
}

export interface StreamShares {
  /** Takes a place, and returns how to give it back. Throws a Fault of 429 that says whose streams are in the way. */
  take(asker: Asker): () => void;
}

/** The client learns of a place that came free by asking again. */
const retryAfterSeconds = 10;

export function createStreamShares({ all = 256, each = 64 }: StreamLimits = {}): StreamShares {
  const open = new Map<string, number>();
  return {
    take(asker) {
      const name = asker.kind === 'role' ? asker.name : '';
      const own = open.get(name) ?? 0;
      if (own >= each)
        throw tooMany(
          `the token "${name}" has ${own} event streams open, as many as one token may have; close some, or ask with another token`,
          retryAfterSeconds,
        );
      const others = [...open].reduce((sum, [who, count]) => (who === firstToken ? sum : sum + count), 0);
      if (name !== firstToken && others >= all - each)
        throw tooMany(
          `${others} event streams are open, as many as all tokens together may have; the token of the file has room kept for it`,
          retryAfterSeconds,
        );
      open.set(name, own + 1);
      let left = false;
      return () => {
        if (left) return;
        left = true;
        const now = (open.get(name) ?? 1) - 1;
        if (now === 0) open.delete(name);
        else open.set(name, now);
      };
    },
  };
}
