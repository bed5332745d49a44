// Ends connections that have become old, so that proxies spread over replicas that came later, and those whose credential has:
// a client certificate is shown once a connection, and a token is read again for the next stream.
// It must not know discovery. Invariants: a stream that was never answered is not ended for its age before a grace time, as
// clients count that as a failure of the server (gRFC A57); connections of one age do not end together.
import type { Principal } from '../../model/principal.ts';
import type { Clock, Timer } from '../../util/clock.ts';
import type { Random } from '../../util/random.ts';
import { openAnewAtMs } from '../credential-age.ts';
import type { Peer } from '../sink.ts';
import type { Connection, Transport } from './transport.ts';

export interface AgeingStream {
  answered(): boolean;
  stop(message: string, cause: 'aged'): void;
}

export interface ConnectionAge {
  /** A connection was opened. */
  watch(connection: Connection): void;
  /** A stream of `principal` began on the connection of `peer`; returns what to call when it has ended. */
  join(peer: Peer, stream: AgeingStream, principal?: Principal): () => void;
  /** What was shown on the connection of `peer` holds no more: whatever comes next is to come on another one. */
  over(peer: Peer): void;
}

const message = 'the connection has reached its age; connect again';
const spreadMs = 1_000;
/** Longest time that a stream without an answer is left alone. */
const graceMs = 60_000;
/** Timers are no longer than that, and a wall clock that is set is noticed by then. */
const lookAgainMs = 3_600_000;

/** `ageMs`: mean age, 0 for ever. Every connection gets its own within a tenth of it. */
export function createConnectionAge(
  { clock, random, transport }: { readonly clock: Clock; readonly random: Random; readonly transport: () => Transport },
  ageMs: number,
): ConnectionAge {
  const connections = new WeakMap<Peer, Connection>();
  const streams = new WeakMap<Peer, Set<AgeingStream>>();

  function over(peer: Peer): void {
    const connection = connections.get(peer);
    if (connection !== undefined) transport().retire(connection);
  }

  function retire(peer: Peer): void {
    over(peer);
    for (const stream of streams.get(peer) ?? []) clock.after(random() * spreadMs, () => end(peer, stream, graceMs));
  }

  function end(peer: Peer, stream: AgeingStream, patienceMs: number): void {
    if (streams.get(peer)?.has(stream) !== true) return;
    if (stream.answered() || patienceMs <= 0) stream.stop(message, 'aged');
    else clock.after(spreadMs, () => end(peer, stream, patienceMs - spreadMs));
  }

  /** Retires the connection at that time of the wall clock, unless the stream has ended. Returns what calls it off. */
  function retireAt(peer: Peer, atMs: number): () => void {
    let timer: Timer | undefined;
    const look = (): void => {
      const leftMs = atMs - clock.wall();
      if (leftMs <= 0) retire(peer);
      else timer = clock.after(Math.min(leftMs, lookAgainMs), look);
    };
    look();
    return () => timer?.cancel();
  }

  return {
    over,
    watch(connection) {
      connections.set(connection.peer, connection);
      if (ageMs === 0) return;
      const timer = clock.after(ageMs * (0.9 + 0.2 * random()), () => retire(connection.peer));
      connection.socket.once('close', () => timer.cancel());
    },
    join(peer, stream, principal) {
      const known = streams.get(peer) ?? new Set();
      streams.set(peer, known);
      known.add(stream);
      const atMs = principal && openAnewAtMs(principal, clock.wall(), random());
      const stay = atMs === undefined ? undefined : retireAt(peer, atMs);
      return () => {
        known.delete(stream);
        stay?.();
      };
    },
  };
}
