// A connection that was upgraded (WebSocket) outlives the time limit of its request.
import { createServer, request, type Server } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createTranslator } from '../../src/translate/translate.ts';
import { worldOf } from '../support/case-file.ts';
import { testProtos } from '../support/protos.ts';
import { describeWith, freePort, type RunningEnvoy, startEnvoy } from '../support/real-parts.ts';
import { staticConfig } from '../support/static-config.ts';

const limitMs = 300;

describeWith(['envoy'], 'an upgraded connection', () => {
  let envoy: RunningEnvoy;
  let server: Server;
  let port = 0;
  const sockets: Socket[] = [];

  beforeAll(async () => {
    server = createServer((_incoming, response) => response.writeHead(426).end());
    server.on('upgrade', (_incoming, socket: Socket) => {
      sockets.push(socket);
      socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n');
      socket.on('data', (data: Buffer) => socket.write(`echo ${data.toString()}`));
      socket.on('error', () => {});
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    port = await freePort();
    const { port: backend } = server.address() as AddressInfo;
    const { world, profile } = worldOf(
      [
        `profile: { role: gateway, gateway: edge }\ninstances: { chat: [{ address: 127.0.0.1, port: ${backend} }] }`,
        `{ apiVersion: chancery/v1, kind: Gateway, metadata: { name: edge }, spec: { listeners: [{ port: ${port} }] } }`,
        `{ apiVersion: chancery/v1, kind: Service, metadata: { name: chat }, spec: { timeouts: { request: ${limitMs}ms } } }`,
      ].join('\n---\n'),
    );
    const translator = createTranslator({ protos: testProtos() });
    const { admin: _, ...config } = staticConfig(translator.view(world, profile), translator.endpoints(world));
    envoy = await startEnvoy(config);
  }, 60_000);
  afterAll(async () => {
    await envoy.stop();
    for (const socket of sockets) socket.destroy();
    server.close();
  });

  it('outlives the time limit of its request', async () => {
    const headers = { host: 'chat', connection: 'Upgrade', upgrade: 'websocket' };
    const socket = await new Promise<Socket>((resolve, reject) => {
      const sent = request({ host: '127.0.0.1', port, headers });
      sent.on('upgrade', (_response, upgraded: Socket) => resolve(upgraded));
      sent.on('response', (response) => reject(new Error(`answered ${response.statusCode}`)));
      sent.on('error', reject);
      sent.end();
    });
    let closed = false;
    socket.on('close', () => {
      closed = true;
    });
    const said = (text: string): Promise<string> =>
      new Promise((resolve) => {
        socket.once('data', (data: Buffer) => resolve(data.toString()));
        socket.write(text);
      });
    const start = performance.now();
    let count = 0;
    while (performance.now() - start < 3 * limitMs) {
      expect(await said(`ping ${count}`)).toBe(`echo ping ${count}`);
      count++;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    expect(count).toBeGreaterThan(3);
    expect(closed).toBe(false);
    socket.destroy();
  });
});
