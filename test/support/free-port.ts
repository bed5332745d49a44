// Ports for tests. They come from below the ephemeral range, so that no outgoing connection takes one between
// the check and its use, and a part can be restarted on its port. The start is random: several runs go side by side.
// Workers of one run never share a port: one would take it while the other's part is down between two starts.
import { createSocket } from 'node:dgram';
import { createServer } from 'node:net';

const LOWEST = 20_000;
const HIGHEST = 32_000;
/** More than vitest's workers (maxWorkers), which number themselves from 1. */
const SHARES = 4;
const given = new Set<number>();

function tcpFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen({ port, host: '127.0.0.1', exclusive: true }, () => server.close(() => resolve(true)));
  });
}
function udpFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createSocket('udp4');
    socket.once('error', () => {
      socket.close();
      resolve(false);
    });
    socket.bind({ port, address: '127.0.0.1', exclusive: true }, () => socket.close(() => resolve(true)));
  });
}

/** A port of 127.0.0.1 that is free for TCP and UDP; never the same one twice in a process. */
export async function freePort(): Promise<number> {
  for (let attempt = 0; attempt < 1000; attempt++) {
    const share = Number(process.env['VITEST_POOL_ID'] ?? 0) % SHARES;
    const port = LOWEST + SHARES * Math.floor((Math.random() * (HIGHEST - LOWEST)) / SHARES) + share;
    if (given.has(port)) continue;
    given.add(port);
    if ((await tcpFree(port)) && (await udpFree(port))) return port;
  }
  throw new Error(`no free port between ${LOWEST} and ${HIGHEST}`);
}

/**
 * What `listen` gives, tried again for up to 2 s while the port is taken. A port that was let go in this process can be held
 * a moment longer: a program that is just being started has copies of all our sockets until it is that program.
 */
export async function whenPortIsFree<T>(listen: () => Promise<T>): Promise<T> {
  for (let left = 40; ; left--) {
    try {
      return await listen();
    } catch (error) {
      const { code, cause } = error as { readonly code?: string; readonly cause?: { readonly code?: string } };
      if (left === 0 || (code !== 'EADDRINUSE' && cause?.code !== 'EADDRINUSE')) throw error;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}

/** `count` different free ports. */
export async function freePorts(count: number): Promise<number[]> {
  const ports: number[] = [];
  while (ports.length < count) ports.push(await freePort());
  return ports;
}
