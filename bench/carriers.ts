// The two gRPC transports side by side, without discovery above them: CPU of one message to each of 1,000 connections, its
// acknowledgement included. Both run in this process, in turns, to clients of one other process, so that what else the
// machine does costs both alike. Run: npm run bench -- carriers
import { fork } from 'node:child_process';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { fileURLToPath } from 'node:url';
import { silentLogger } from '../src/util/log.ts';
import { createSystemClock } from '../src/util/system-clock.ts';
import { type Frame, frameOf } from '../src/xds/frame.ts';
import { createGrpcJsTransport } from '../src/xds/grpc/grpc-js.ts';
import { createHttp2Transport } from '../src/xds/grpc/http2.ts';
import type { Transport } from '../src/xds/grpc/transport.ts';
import type { ServedMethod, Sink } from '../src/xds/sink.ts';
import { percentile, report } from './table.ts';
import { type Connection, openConnection } from './transport/connection.ts';

const path = '/bench.Carrier/Push';
const connections = 1000;
const rounds = 15;
const lifetimeMs = 5 * 60_000;
/** As a delta request that acknowledges. */
const answer = Buffer.alloc(72, 1);
const pauseAfterBytes = 1024 * 1024;
const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

if (process.send === undefined) await measure();
else serveAsClients();

/** The other process: connects where it is told, answers every message. */
function serveAsClients(): void {
  const open: Connection[] = [];
  setTimeout(() => process.exit(3), lifetimeMs).unref();
  process.on('disconnect', () => process.exit(0));
  process.on('message', (port: number) => {
    for (let index = 0; index < connections; index++) {
      const localAddress = `127.0.${1 + (index >> 7)}.${1 + (index & 127)}`;
      const connection = openConnection({
        ...{ port, localAddress, path },
        onMessage: () => connection.send(answer),
        onEnd: (reason) => process.stderr.write(`a connection ended: ${reason}\n`),
      });
      connection.send(answer);
      open.push(connection);
    }
  });
}

interface Side {
  readonly name: string;
  readonly server: Server;
  readonly transport: Transport;
  readonly sinks: Sink[];
  /** Resolves when so many more messages have come. */
  answers(count: number): Promise<void>;
}

function side(name: string, create: (methods: readonly ServedMethod[]) => Transport): Side {
  const sinks: Sink[] = [];
  let missing = 0;
  let resolve = (): void => {};
  const method: ServedMethod = {
    path,
    open(sink) {
      sinks.push(sink);
      return {
        incoming() {
          if (--missing === 0) resolve();
        },
        halfClosed() {},
        closed() {},
      };
    },
  };
  const transport = create([method]);
  const server = createServer({ noDelay: true }, (socket) => {
    socket.on('error', () => {});
    const address = socket.remoteAddress ?? '';
    const peer = { name: `${address}:${socket.remotePort}`, address, tls: false, certificate: () => undefined };
    transport.accept({ socket, peer });
  });
  const answers = (count: number): Promise<void> => {
    missing = count;
    return new Promise((done) => {
      resolve = done;
    });
  };
  return { name, server, transport, sinks, answers };
}

/** One message to everybody; microseconds of CPU for each, all of this process. */
async function push({ sinks, answers }: Side, frame: Frame): Promise<number> {
  const before = process.cpuUsage();
  const done = answers(sinks.length);
  let written = 0;
  for (const sink of sinks) {
    sink.write(frame, () => {});
    written += frame.bytes.length;
    if (written < pauseAfterBytes) continue;
    written = 0;
    await nextTurn();
  }
  await done;
  const { user, system } = process.cpuUsage(before);
  return (user + system) / sinks.length;
}

async function measure(): Promise<void> {
  const options = { maxRequestBytes: 16 * 1024 * 1024, maxStreamsPerConnection: 100, keepaliveTimeoutMs: 10_000 };
  const common = { ...options, keepaliveMs: 600_000, maxConnectionAgeMs: 0 };
  const sides = [
    side('grpc-js', (methods) => createGrpcJsTransport(methods, common)),
    side('http2', (methods) =>
      createHttp2Transport({ clock: createSystemClock(), log: silentLogger }, methods, common),
    ),
  ];
  const clients = fork(fileURLToPath(import.meta.url), { serialization: 'advanced' });
  for (const { server, answers } of sides) {
    await new Promise<void>((resolve) => server.listen({ host: '127.0.0.1', port: 0, backlog: connections }, resolve));
    const all = answers(connections);
    clients.send((server.address() as AddressInfo).port);
    await all;
  }
  const rows = [];
  for (const [what, bytes] of [
    ['a delta of 500 bytes', 500],
    ['a state of 97 KB', 97 * 1024],
  ] as const) {
    const costs = new Map<string, number[]>(sides.map(({ name }) => [name, []]));
    for (let round = -3; round < rounds; round++)
      for (const each of round % 2 === 0 ? sides : sides.toReversed()) {
        const cost = await push(each, frameOf(Buffer.alloc(bytes, round & 255)));
        if (round >= 0) costs.get(each.name)?.push(cost);
      }
    for (const [name, all] of costs) {
      const [low, middle, high] = [0, 50, 100].map((p) => percentile(all, p).toFixed(1));
      const measured = `${middle} µs (${low} to ${high})`;
      rows.push({
        what: `${what}, ${name}`,
        target: '',
        measured,
        data: all.map((cost) => Math.round(cost * 10) / 10),
      });
    }
  }
  report(
    'carriers',
    `CPU a message and its answer, ${connections} connections, plaintext, median of ${rounds} rounds`,
    rows,
  );
  const gone = new Promise((resolve) => clients.once('exit', resolve));
  clients.disconnect();
  await gone;
  process.exit(0);
}
