// The product as its own process, with what end-to-end tests and benchmarks need around it: its objects folder, its API,
// its CLI, and real Envoys on bootstraps that it printed. Everything on loopback, on free ports.
import { execFile } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ControlStatus } from '../../src/control/contract.ts';
import { type EnvoyOptions, type RunningEnvoy, startEnvoy } from './envoy.ts';
import { eventually } from './eventually.ts';
import { freePorts } from './free-port.ts';
import { type RunningProcess, startProcess } from './process.ts';
import { createTempDir } from './temp-dir.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));

export interface ProductOptions {
  /** `registries` of chancery.yaml. */
  readonly registries?: readonly Readonly<Record<string, unknown>>[];
  /** `objects` of chancery.yaml; default a fresh directory. */
  readonly objects?: readonly Readonly<Record<string, unknown>>[];
  /**
   * More configuration, merged over ours at the top level, and in `xds`. With `trust` in it the product has trust; without, it
   * is `insecure`: most scenes are about what is sent and not about who may have it.
   */
  readonly config?: Readonly<Record<string, unknown>>;
  /** Run dist/main.js instead of the sources. */
  readonly built?: boolean;
  /** Flags of Node itself. */
  readonly nodeFlags?: readonly string[];
  /** False: do not wait for /readyz. */
  readonly waitReady?: boolean;
}

export interface CliResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Product extends AsyncDisposable {
  readonly xdsPort: number;
  readonly httpPort: number;
  /** The objects folder. */
  readonly objects: string;
  readonly state: string;
  /** The running process; another one after `start`. */
  process(): RunningProcess;
  kill(): Promise<void>;
  stop(): Promise<void>;
  /** Starts it again on the same ports and state; resolves when ready. */
  start(): Promise<void>;
  ready(): Promise<boolean>;
  /** Writes a file of objects. */
  write(file: string, yaml: string): void;
  remove(file: string): void;
  status(): Promise<ControlStatus>;
  /** Calls the HTTP API with the token. */
  api(method: string, path: string, body?: string): Promise<Response>;
  cli(...args: readonly string[]): Promise<CliResult>;
  /** A real Envoy on the bootstrap that `chancery bootstrap NODE ARGS` prints, on free stats and admin ports. */
  envoy(node: string, args: readonly string[], options?: EnvoyOptions): Promise<RunningEnvoy>;
}

export async function startProduct(options: ProductOptions = {}): Promise<Product> {
  const dir = createTempDir('product');
  const objects = join(dir.path, 'objects');
  const state = join(dir.path, 'state');
  mkdirSync(objects);
  const [xdsPort = 0, httpPort = 0] = await freePorts(2);
  const config = join(dir.path, 'chancery.yaml');
  writeFileSync(
    config,
    JSON.stringify({
      state,
      http: { port: httpPort },
      ...(options.registries === undefined ? {} : { registries: options.registries }),
      objects: options.objects ?? [{ kind: 'directory', path: objects }],
      ...options.config,
      xds: {
        port: xdsPort,
        insecure: options.config?.['trust'] === undefined,
        ...(options.config?.['xds'] as object | undefined),
      },
    }),
  );
  const main = join(root, options.built === true ? 'dist/main.js' : 'src/main.ts');
  const launch = (): Promise<RunningProcess> =>
    startProcess('chancery', [process.execPath, ...(options.nodeFlags ?? []), main, 'serve', '-c', config]);
  let running = await launch();

  const url = (path: string): string => `http://127.0.0.1:${httpPort}${path}`;
  const ready = async (): Promise<boolean> => (await fetch(url('/readyz')).catch(() => undefined))?.status === 200;
  const waitReady = (): Promise<unknown> =>
    eventually(
      async () => {
        if (running.exit() !== undefined) throw new Error(`chancery ended with ${running.exit()}:\n${running.logs()}`);
        return await ready();
      },
      { deadlineMs: 30_000 },
    );
  if (options.waitReady !== false) await waitReady();
  const api = (method: string, path: string, body?: string): Promise<Response> =>
    fetch(url(path), {
      method,
      headers: {
        authorization: `Bearer ${readFileSync(join(state, 'token'), 'utf8').trim()}`,
        'content-type': 'application/yaml',
      },
      ...(body === undefined ? {} : { body }),
    });
  const cli = (...args: readonly string[]): Promise<CliResult> =>
    new Promise((resolve) => {
      const env = {
        ...process.env,
        CHANCERY_STATE: state,
        CHANCERY_HTTP_PORT: String(httpPort),
        CHANCERY_XDS_PORT: String(xdsPort),
        NO_COLOR: '1',
      };
      execFile(process.execPath, [main, ...args], { env, cwd: dir.path }, (error, stdout, stderr) => {
        resolve({ code: error === null ? 0 : typeof error.code === 'number' ? error.code : 1, stdout, stderr });
      });
    });
  const envoys: RunningEnvoy[] = [];

  const product: Product = {
    xdsPort,
    httpPort,
    objects,
    state,
    process: () => running,
    kill: () => running.kill(),
    stop: () => running.stop(),
    async start() {
      running = await launch();
      await waitReady();
    },
    ready,
    write: (file, yaml) => writeFileSync(join(objects, file), yaml),
    remove: (file) => rmSync(join(objects, file)),
    async status() {
      const response = await api('GET', '/api/v1/status');
      if (response.status !== 200) throw new Error(`status ${response.status}: ${await response.text()}`);
      return (await response.json()) as ControlStatus;
    },
    api,
    cli,
    async envoy(node, args, envoyOptions = {}) {
      const [stats = 0, admin = 0] = await freePorts(2);
      const printed = await cli(
        ...['bootstrap', node, '--xds', `127.0.0.1:${xdsPort}`, '--stats', `127.0.0.1:${stats}`],
        ...['--admin', `127.0.0.1:${admin}`, ...args],
      );
      if (printed.code !== 0) throw new Error(`bootstrap exited ${printed.code}: ${printed.stderr}`);
      const envoy = await startEnvoy(printed.stdout, envoyOptions);
      envoys.push(envoy);
      return envoy;
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(envoys.map((envoy) => envoy.stop()));
      await running.stop();
      dir.remove();
    },
  };
  return product;
}
