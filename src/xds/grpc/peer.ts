// The other end of an accepted connection. It must not know what is spoken on it.
// Invariant: a certificate is told only where the TLS library verified it against our authorities.
import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import type { Peer } from '../sink.ts';

export function peerOf(socket: Socket): Peer {
  const { remoteAddress: address = '', remotePort } = socket;
  const certificate = (): Uint8Array | undefined =>
    socket instanceof TLSSocket && socket.authorized ? socket.getPeerX509Certificate()?.raw : undefined;
  return { name: `${address}:${remotePort}`, address, tls: socket instanceof TLSSocket, certificate };
}
