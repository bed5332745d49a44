// One gRPC stream on one HTTP/2 connection of its own, at the lowest cost for the sender of a benchmark: no library, flow
// control windows as Envoy 1.36 and later have them, no HPACK decoding. It must not know xDS.
// Invariant: a message handed to `onMessage` is valid during that call only.
import { connect, type Socket } from 'node:net';
import { connect as connectTls, type SecureContext } from 'node:tls';

export interface ConnectionOptions {
  readonly port: number;
  /** One of 127.0.0.0/8: each has its own ephemeral ports. */
  readonly localAddress: string;
  /** TLS if given; one for all connections, as making it costs more than a handshake. */
  readonly secureContext?: SecureContext;
  /** `/service/method`. */
  readonly path: string;
  readonly onMessage: (message: Buffer) => void;
  readonly onEnd: (reason: string) => void;
}

export interface Connection {
  /** Sends a gRPC message; waits for the server's window if it must. */
  send(message: Buffer): void;
  /** Reads nothing more until `resume`. */
  pause(): void;
  resume(): void;
  close(): void;
}

const frame = { data: 0, headers: 1, reset: 3, settings: 4, ping: 6, goaway: 7, windowUpdate: 8 } as const;
const streamWindow = 16 * 2 ** 20;
const connectionWindow = 24 * 2 ** 20;
const maxFrame = 16_384;
const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');

function header(length: number, type: number, flags: number, stream: number): Buffer {
  const out = Buffer.allocUnsafe(9);
  out.writeUIntBE(length, 0, 3);
  out[3] = type;
  out[4] = flags;
  out.writeUInt32BE(stream, 5);
  return out;
}

function windowUpdate(stream: number, by: number): Buffer {
  const body = Buffer.allocUnsafe(4);
  body.writeUInt32BE(by, 0);
  return Buffer.concat([header(4, frame.windowUpdate, 0, stream), body]);
}

/** SETTINGS: no push, our window. */
function settings(): Buffer {
  const body = Buffer.alloc(12);
  body.writeUInt16BE(2, 0);
  body.writeUInt16BE(4, 6);
  body.writeUInt32BE(streamWindow, 8);
  return Buffer.concat([header(12, frame.settings, 0, 0), body]);
}

/** The request's header block: literals without indexing, names from the static table. */
function requestHeaders(path: string, tls: boolean): Buffer {
  const text = (value: string): Buffer => Buffer.concat([Buffer.from([value.length]), Buffer.from(value)]);
  const block = Buffer.concat([
    Buffer.from([0x83, tls ? 0x87 : 0x86, 0x04]),
    text(path),
    Buffer.from([0x01]),
    text('127.0.0.1'),
    Buffer.from([0x0f, 0x10]),
    text('application/grpc'),
    Buffer.from([0x00]),
    text('te'),
    text('trailers'),
  ]);
  return Buffer.concat([header(block.length, frame.headers, 4, 1), block]);
}

/** All plaintext connections read into this one: nothing of it is kept beyond a callback. */
const readBuffer = Buffer.allocUnsafe(256 * 1024);

