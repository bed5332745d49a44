// Ends connections that have become old, so that proxies spread over replicas that came later.
// It must not know discovery. Invariants: a stream that was never answered is not ended for its age before a grace time, as
// clients count that as a failure of the server (gRFC A57); connections of one age do not end together.
import type { Clock } from '../../util/clock.ts';
import type { Random } from '../../util/random.ts';
import type { Peer } from '../sink.ts';
import type { Connection, Transport } from './transport.ts';

export interface AgeingStream {
  answered(): boolean;
  stop(message: string, cause: 'aged'): void;
}

export interface ConnectionAge {
  /** A connection was opened. */
  watch(connection: Connection): void;
  /** A stream began on the connection of `peer`; returns what to call when it has ended. */
  join(peer: Peer, stream: AgeingStream): () => void;
}

const message = 'the connection has reached its age; connect again';
const spreadMs = 1_000;
/** Longest time that a stream without an answer is left alone. */
const graceMs = 60_000;

/** `ageMs`: mean age, 0 for ever. Every connection gets its own within a tenth of it. */
export function createConnectionAge(
  { clock, random, transport }: { readonly clock: Clock; readonly random: Random; readonly transport: () => Transport },
  ageMs: number,
): ConnectionAge {
  const streams = new WeakMap<Peer, Set<AgeingStream>>();

  function retire(connection: Connection): void {
    transport().retire(connection);
    for (const stream of streams.get(connection.peer) ?? [])
      clock.after(random() * spreadMs, () => end(connection.peer, stream, graceMs));
  }

  function end(peer: Peer, stream: AgeingStream, patienceMs: number): void {
    if (streams.get(peer)?.has(stream) !== true) return;
    if (stream.answered() || patienceMs <= 0) stream.stop(message, 'aged');
    else clock.after(spreadMs, () => end(peer, stream, patienceMs - spreadMs));
  }

  return {
    watch(connection) {
      if (ageMs === 0) return;
      const timer = clock.after(ageMs * (0.9 + 0.2 * random()), () => retire(connection));
      connection.socket.once('close', () => timer.cancel());
    },
    join(peer, stream) {
      if (ageMs === 0) return () => {};
      const known = streams.get(peer) ?? new Set();
      streams.set(peer, known);
      known.add(stream);
      return () => known.delete(stream);
    },
  };
}
