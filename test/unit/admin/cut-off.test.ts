// Clients that leave before their answer: what they had changed is in the audit log all the same.
import { type AddressInfo, connect } from 'node:net';
import { expect, it } from 'vitest';
import { createPromMetrics } from '../../../src/admin/metrics.ts';
import { createServer } from '../../../src/admin/server.ts';
import { createAccessTokens } from '../../../src/identity/access-token.ts';
import { createFakeClock } from '../../support/fake-clock.ts';
import { createRecorder, createTestStore } from '../identity/rig.ts';
import { createFakeControl } from './fake-control.ts';

it('T11: a change of a client that left before the answer is audited, with what was changed', async () => {
  const clock = createFakeClock();
  const log = createRecorder();
  const accessTokens = createAccessTokens({ store: createTestStore(), clock });
  const { text: token } = await accessTokens.create({ name: 'ci', role: 'editor', createdBy: 'test' });
  const control = createFakeControl();
  const asked = Promise.withResolvers<void>();
  const noticed = Promise.withResolvers<void>();
  const server = createServer(
    {
      ...{ clock, log, accessTokens, token: 'first', version: '1', node: 'cp', decode: () => ({}) },
      control: {
        ...control,
        async apply(text, options) {
          asked.resolve();
          await noticed.promise;
          return control.apply(text, options);
        },
      },
      metrics: createPromMetrics({ version: '1', node: 'cp' }),
      logLevels: { levels: () => ({}), setLevel() {} },
      streamsOf: async () => [],
    },
    [],
    new AbortController().signal,
  );
  server.server.on('connection', (accepted) => accepted.once('close', () => noticed.resolve()));
  await server.listen({ host: '127.0.0.1', port: 0 });
  const { port } = server.server.address() as AddressInfo;
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => {});
  socket.write(
    `POST /api/v1/objects HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer ${token}\r\ncontent-length: 5\r\n\r\nkind:`,
  );
  await asked.promise;
  socket.resetAndDestroy();
  const audited = () => log.lines.filter(({ message }) => message === 'a change was asked for');
  await expect
    .poll(() => audited().map(({ fields }) => fields))
    .toMatchObject([{ who: 'ci', role: 'editor', status: 200, objects: ['Route default/shop created'] }]);
  expect(control.calls).toHaveLength(1);
  await server.close();
});
