// Ports of this machine, asked of the kernel.
import { createServer } from 'node:net';
import { expect, it } from 'vitest';
import { portInUse } from '../../../src/cli/port-in-use.ts';

it('tells a port in use from a free one, and takes neither', async () => {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen({ host: '127.0.0.1', port: 0 }, resolve));
  const address = server.address();
  const at = { address: '127.0.0.1', port: typeof address === 'object' ? (address?.port ?? 0) : 0 };
  expect(await portInUse(at)).toBe(true);
  await new Promise((resolve) => server.close(resolve));
  expect(await portInUse(at)).toBe(false);
  expect(await portInUse(at)).toBe(false);
});

it('says nothing of an address that another machine has', async () => {
  expect(await portInUse({ address: '192.0.2.1', port: 15001 })).toBe(false);
});
