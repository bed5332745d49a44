// An application that is gone behind a sidecar that is not: the caller's own proxy must try another instance, whatever
// the method, since nothing was handled; and an application cannot ask for that by a header of its own.
import { createServer, request, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createTranslator } from '../../src/translate/translate.ts';
import { startBackend } from '../support/backends.ts';
import { worldOf } from '../support/case-file.ts';
import { testProtos } from '../support/protos.ts';
import { describeWith, freePort, type RunningEnvoy, startEnvoy } from '../support/real-parts.ts';
import { staticConfig } from '../support/static-config.ts';

/** The proxy of `profile` in a mesh of two instances of api behind sidecars, and one caller. */
async function startProxy(profile: string, instances: readonly string[]): Promise<RunningEnvoy> {
  const { world, profile: parsed } = worldOf(`profile: ${profile}\ninstances: { api: [${instances.join(', ')}] }\n`);
  const translator = createTranslator({ protos: testProtos() });
  const { admin: _, ...config } = staticConfig(translator.view(world, parsed), translator.endpoints(world));
  return startEnvoy(config);
}

const sidecar = (port: number, appPort: number): string =>
  `{ role: sidecar, service: api, inbound: [{ address: 127.0.0.1, port: ${port}, appAddress: 127.0.0.1, appPort: ${appPort} }], upstreams: [] }`;

describeWith(['envoy'], 'a crashed application behind its sidecar', () => {
  const proxies: RunningEnvoy[] = [];
  let out = 0;
  let living: Awaited<ReturnType<typeof startBackend>>;
  let claiming: Server;
  let claims = 0;
  let claimer = 0;
  let dead = 0;

  beforeAll(async () => {
    living = await startBackend('living');
    claiming = createServer((incoming, response) => {
      claims++;
      incoming.resume();
      response.writeHead(503, { 'x-chancery-not-sent': '1' }).end();
    });
    await new Promise<void>((resolve) => claiming.listen(0, '127.0.0.1', resolve));
    const ports = [await freePort(), await freePort(), await freePort()] as const;
    const gone = await freePort();
    dead = ports[1];
    claimer = ports[2];
    out = await freePort();
    const instances = ports
      .slice(0, 2)
      .map((port, id) => `{ id: api-${id}, address: 127.0.0.1, port: 1, proxyPort: ${port} }`);
    const caller = `{ role: sidecar, service: web, inbound: [], outbound: { address: 127.0.0.1, port: ${out} }, upstreams: [] }`;
    proxies.push(
      await startProxy(sidecar(ports[0], living.port), instances),
      await startProxy(sidecar(ports[1], gone), instances),
      await startProxy(sidecar(ports[2], (claiming.address() as AddressInfo).port), instances),
      await startProxy(caller, instances),
    );
  }, 60_000);
  afterAll(async () => {
    for (const proxy of proxies) await proxy.stop();
    await living.crash();
    claiming.close();
  });

  interface Answered {
    readonly status: number;
    readonly told: boolean;
  }
  const post = (port: number): Promise<Answered> =>
    new Promise((resolve, reject) => {
      const sent = request({ host: '127.0.0.1', port, method: 'POST', headers: { host: 'api' } }, (response) => {
        response.resume();
        const told = response.headers['x-chancery-not-sent'] !== undefined;
        response.on('end', () => resolve({ status: response.statusCode ?? 0, told }));
      });
      sent.on('error', reject);
      sent.end('x');
    });

  it('costs no POST: the caller is sent to the other instance', async () => {
    const statuses = new Set<number>();
    for (let index = 0; index < 20; index++) statuses.add((await post(out)).status);
    expect([...statuses]).toEqual([200]);
    expect(living.requests()).toBe(20);
  });

  it('is told by the sidecar alone, never by the application', async () => {
    expect(await post(dead)).toEqual({ status: 503, told: true });
    expect(await post(claimer)).toEqual({ status: 503, told: false });
    expect(claims).toBe(1);
  });
});
