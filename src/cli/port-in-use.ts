// Whether something on this machine listens on an address already. It must not know who asks. Invariant: nothing stays open,
// and "in use" is only said where the kernel said so: an address of another machine is not.
import { createServer } from 'node:net';
import type { HostPort } from '../util/host-port.ts';

export function portInUse({ address, port }: HostPort): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const server = createServer();
  server.once('error', (error: NodeJS.ErrnoException) => resolve(error.code === 'EADDRINUSE'));
  server.listen({ host: address, port, exclusive: true }, () => server.close(() => resolve(false)));
  return promise;
}
