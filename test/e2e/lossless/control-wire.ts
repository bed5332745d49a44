// The way from the Envoys to the control plane: a TCP proxy whose far end can be exchanged, and that can delay what the
// Envoys say, so that a change arrives while the one before it is half acknowledged.
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

export interface ControlWire extends AsyncDisposable {
  readonly port: number;
  /** New connections go there; `cut` breaks those that are open. */
  target(port: number, options: { readonly cut: boolean }): void;
  /** Everything an Envoy says from now on arrives this much later, in order. 0: at once. */
  delayAnswers(ms: number): void;
}

export async function startControlWire(first: number): Promise<ControlWire> {
  const sockets = new Set<Socket>();
  let target = first;
  let delayMs = 0;
  const track = (socket: Socket, other: Socket): void => {
    sockets.add(socket);
    socket.on('error', () => other.destroy());
    socket.on('close', () => {
      sockets.delete(socket);
      other.destroy();
    });
  };
  const server = createServer({ noDelay: true }, (envoy) => {
    const plane = connect({ port: target, host: '127.0.0.1', noDelay: true });
    track(envoy, plane);
    track(plane, envoy);
    plane.on('data', (data) => {
      if (!envoy.write(data)) plane.pause();
    });
    envoy.on('drain', () => plane.resume());
    /** Answers never overtake each other, whatever the delay was when they came. */
    let last: Promise<void> = Promise.resolve();
    envoy.on('data', (data) => {
      const wait = delayMs === 0 ? undefined : new Promise<void>((resolve) => setTimeout(resolve, delayMs));
      last = Promise.all([last, wait]).then(() => void plane.write(data));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    target(port, { cut }) {
      target = port;
      if (cut) for (const socket of sockets) socket.destroy();
    },
    delayAnswers(ms) {
      delayMs = ms;
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}
