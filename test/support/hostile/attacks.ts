// What a hostile client may do to the xDS port, one attack a function: bounded in count and time, loopback only.
// Each resolves when it has done its worst; what it opened is closed by the connection's end.
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  field,
  flags,
  frame,
  frameTypes,
  grpcHeaders,
  grpcMessage,
  headerBlock,
  nestedNode,
  openCall,
  preface,
  subscribeRequest,
} from './frames.ts';

export interface Attack {
  readonly name: string;
  run(port: number): Promise<void>;
}

/** Longest an attack waits for the server to take its bytes. */
const patienceMs = 2_000;

async function open(port: number): Promise<Socket> {
  const socket = connect({ port, host: '127.0.0.1' });
  socket.on('error', () => {});
  await Promise.race([once(socket, 'connect'), once(socket, 'close')]);
  return socket;
}

/** Writes pieces as fast as they are taken, until done, cut off, or out of patience. */
async function pour(socket: Socket, pieces: Iterable<Uint8Array>): Promise<void> {
  const until = Date.now() + patienceMs;
  for (const piece of pieces) {
    if (socket.destroyed || Date.now() > until) return;
    if (socket.write(piece)) continue;
    const stop = new AbortController();
    await Promise.race([
      once(socket, 'drain', { signal: stop.signal }),
      once(socket, 'close', { signal: stop.signal }),
      sleep(patienceMs, undefined, { signal: stop.signal }),
    ]).catch(() => {});
    stop.abort();
  }
}

function* repeat(count: number, piece: (index: number) => Uint8Array): Iterable<Uint8Array> {
  // In batches, or a system call per frame is all the load there is.
  const batch = 100;
  for (let from = 0; from < count; from += batch)
    yield Buffer.concat(Array.from({ length: Math.min(batch, count - from) }, (_, at) => piece(from + at)));
}

const settings = frame({ type: frameTypes.settings });

/** One connection that greets as HTTP/2 does and then pours; the server is read and ignored unless `deaf`. */
async function session(port: number, pieces: Iterable<Uint8Array>, { deaf = false } = {}): Promise<void> {
  const socket = await open(port);
  if (deaf) socket.pause();
  else socket.resume();
  await pour(socket, [Buffer.concat([preface, settings])]);
  await pour(socket, pieces);
  await sleep(50);
  socket.destroy();
}

async function many(count: number, one: (index: number) => Promise<void>): Promise<void> {
  await Promise.all(Array.from({ length: count }, (_, index) => one(index)));
}

/** Opens a call and sends messages on it. */
const call = (port: number, ...bodies: readonly Buffer[]): Promise<void> => session(port, [openCall(1), ...bodies]);

const odd = (index: number): number => index * 2 + 1;

/** SETTINGS with one parameter. */
function setting(id: number, value: number): Buffer {
  const body = Buffer.alloc(6);
  body.writeUInt16BE(id, 0);
  body.writeUInt32BE(value, 2);
  return frame({ type: frameTypes.settings }, body);
}

function increment(stream: number, by: number): Buffer {
  const body = Buffer.alloc(4);
  body.writeUInt32BE(by, 0);
  return frame({ type: frameTypes.windowUpdate, stream }, body);
}

