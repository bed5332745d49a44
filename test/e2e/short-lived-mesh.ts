// A small mesh whose certificates live for seconds: the control plane in this process, two sidecars on real Envoys, an
// application behind one, and a caller that keeps no connection. For tests of what must not be noticed.
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { fileURLToPath } from 'node:url';
import { expect } from 'vitest';
import type { LifeOptions } from '../../src/ca/authority-lives.ts';
import { createPlane, type Plane } from '../../src/cli/plane.ts';
import { configSchema } from '../../src/model/config.ts';
import { createProtos } from '../../src/resources/protos.ts';
import { identitySecret, rootsSecret } from '../../src/resources/secret-names.ts';
import { typeUrls } from '../../src/resources/type-urls.ts';
import { createMemoryObjects, type MemoryObjects } from '../../src/sources/memory/memory-objects.ts';
import { createMemoryRegistry, type MemoryRegistry } from '../../src/sources/memory/memory-registry.ts';
import { type Logger, silentLogger } from '../../src/util/log.ts';
import { noMetrics } from '../../src/util/metrics.ts';
import { createSystemClock } from '../../src/util/system-clock.ts';
import { startBackend } from '../support/backends.ts';
import { eventually, freePorts, type RunningEnvoy, startEnvoy } from '../support/real-parts.ts';
import { createTempDir } from '../support/temp-dir.ts';

const main = fileURLToPath(new URL('../../src/main.ts', import.meta.url));
const descriptorSet = readFileSync(new URL('../../src/gen/envoy.binpb', import.meta.url));

interface SecretJson {
  readonly tlsCertificate?: { readonly certificateChain: Inline; readonly privateKey: Inline };
  readonly validationContext?: { readonly trustedCa: Inline };
}
interface Inline {
  readonly inlineBytes: string;
}

/** PEM. */
export interface NodeSecrets {
  readonly cert: string;
  readonly key: string;
  readonly ca: string;
}

/** One node, whose Envoy may end and begin again with the same bootstrap. */
export interface Node {
  stop(): Promise<void>;
  /** Resolves once the process runs, whether or not it has a control plane. */
  start(): Promise<void>;
}

export interface ShortLivedMesh extends AsyncDisposable {
  /** The control plane; another one after `restart`. */
  plane(): Plane;
  readonly folder: string;
  readonly registry: MemoryRegistry;
  readonly objects: MemoryObjects;
  /** Starts a gateway that joined. */
  gateway(node: string, name: string, args?: readonly string[]): Promise<Node>;
  /** The outbound listener of web's sidecar. */
  readonly outbound: number;
  /** The command line, in the folder. Rejects with what it said on stderr. */
  chancery(args: readonly string[]): Promise<string>;
  /** PEM of what the node has now; empty texts for a node that is not connected. */
  secretsOf(node: string): NodeSecrets;
  /** A caller of the mesh that keeps no connection. Resolves to what went wrong, or to the serial that was shown. */
  handshake(secrets?: NodeSecrets): Promise<{ readonly failure?: string; readonly serial?: string }>;
  /** Of both sidecars: handshakes that failed, by the end of the statistic's name; those that never did are left out. */
  failedHandshakes(): Promise<Readonly<Record<string, number>>>;
  /** What the control plane warned of. */
  warnings(): readonly string[];
  /** Ends the control plane. */
  stop(): Promise<void>;
  /** Starts another one on the same state and port. */
  start(): Promise<void>;
}

