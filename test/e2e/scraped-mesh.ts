// The running product for tests of what is scraped: `chancery serve` over files, an edge and one sidecar, all real processes.
// web stands behind a sidecar and answers 500 on /fail; api runs without. Invariant: everything started is stopped by `stop`.
import { execFileSync } from 'node:child_process';
import { mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { eventually, freePorts, type RunningEnvoy, startEnvoy, startProcess } from '../support/real-parts.ts';
import { createTempDir } from '../support/temp-dir.ts';

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const command = join(root, 'bin/chancery.mjs');

export interface ScrapedMesh {
  /** `127.0.0.1:PORT` of the HTTP API. */
  readonly http: string;
  /** `127.0.0.1:PORT` of the edge's listener. */
  readonly edge: string;
  readonly envoys: readonly RunningEnvoy[];
  /** `host:port` of every stats listener. */
  readonly stats: readonly string[];
  /** Changes the weight of an instance: an event that every proxy of it must acknowledge. */
  change(): void;
  stop(): Promise<void>;
}

async function startApplication(answer: (path: string) => number): Promise<{ port: number; stop(): Promise<void> }> {
  const server = createServer((request, response) => {
    response.writeHead(answer(request.url ?? '/'), { 'content-type': 'text/plain' });
    response.end('answered\n');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    stop: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
}

const yaml = (...documents: readonly object[]): string => documents.map((one) => JSON.stringify(one)).join('\n---\n');

/** `taken` is a port that the edge cannot bind: its listener there is refused by Envoy, a rejection to be seen. */
export async function startScrapedMesh(taken: number): Promise<ScrapedMesh> {
  const [xds = 0, http = 0, edge = 0, inbound = 0, outbound = 0, ...free] = await freePorts(9);
  const [edgeAdmin = 0, edgeStats = 0, webAdmin = 0, webStats = 0] = free;
  const dir = createTempDir('scraped-mesh');
  const stops: (() => Promise<void>)[] = [];
  const stop = async (): Promise<void> => {
    for (const one of stops.reverse()) await one();
    dir.remove();
  };
  try {
    const web = await startApplication((path) => (path.startsWith('/fail') ? 500 : 200));
    const api = await startApplication(() => 200);
    stops.push(web.stop, api.stop);
    for (const folder of ['services', 'objects']) mkdirSync(join(dir.path, folder));
    const local = '127.0.0.1';
    const place = { address: local, port: web.port, proxyPort: inbound, localPort: web.port };
    let weight = 1;
    const change = (): void => {
      weight = (weight % 100) + 1;
      const only = { id: 'api-1', address: local, port: api.port, weight, metadata: { version: 'v1' } };
      const lists = yaml(
        { service: 'web', instances: [{ id: 'web-1', ...place }] },
        { service: 'api', instances: [only] },
      );
      writeFileSync(join(dir.path, 'new'), lists);
      renameSync(join(dir.path, 'new'), join(dir.path, 'services/shop.yaml'));
    };
    const object = (kind: string, name: string, spec: object) => ({
      apiVersion: 'chancery/v1',
      kind,
      metadata: { name },
      spec,
    });
    const listeners = [edge, taken].map((port) => ({ name: `http-${port}`, port, protocol: 'http' }));
    const objects = yaml(
      object('Gateway', 'edge', { listeners }),
      object('Service', 'api', { subsets: [{ name: 'v1', where: { version: 'v1' } }] }),
      object('Route', 'shop', {
        hosts: ['*'],
        gateways: ['edge'],
        rules: [
          { match: [{ path: { prefix: '/api' } }], to: [{ service: 'api', subset: 'v1' }] },
          { to: [{ service: 'web' }] },
        ],
      }),
    );
    change();
    writeFileSync(join(dir.path, 'objects/shop.yaml'), objects);
    writeFileSync(
      join(dir.path, 'chancery.yaml'),
      yaml({
        xds: { port: xds, insecure: true },
        http: { port: http },
        registries: [{ kind: 'files', path: 'services' }],
        objects: [{ kind: 'directory', path: 'objects' }],
      }),
    );
    const server = await startProcess('chancery', [process.execPath, command, 'serve', '-c', 'chancery.yaml'], {
      cwd: dir.path,
    });
    stops.push(() => server.stop());
    await eventually(
      async () => {
        if (server.exit() !== undefined) throw new Error(`chancery ended: ${server.logs()}`);
        return (await fetch(`http://${local}:${http}/readyz`)).ok;
      },
      { deadlineMs: 20_000 },
    );
    const bootstrap = (...args: string[]): string =>
      execFileSync(process.execPath, [command, 'bootstrap', ...args, '--insecure', '--xds', `${local}:${xds}`], {
        encoding: 'utf8',
      });
    const at = (admin: number, stats: number) => ['--admin', `${local}:${admin}`, '--stats', `${local}:${stats}`];
    const texts = [
      bootstrap('edge-1', '--gateway', 'edge', ...at(edgeAdmin, edgeStats)),
      bootstrap('web-1', '--service', 'web', ...at(webAdmin, webStats), '--outbound', `${local}:${outbound}`),
    ];
    const envoys: RunningEnvoy[] = [];
    for (const text of texts) {
      const envoy = await startEnvoy(text);
      envoys.push(envoy);
      stops.push(() => envoy.stop());
    }
    return {
      http: `${local}:${http}`,
      edge: `${local}:${edge}`,
      envoys,
      stats: [`${local}:${edgeStats}`, `${local}:${webStats}`],
      change,
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}
