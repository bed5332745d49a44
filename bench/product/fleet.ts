// The fleet of the whole-product benchmark: real Consul with N services, the built product as its own process, one real
// Envoy as edge. Everything on loopback, on free ports, stopped by process id.
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { eventually } from '../../test/support/eventually.ts';
import { freePorts } from '../../test/support/free-port.ts';
import { type RunningProcess, startProcess } from '../../test/support/process.ts';
import { type RunningConsul, type RunningEnvoy, startConsul, startEnvoy } from '../../test/support/real-parts.ts';
import { createTempDir } from '../../test/support/temp-dir.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
const main = join(root, 'dist/main.js');

export interface Fleet extends AsyncDisposable {
  consul: RunningConsul;
  server: RunningProcess;
  readonly edge: RunningEnvoy;
  /** The edge's HTTP listener. */
  readonly port: number;
  readonly objects: string;
  readonly httpPort: number;
  register(service: string, id: string, port: number): Promise<void>;
  deregister(id: string): Promise<void>;
  startServer(): Promise<RunningProcess>;
  /** Milliseconds from exec to /readyz 200. */
  readyMs(): Promise<number>;
}

export async function startFleet(services: number): Promise<Fleet> {
  const dir = createTempDir('bench');
  const consulData = join(dir.path, 'consul');
  mkdirSync(consulData);
  const objects = join(dir.path, 'objects');
  mkdirSync(objects);
  const [xdsPort = 0, httpPort = 0, edgePort = 0, stats = 0, admin = 0] = await freePorts(5);
  let consul = await startConsul({ dataDir: consulData });
  const register = async (service: string, id: string, port: number): Promise<void> => {
    await consul.call('PUT', '/v1/agent/service/register', { Name: service, ID: id, Address: '127.0.0.1', Port: port });
  };
  for (let i = 0; i < services; i++) await register(`filler-${i}`, `filler-${i}-1`, 1);
  const config = join(dir.path, 'chancery.yaml');
  writeFileSync(
    config,
    JSON.stringify({
      state: join(dir.path, 'state'),
      // What is measured is the way of a change; peers are measured without certificates too.
      xds: { port: xdsPort, insecure: true },
      http: { port: httpPort },
      registries: [{ kind: 'consul', address: consul.url }],
      objects: [{ kind: 'directory', path: objects }],
    }),
  );
  writeFileSync(
    join(objects, 'gateway.yaml'),
    `apiVersion: chancery/v1\nkind: Gateway\nmetadata: {name: edge}\nspec:\n  listeners: [{name: http, port: ${edgePort}, protocol: http}]\n`,
  );
  const startServer = (): Promise<RunningProcess> =>
    startProcess('chancery', [process.execPath, main, 'serve', '-c', config]);
  const ready = async (): Promise<boolean> =>
    (await fetch(`http://127.0.0.1:${httpPort}/readyz`).catch(() => undefined))?.status === 200;
  async function readyMs(): Promise<number> {
    const start = performance.now();
    while (!(await ready())) {
      if (performance.now() - start > 30_000) throw new Error(`not ready:\n${fleet.server.logs()}`);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    return performance.now() - start;
  }
  const server = await startServer();
  const edge = await (async () => {
    await eventually(ready, { deadlineMs: 30_000 });
    const bootstrap = execFileSync(process.execPath, [
      main,
      ...['bootstrap', 'edge-1', '--gateway', 'edge', '--xds', `127.0.0.1:${xdsPort}`, '--insecure'],
      ...['--stats', `127.0.0.1:${stats}`, '--admin', `127.0.0.1:${admin}`],
    ]).toString();
    return startEnvoy(bootstrap, { args: ['--concurrency', '1'] });
  })();
  const fleet: Fleet = {
    get consul() {
      return consul;
    },
    set consul(next) {
      consul = next;
    },
    server,
    edge,
    port: edgePort,
    objects,
    httpPort,
    register,
    deregister: async (id) => void (await consul.call('PUT', `/v1/agent/service/deregister/${id}`)),
    startServer,
    readyMs,
    async [Symbol.asyncDispose]() {
      await edge.stop();
      await fleet.server.stop();
      await consul.stop();
      dir.remove();
    },
  };
  return fleet;
}