/** `trustIn`: the `trust` section, where it is not empty, and whatever it needs in this folder. `aheadMs`: of the control plane's clock. */
export async function startShortLivedMesh(
  lives: LifeOptions,
  trustIn: (folder: string) => object = () => ({}),
  aheadMs = 0,
): Promise<ShortLivedMesh> {
  const dir = createTempDir('short-lives');
  const stack = new AsyncDisposableStack();
  let stop = new AbortController();
  const protos = createProtos(descriptorSet);
  let plane: Plane;
  let running: Promise<void>;
  const [inbound = 0, outbound = 0] = await freePorts(2);
  const envoys: RunningEnvoy[] = [];

  async function failedHandshakes(): Promise<Readonly<Record<string, number>>> {
    const found: Record<string, number> = {};
    for (const sidecar of envoys)
      for (const [, name = '', value] of (await sidecar.adminGet('/stats?filter=ssl%5C.')).matchAll(
        /\.ssl\.(fail_\w+|connection_error|no_certificate|was_key_usage_invalid): (\d+)/g,
      ))
        if (Number(value) > 0) found[name] = (found[name] ?? 0) + Number(value);
    return found;
  }

  function chancery(args: readonly string[]): Promise<string> {
    return new Promise((resolve, reject) => {
      execFile(process.execPath, [main, ...args], { cwd: dir.path }, (error, stdout, stderr) =>
        error === null ? resolve(stdout) : reject(new Error(stderr)),
      );
    });
  }

  async function envoy(
    node: string,
    role: 'service' | 'gateway',
    name: string,
    args: readonly string[],
  ): Promise<Node> {
    const pin = plane.trust?.authority.roots().roots[0]?.keyId ?? expect.fail('no root');
    const owner = role === 'service' ? { services: [name], gateways: [] } : { services: [], gateways: [name] };
    const token = await plane.trust?.joinTokens.create({ ...owner, pin });
    const { port } = await plane.listening;
    const [stats = 0, admin = 0] = await freePorts(2);
    const bootstrap = await chancery([
      ...['bootstrap', node, `--${role}`, name, '--xds', `127.0.0.1:${port}`, '--join', token?.text ?? ''],
      ...['--credentials', join(dir.path, node), '--stats', `127.0.0.1:${stats}`, '--admin', `127.0.0.1:${admin}`],
      ...args,
    ]);
    let current: RunningEnvoy | undefined;
    const begin = async (waitFor: 'admin' | 'ready'): Promise<void> => {
      current = await startEnvoy(bootstrap, { waitFor });
      envoys.push(current);
    };
    const stop = async (): Promise<void> => {
      if (current !== undefined) envoys.splice(envoys.indexOf(current), 1);
      await current?.stop();
      current = undefined;
    };
    stack.defer(stop);
    await begin('ready');
    return { stop, start: () => begin('admin') };
  }

  function secretsOf(node: string): NodeSecrets {
    const view = plane.control.viewOf(node);
    const text = (inline: Inline | undefined): string => Buffer.from(inline?.inlineBytes ?? '', 'base64').toString();
    const secret = (name: string): SecretJson => {
      const resource = view?.get(typeUrls.secret, name);
      return resource === undefined ? {} : (protos.decode(typeUrls.secret, resource.bytes) as SecretJson);
    };
    const { tlsCertificate } = secret(identitySecret);
    const { validationContext } = secret(rootsSecret);
    return {
      cert: text(tlsCertificate?.certificateChain),
      key: text(tlsCertificate?.privateKey),
      ca: text(validationContext?.trustedCa),
    };
  }

  function handshake(secrets = secretsOf('web-1')): Promise<{ readonly failure?: string; readonly serial?: string }> {
    return new Promise((resolve) => {
      const socket = connect({
        ...{ host: '127.0.0.1', port: inbound, ...secrets, minVersion: 'TLSv1.3' },
        ...{ ALPNProtocols: ['chancery', 'http/1.1'], checkServerIdentity: () => undefined },
      });
      socket.setTimeout(5_000, () => socket.destroy(new Error('timeout')));
      socket.once('secureConnect', () => socket.write('GET / HTTP/1.1\r\nhost: api\r\n\r\n'));
      socket.once('data', (data) => {
        const answered = data.toString().startsWith('HTTP/1.1 200');
        resolve(
          answered ? { serial: socket.getPeerCertificate().serialNumber } : { failure: data.toString().slice(0, 80) },
        );
        socket.destroy();
      });
      socket.once('error', (error) => resolve({ failure: error.message }));
      socket.once('close', () => resolve({ failure: 'closed without an answer' }));
    });
  }

  const [apiPort = 0, apiOutbound = 0] = await freePorts(2);
  stack.use(await startBackend('api-1', apiPort));
  const system = createSystemClock();
  const clock = { ...system, wall: () => system.wall() + aheadMs };
  const warned: string[] = [];
  const warn = (message: string, fields: object = {}): void => void warned.push(`${message} ${JSON.stringify(fields)}`);
  const log: Logger = { ...silentLogger, warn, error: warn, child: () => log };
  const deps = { clock, random: Math.random, log, metrics: noMetrics };
  const registry = createMemoryRegistry(deps, { name: 'memory' });
  const objects = createMemoryObjects(deps, { name: 'objects', documents: {} });
  const [xdsPort = 0] = await freePorts(1);
  const trust = trustIn(dir.path);
  const config = configSchema.parse({ state: join(dir.path, 'state'), xds: { port: xdsPort }, trust });
  const start = async (): Promise<void> => {
    stop = new AbortController();
    const held = { registries: [registry], stores: [objects] };
    plane = await createPlane({ ...deps, descriptorSet, held, lives }, config);
    running = plane.run(stop.signal);
    await plane.listening;
  };
  await start();
  const proxy = { address: '127.0.0.1', port: inbound, localAddress: '127.0.0.1', localPort: apiPort };
  registry.register('api', { id: 'api-1', address: '127.0.0.1', port: apiPort, proxy });
  registry.register('web', { id: 'web-1', address: '127.0.0.1', port: 1 });
  await envoy('api-1', 'service', 'api', ['--outbound', `127.0.0.1:${apiOutbound}`]);
  await envoy('web-1', 'service', 'web', ['--outbound', `127.0.0.1:${outbound}`]);
  await eventually(async () => (await handshake()).failure === undefined);

  return {
    plane: () => plane,
    ...{ folder: dir.path, registry, objects },
    gateway: (node, name, args = []) => envoy(node, 'gateway', name, args),
    ...{ outbound, chancery, secretsOf, handshake, failedHandshakes, start, warnings: () => warned },
    async stop() {
      stop.abort();
      await running;
    },
    async [Symbol.asyncDispose]() {
      await stack.disposeAsync();
      stop.abort();
      await running;
      dir.remove();
    },
  };
}
