// Calls a sidecar past all proxies: in plaintext, or over TLS as a proxy would, with whatever certificate. It believes any
// server.
// Invariant: it always resolves, within the deadline, and nobody who does not listen is taken for one who refuses.
import { connect } from 'node:net';
import { type ConnectionOptions, connect as connectTls } from 'node:tls';
import { meshAlpn } from '../translate/mutual-tls.ts';
import type { Clock } from '../util/clock.ts';
import type { Certificate } from './credentials.ts';

/** `refused`: the connection was taken, and closed without a byte of an answer. */
export type Reception = 'answered' | 'refused' | 'nobody listens' | 'silence';

/** `nobody`: without a certificate. */
export type Guise = 'plaintext' | 'nobody' | Certificate;

const deadlineMs = 3_000;

export function knock(clock: Clock, port: number, guise: Guise): Promise<Reception> {
  return new Promise((resolve) => {
    let reached = false;
    const tcp = connect({ host: '127.0.0.1', port });
    const socket = guise === 'plaintext' ? tcp : connectTls(tlsOptions(tcp, guise));
    const timer = clock.after(deadlineMs, () => finish('silence'));
    const finish = (reception: Reception): void => {
      timer.cancel();
      socket.destroy();
      tcp.destroy();
      resolve(reception);
    };
    const closed = (): void => finish(reached ? 'refused' : 'nobody listens');
    tcp.once('connect', () => {
      reached = true;
    });
    tcp.on('error', closed);
    socket.on('error', closed);
    socket.once('close', closed);
    socket.once('data', () => finish('answered'));
    socket.once(guise === 'plaintext' ? 'connect' : 'secureConnect', () =>
      socket.write('GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n'),
    );
  });
}

function tlsOptions(socket: NonNullable<ConnectionOptions['socket']>, guise: Exclude<Guise, 'plaintext'>) {
  const shown = guise === 'nobody' ? {} : { cert: guise.chain, key: guise.key };
  return {
    socket,
    rejectUnauthorized: false,
    ALPNProtocols: [meshAlpn, 'http/1.1'],
    ...shown,
  } satisfies ConnectionOptions;
}
