// The demo's applications, its client and its choice of ports, over loopback.
import { createServer } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { createPorts } from '../../../src/demo/ports.ts';
import { createClient } from '../../../src/demo/request.ts';
import { type Application, startApplication } from '../../../src/demo/services.ts';

const client = createClient();
const running: Application[] = [];
const start = async (options: Parameters<typeof startApplication>[1]): Promise<Application> => {
  const application = await startApplication(client, options);
  running.push(application);
  return application;
};

afterEach(async () => {
  await Promise.all(running.splice(0).map((application) => application.close()));
});

describe('applications', () => {
  it('say who they are, and whether a proxy stood before them', async () => {
    const { port } = await start({ service: 'api', version: 'v2', instance: 'api-3' });
    const direct = await client.get(port, '/x');
    expect([direct.status, direct.json]).toEqual([
      200,
      { service: 'api', version: 'v2', instance: 'api-3', path: '/x', proxied: false },
    ]);
    expect((await client.get(port, '/', { 'x-request-id': '1' })).json.proxied).toBe(true);
  });

  it('say whose certificate their sidecar saw', async () => {
    const { port } = await start({ service: 'api', version: 'v1', instance: 'api-1' });
    const id = 'spiffe://service.local/svc/web';
    const seen = `By=spiffe://service.local/svc/api;Hash=00;Subject="";URI=${id}`;
    expect((await client.get(port, '/', { 'x-forwarded-client-cert': seen })).json.caller).toBe(id);
    const nameless = 'By=spiffe://service.local/svc/api;Hash=00';
    expect((await client.get(port, '/', { 'x-forwarded-client-cert': nameless })).json).not.toHaveProperty('caller');
  });

  it('ask api where they are told to', async () => {
    const api = await start({ service: 'api', version: 'v1', instance: 'api-1' });
    const web = await start({ service: 'web', version: 'v1', instance: 'web-1', apiPort: api.port });
    expect((await client.get(web.port, '/')).json.api).toMatchObject({ status: 200, instance: 'api-1' });
    await api.close();
    expect((await client.get(web.port, '/')).json.api).toMatchObject({ status: 0 });
  });
});

describe('createClient', () => {
  it('answers with status 0 where nobody listens, and with no data for text', async () => {
    const { port, close } = await startApplication(client, { service: 'a', version: 'v1', instance: 'a-1' });
    await close();
    expect(await client.get(port, '/')).toMatchObject({ status: 0, json: {} });
  });
});

describe('createPorts', () => {
  it('passes over ports in use and never gives one twice', async () => {
    const server = createServer();
    const used = await new Promise<number>((resolve) => {
      server.listen(0, '127.0.0.1', () => {
        const address = server.address();
        resolve(typeof address === 'object' && address !== null ? address.port : 0);
      });
    });
    const ports = createPorts();
    const taken = [await ports.take(used), await ports.take(used), await ports.take(used)];
    expect(taken).not.toContain(used);
    expect(new Set(taken).size).toBe(3);
    await new Promise((resolve) => server.close(resolve));
  });
});
