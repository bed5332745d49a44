// A TCP proxy in front of a real part, to cut its connections or to hold them without a word.
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

export interface TcpProxy extends AsyncDisposable {
  readonly port: number;
  /** `pass` forwards, `hold` forwards nothing and closes nothing, `cut` breaks every connection and refuses new ones. */
  mode(mode: 'pass' | 'hold' | 'cut'): void;
  stop(): Promise<void>;
}

export async function startTcpProxy(target: { readonly port: number }): Promise<TcpProxy> {
  const sockets = new Set<Socket>();
  let mode: 'pass' | 'hold' | 'cut' = 'pass';
  const flow = (socket: Socket): void => {
    if (mode === 'hold') socket.pause();
    else socket.resume();
  };
  function join(from: Socket, to: Socket): void {
    sockets.add(from);
    from.on('data', (data) => {
      if (!to.write(data)) from.pause();
    });
    to.on('drain', () => flow(from));
    from.on('error', () => to.destroy());
    from.on('close', () => {
      sockets.delete(from);
      to.destroy();
    });
    flow(from);
  }
  const server: Server = createServer((client) => {
    if (mode === 'cut') {
      client.destroy();
      return;
    }
    const upstream = connect(target.port, '127.0.0.1');
    join(client, upstream);
    join(upstream, client);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const stop = async (): Promise<void> => {
    for (const socket of sockets) socket.destroy();
    await new Promise<void>((resolve) => server.close(() => resolve()));
  };
  return {
    port: (server.address() as AddressInfo).port,
    mode(next) {
      mode = next;
      if (mode === 'cut') for (const socket of sockets) socket.destroy();
      else for (const socket of sockets) flow(socket);
    },
    stop,
    [Symbol.asyncDispose]: stop,
  };
}
