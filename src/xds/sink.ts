// The seam between the transport and what is served over it: a gRPC stream as two small interfaces. Unary methods are
// streams too: one message in, one message and an end out.
// It must not know HTTP/2 or any gRPC library. Invariants: a listener is never called within a call of its own sink's
// methods; after `closed` nothing is called any more.
import type { Principal } from '../model/principal.ts';
import type { Frame } from './frame.ts';

/** The codes of gRPC's status that are used here. */
export const grpcStatus = {
  ok: 0,
  'invalid-argument': 3,
  'deadline-exceeded': 4,
  'not-found': 5,
  'permission-denied': 7,
  'resource-exhausted': 8,
  unimplemented: 12,
  internal: 13,
  unavailable: 14,
  unauthenticated: 16,
} as const;

export type StatusName = keyof typeof grpcStatus;

/** The connection a stream came on. */
export interface Peer {
  /** `address:port` of the other end. */
  readonly name: string;
  /** Without the port. */
  readonly address: string;
  /** It came over TLS that we ended. */
  readonly tls: boolean;
  /** The verified client certificate as DER; undefined in plaintext and where none was asked for. */
  certificate(): Uint8Array | undefined;
}

/** Headers of one stream that may prove who opened it: every one of each, in order. */
export interface CredentialHeaders {
  readonly authorization: readonly string[];
  /** `x-consul-token` */
  readonly consulToken: readonly string[];
}

/** What is written to one stream, and how it is ended. */
export interface Sink {
  readonly peer: Peer;
  readonly credentials: CredentialHeaders;
  /** Who opened it, as was verified; undefined where nobody is asked. */
  readonly principal?: Principal;
  /** Hands over a message; `taken` is called once HTTP/2 has taken all of it, never within this call. */
  write(frame: Frame, taken: () => void): void;
  /** Ends the stream with a status; what was written before is still delivered. Later calls do nothing. */
  end(status: StatusName, details: string): void;
  /** Destroys the whole connection: a status never reaches a client that takes nothing, nor does it free its bytes. */
  cut(): void;
  /** Stops reading, until `resume`; a few messages that were read already may still come. */
  pause(): void;
  resume(): void;
}

/** Why a stream ends that was let in. */
export interface Expulsion {
  readonly cause: 'expired' | 'revoked';
  readonly message: string;
}

/** What the transport tells of one stream. */
export interface StreamListener {
  /** One whole message, not compressed. It may be kept. */
  incoming(bytes: Buffer): void;
  /** The client will send no more. */
  halfClosed(): void;
  /** It is over, for whatever reason, an `end` of ours included. Called once. */
  closed(reason: string): void;
  /** Its principal is none any more: it is to end within the call. Without this the stream is ended with the words alone. */
  expelled?(why: Expulsion): void;
}

/** Listens to a stream that was refused: nothing of it is taken. */
export const nobody: StreamListener = { incoming() {}, halfClosed() {}, closed() {} };

/** One served method. `open` is called when a client begins a stream of it; nothing was read then. */
export interface ServedMethod {
  /** `/package.Service/Method`. */
  readonly path: string;
  open(sink: Sink): StreamListener;
}
