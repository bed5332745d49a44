// What the transport does when a client does not, over a socket pair and with a clock of the test's.
import { once } from 'node:events';
import { connect } from 'node:http2';
import { type AddressInfo, createServer } from 'node:net';
import { expect, it } from 'vitest';
import { silentLogger } from '../../../src/util/log.ts';
import { frameOf } from '../../../src/xds/frame.ts';
import { createHttp2Transport } from '../../../src/xds/grpc/http2.ts';
import type { Sink } from '../../../src/xds/sink.ts';
import { createFakeClock } from '../../support/fake-clock.ts';

it('resets a stream that was ended, and whose client takes nothing: its bytes are not kept for ever', async () => {
  const clock = createFakeClock();
  const sinks: Sink[] = [];
  const transport = createHttp2Transport(
    { clock, log: silentLogger },
    [
      {
        path: '/a.B/C',
        open(sink) {
          sinks.push(sink);
          sink.write(frameOf(Buffer.alloc(1024 * 1024)), () => {});
          return { incoming() {}, halfClosed() {}, closed() {} };
        },
      },
    ],
    {
      ...{ maxRequestBytes: 1024, maxStreamsPerConnection: 10, maxConnectionAgeMs: 0 },
      ...{ keepaliveMs: 3_600_000, keepaliveTimeoutMs: 1_000 },
    },
  );
  const server = createServer((socket) =>
    transport.accept({ socket, peer: { name: 'a', address: 'a', tls: false, certificate: () => undefined } }),
  );
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const client = connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  const stream = client.request({ ':method': 'POST', ':path': '/a.B/C', 'content-type': 'application/grpc' });
  stream.on('error', () => {});
  await once(stream, 'response');
  const [sink] = sinks;
  sink?.end('invalid-argument', 'no');
  clock.advance(59_000);
  expect(stream.closed).toBe(false);
  clock.advance(2_000);
  await expect.poll(() => stream.rstCode).toBe(8);
  client.destroy();
  transport.destroy();
  server.close();
  await once(server, 'close');
});
