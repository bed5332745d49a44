// Makes sure that the port is ours alone before threads share it: sharing would let a second process of the same user
// join unseen, and take a part of the proxies.
// It must not know who shares it. Invariant: nothing is left listening.
import { type AddressInfo, createServer, type ListenOptions } from 'node:net';
import { AppError } from '../../util/errors.ts';

/** Resolves with the address as bound; port 0 stays 0. Rejects with CH1502, or with CH1504 where ports cannot be shared. */
export async function claimPort(address: string, port: number): Promise<{ address: string; port: number }> {
  const bound = await listenOnce({ host: address, port, exclusive: true }).catch((cause: unknown) => {
    throw new AppError('CH1502', `xDS cannot listen on ${address}:${port}`, { cause });
  });
  await listenOnce({ host: address, port: 0, reusePort: true }).catch((cause: unknown) => {
    throw new AppError('CH1504', 'xds.workers needs a port that threads can share', { cause });
  });
  return { address: bound.address, port };
}

function listenOnce(options: ListenOptions): Promise<AddressInfo> {
  return new Promise((resolve, reject) => {
    // Whoever connects in this moment comes again.
    const server = createServer((socket) => socket.destroy());
    server.once('error', reject);
    server.listen(options, () => {
      const at = server.address() as AddressInfo;
      server.close(() => resolve(at));
    });
  });
}
