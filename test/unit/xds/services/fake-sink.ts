// A sink that keeps what is said to it; the peer's address can be chosen.
import { noHeaders } from '../../../../src/xds/credentials.ts';
import type { Sink } from '../../../../src/xds/sink.ts';

export interface FakeSink extends Sink {
  readonly said: string[];
  readonly messages: Buffer[];
}

export function createFakeSink(address = '127.0.0.1'): FakeSink {
  const said: string[] = [];
  const messages: Buffer[] = [];
  return {
    ...{ said, messages },
    peer: { name: `${address}:1`, address, tls: false, certificate: () => undefined },
    credentials: noHeaders,
    write({ bytes }, taken) {
      messages.push(bytes);
      queueMicrotask(taken);
    },
    end: (status) => void said.push(`end ${status}`),
    cut: () => {},
    pause: () => void said.push('pause'),
    resume: () => void said.push('resume'),
  };
}