export const attacks: readonly Attack[] = [
  {
    name: 'random bytes instead of a preface',
    run: (port) =>
      many(20, async () => {
        const socket = await open(port);
        socket.resume();
        await pour(socket, [randomBytes(65_536)]);
        socket.destroy();
      }),
  },
  { name: 'random bytes after the preface', run: (port) => many(20, () => session(port, [randomBytes(65_536)])) },
  {
    name: 'frames longer than allowed',
    run: (port) =>
      session(
        port,
        repeat(10, () => frame({ type: frameTypes.data, stream: 1, length: 0xffffff }, Buffer.alloc(60_000))),
      ),
  },
  {
    name: 'rapid reset',
    run: (port) =>
      session(
        port,
        repeat(20_000, (index) =>
          Buffer.concat([openCall(odd(index)), frame({ type: frameTypes.reset, stream: odd(index) }, Buffer.alloc(4))]),
        ),
      ),
  },
  {
    name: 'CONTINUATION flood',
    run: (port) =>
      session(port, [
        frame({ type: frameTypes.headers, stream: 1 }, headerBlock(grpcHeaders())),
        ...repeat(20_000, (index) =>
          frame({ type: frameTypes.continuation, stream: 1 }, headerBlock([[`x-${index}`, 'y'.repeat(100)]])),
        ),
      ]),
  },
  {
    name: 'header lists beyond the limit',
    run: (port) =>
      session(
        port,
        repeat(200, (index) =>
          frame(
            { type: frameTypes.headers, flags: flags.endHeaders, stream: odd(index) },
            headerBlock([...grpcHeaders(), ['x-big', 'z'.repeat(15_000)]]),
          ),
        ),
      ),
  },
  {
    name: 'PING flood, answers unread',
    run: (port) =>
      session(
        port,
        repeat(100_000, () => frame({ type: frameTypes.ping }, Buffer.alloc(8))),
        { deaf: true },
      ),
  },
  {
    name: 'SETTINGS flood',
    run: (port) =>
      session(
        port,
        repeat(50_000, () => settings),
        { deaf: true },
      ),
  },
  {
    name: 'empty DATA frames',
    run: (port) => session(port, [openCall(1), ...repeat(100_000, () => frame({ type: frameTypes.data, stream: 1 }))]),
  },
  {
    name: 'window overflow',
    run: (port) =>
      session(port, [openCall(1), increment(0, 0x7fffffff), increment(1, 0x7fffffff), increment(1, 0x7fffffff)]),
  },
  {
    name: 'streams beyond the limit',
    run: (port) =>
      session(
        port,
        repeat(5_000, (index) => openCall(odd(index))),
      ),
  },
  {
    name: 'calls without a message',
    run: (port) =>
      many(50, () =>
        session(
          port,
          repeat(50, (index) => openCall(odd(index))),
        ),
      ),
  },
  {
    name: 'unknown methods and contents',
    run: (port) =>
      session(port, [
        openCall(1, '/no.such.Service/Method'),
        openCall(3, `/${'x'.repeat(4_000)}`),
        frame(
          { type: frameTypes.headers, flags: flags.endHeaders, stream: 5 },
          headerBlock(grpcHeaders().map(([name, value]) => [name, name === 'content-type' ? 'text/html' : value])),
        ),
      ]),
  },
  {
    name: 'a message that claims four gigabytes',
    run: (port) => many(20, () => call(port, grpcMessage(1, Buffer.alloc(60_000), { claimed: 0xffffffff }))),
  },
  {
    name: 'compressed rubbish',
    run: (port) => many(20, () => call(port, grpcMessage(1, randomBytes(1_000), { compressed: 1 }))),
  },
  {
    name: 'messages over the limit',
    run: (port) => many(4, () => call(port, grpcMessage(1, Buffer.alloc(17 * 1024 * 1024, 0x0a)))),
  },
  {
    name: 'messages cut short',
    run: (port) => many(50, () => call(port, grpcMessage(1, Buffer.alloc(10), { claimed: 1_000 }))),
  },
  {
    name: 'random messages',
    run: (port) =>
      many(10, () =>
        session(
          port,
          repeat(50, (index) => Buffer.concat([openCall(odd(index)), grpcMessage(odd(index), randomBytes(200))])),
        ),
      ),
  },
  { name: 'deep metadata', run: (port) => call(port, grpcMessage(1, subscribeRequest(['a'], nestedNode(2_000)))) },
  {
    name: 'a node of megabytes',
    run: (port) =>
      many(5, () =>
        call(
          port,
          grpcMessage(1, subscribeRequest(['a'], Buffer.concat([field(1, 'n'), field(2, 'c'.repeat(4_000_000))]))),
        ),
      ),
  },
  {
    name: '64 thousand names',
    run: (port) =>
      many(5, (index) =>
        call(port, grpcMessage(1, subscribeRequest(Array.from({ length: 65_536 }, (_, at) => `flood-${index}-${at}`)))),
      ),
  },
  {
    name: 'more names than a stream may have',
    run: (port) => call(port, grpcMessage(1, subscribeRequest(Array.from({ length: 250_000 }, (_, at) => `n-${at}`)))),
  },
  {
    name: 'subscribing without reading',
    run: (port) =>
      many(20, () =>
        session(
          port,
          [
            setting(4, 0),
            openCall(1),
            ...repeat(200, (index) =>
              grpcMessage(1, subscribeRequest(Array.from({ length: 100 }, (_, at) => `slow-${index}-${at}`))),
            ),
          ],
          { deaf: true },
        ),
      ),
  },
  {
    name: 'connections that say nothing',
    run: async (port) => {
      const sockets = await Promise.all(Array.from({ length: 300 }, () => open(port)));
      await sleep(200);
      for (const socket of sockets) socket.destroy();
    },
  },
  {
    name: 'connections that come and go',
    run: async (port) => {
      for (let round = 0; round < 20; round++)
        await many(50, async () => {
          const socket = await open(port);
          socket.write(Buffer.concat([preface, settings, openCall(1)]));
          socket.resetAndDestroy();
        });
    },
  },
];
