// What the server needs of something that speaks gRPC on sockets it is given. There are two: over @grpc/grpc-js, and over
// node:http2 alone.
// It must not know discovery. Invariant: nothing on one connection ends another.
import type { Socket } from 'node:net';
import type { Peer } from '../sink.ts';

export interface Connection {
  readonly peer: Peer;
  /** Decrypted where there is TLS. */
  readonly socket: Socket;
}

export interface TransportOptions {
  readonly maxRequestBytes: number;
  readonly maxStreamsPerConnection: number;
  /** Quiet time before a ping, with calls and without. */
  readonly keepaliveMs: number;
  /** Longest wait for the answer to a ping. */
  readonly keepaliveTimeoutMs: number;
  /** Mean age at which connections are retired; 0: never. */
  readonly maxConnectionAgeMs: number;
}

export interface Transport {
  /** Takes over a connection; what was read of it must have been put back. */
  accept(connection: Connection): void;
  /** GOAWAY on one connection: its streams go on, new ones go elsewhere. */
  retire(connection: Connection): void;
  /** GOAWAY on every connection; each closes once its streams have ended. */
  drain(withinMs: number): void;
  /** Cuts what is left. */
  destroy(): void;
}
