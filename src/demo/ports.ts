// Free TCP ports on loopback, below the range that outgoing connections use. Preferred ones first, then the next free.
// Invariant: no port is handed out twice.
import { createServer } from 'node:net';

export interface Ports {
  /** `preferred` or the next free port above it. */
  take(preferred: number): Promise<number>;
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}

export function createPorts(): Ports {
  const taken = new Set<number>();
  return {
    async take(preferred) {
      for (let port = preferred; port < preferred + 1000; port++) {
        if (taken.has(port) || !(await isFree(port))) continue;
        taken.add(port);
        return port;
      }
      throw new Error(`no free port from ${preferred} on`);
    },
  };
}