export function openConnection(options: ConnectionOptions): Connection {
  let ended = false;
  const end = (reason: string): void => {
    if (ended) return;
    ended = true;
    socket.destroy();
    options.onEnd(reason);
  };
  const address = { host: '127.0.0.1', port: options.port, localAddress: options.localAddress };
  const socket: Socket =
    options.secureContext === undefined
      ? connect({
          ...address,
          noDelay: true,
          onread: {
            buffer: readBuffer,
            callback: (count) => {
              feed(readBuffer, count);
              return true;
            },
          },
        })
      : connectTls({
          ...address,
          secureContext: options.secureContext,
          // What it costs a proxy to verify is not the server's.
          rejectUnauthorized: false,
          ALPNProtocols: ['h2'],
          minVersion: 'TLSv1.3',
          servername: 'localhost',
        });
  if (options.secureContext !== undefined) {
    socket.setNoDelay(true);
    socket.on('data', (chunk: Buffer) => feed(chunk, chunk.length));
  }
  socket.on('error', (error) => end(error.message));
  socket.on('close', () => end('the connection closed'));
  socket.write(
    Buffer.concat([
      preface,
      settings(),
      windowUpdate(0, connectionWindow - 65_535),
      requestHeaders(options.path, options.secureContext !== undefined),
    ]),
  );

  // What we may send.
  let sendStream = 65_535;
  let sendConnection = 65_535;
  let initialWindow = 65_535;
  const waiting: Buffer[] = [];

  function flush(): void {
    for (;;) {
      const [next] = waiting;
      if (next === undefined) return;
      const size = Math.min(next.length, maxFrame, sendStream, sendConnection);
      if (size <= 0) return;
      sendStream -= size;
      sendConnection -= size;
      const out = Buffer.allocUnsafe(9 + size);
      header(size, frame.data, 0, 1).copy(out);
      next.copy(out, 9, 0, size);
      socket.write(out);
      if (size === next.length) waiting.shift();
      else waiting[0] = next.subarray(size);
    }
  }

  // The frame that is being read.
  const head = Buffer.alloc(9);
  let headFill = 0;
  let type = -1;
  let flags = 0;
  let left = 0;
  let control: Buffer[] = [];
  let unreported = 0;
  // The gRPC message that is being read.
  const prefix = Buffer.alloc(5);
  let prefixFill = 0;
  let message: Buffer | undefined;
  let messageFill = 0;

  function feed(chunk: Buffer, count: number): void {
    let at = 0;
    while (at < count && !ended) {
      if (type < 0) {
        const take = Math.min(9 - headFill, count - at);
        chunk.copy(head, headFill, at, at + take);
        headFill += take;
        at += take;
        if (headFill < 9) return;
        headFill = 0;
        left = head.readUIntBE(0, 3);
        type = head[3] ?? 0;
        flags = head[4] ?? 0;
      }
      const take = Math.min(left, count - at);
      if (type === frame.data) data(chunk, at, at + take);
      else if (take > 0) control.push(Buffer.from(chunk.subarray(at, at + take)));
      at += take;
      left -= take;
      if (left === 0) {
        frameEnded(type, flags);
        type = -1;
      }
    }
  }

  function data(chunk: Buffer, from: number, to: number): void {
    let at = from;
    unreported += to - from;
    while (at < to && !ended) {
      if (message === undefined) {
        const take = Math.min(5 - prefixFill, to - at);
        chunk.copy(prefix, prefixFill, at, at + take);
        prefixFill += take;
        at += take;
        if (prefixFill < 5) return;
        prefixFill = 0;
        const size = prefix.readUInt32BE(1);
        if (to - at >= size) {
          options.onMessage(chunk.subarray(at, at + size));
          at += size;
          continue;
        }
        message = Buffer.allocUnsafeSlow(size);
        messageFill = 0;
      }
      const take = Math.min(message.length - messageFill, to - at);
      chunk.copy(message, messageFill, at, at + take);
      messageFill += take;
      at += take;
      if (messageFill < message.length) return;
      const whole = message;
      message = undefined;
      options.onMessage(whole);
    }
  }

  function frameEnded(ofType: number, withFlags: number): void {
    const body = Buffer.concat(control);
    control = [];
    if (ofType === frame.data) {
      if (unreported > streamWindow / 2) {
        socket.write(Buffer.concat([windowUpdate(0, unreported), windowUpdate(1, unreported)]));
        unreported = 0;
      }
      if ((withFlags & 1) !== 0) end('the server ended the stream');
    } else if (ofType === frame.settings && (withFlags & 1) === 0) {
      for (let at = 0; at + 6 <= body.length; at += 6) {
        if (body.readUInt16BE(at) !== 4) continue;
        const window = body.readUInt32BE(at + 2);
        sendStream += window - initialWindow;
        initialWindow = window;
      }
      socket.write(header(0, frame.settings, 1, 0));
      flush();
    } else if (ofType === frame.ping && (withFlags & 1) === 0)
      socket.write(Buffer.concat([header(8, frame.ping, 1, 0), body]));
    else if (ofType === frame.windowUpdate) {
      if (head.readUInt32BE(5) === 0) sendConnection += body.readUInt32BE(0);
      else sendStream += body.readUInt32BE(0);
      flush();
    } else if (ofType === frame.headers && (withFlags & 1) !== 0) end('the server ended the stream with a status');
    else if (ofType === frame.reset) end(`the server reset the stream: ${body.readUInt32BE(0)}`);
    else if (ofType === frame.goaway) end('the server goes away');
  }

  return {
    send(body) {
      const framed = Buffer.allocUnsafe(5 + body.length);
      framed[0] = 0;
      framed.writeUInt32BE(body.length, 1);
      body.copy(framed, 5);
      waiting.push(framed);
      if (waiting.length === 1) flush();
    },
    pause: () => void socket.pause(),
    resume: () => void socket.resume(),
    close() {
      ended = true;
      socket.destroy();
    },
  };
}
