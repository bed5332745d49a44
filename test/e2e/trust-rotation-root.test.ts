// Two rotations of the root one after the other, with certificates that live for seconds, while requests go through two
// sidecars and a client of the mesh makes a new connection four times a second; the control plane ends in the middle of the
// first and another one goes on from what is kept. Nothing fails, and the former roots are gone.
import { execFile } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createPlane, type Plane } from '../../src/cli/plane.ts';
import { configSchema } from '../../src/model/config.ts';
import { createProtos } from '../../src/resources/protos.ts';
import { identitySecret, rootsSecret } from '../../src/resources/secret-names.ts';
import { typeUrls } from '../../src/resources/type-urls.ts';
import { createMemoryObjects } from '../../src/sources/memory/memory-objects.ts';
import { createMemoryRegistry } from '../../src/sources/memory/memory-registry.ts';
import { silentLogger } from '../../src/util/log.ts';
import { noMetrics } from '../../src/util/metrics.ts';
import { createSystemClock } from '../../src/util/system-clock.ts';
import { startBackend } from '../support/backends.ts';
import { startLoad } from '../support/load.ts';
import { describeWith, eventually, freePorts, startEnvoy } from '../support/real-parts.ts';
import { createTempDir } from '../support/temp-dir.ts';

const main = fileURLToPath(new URL('../../src/main.ts', import.meta.url));
const descriptorSet = readFileSync(new URL('../../src/gen/envoy.binpb', import.meta.url));
const lives = { leafLifeMs: 12_000, intermediateLifeMs: 24_000, backdateMs: 1_000, shortLives: true };

interface SecretJson {
  readonly tlsCertificate?: { readonly certificateChain: Inline; readonly privateKey: Inline };
  readonly validationContext?: { readonly trustedCa: Inline };
}
interface Inline {
  readonly inlineBytes: string;
}

describeWith(['envoy'], 'a root that is rotated', () => {
  const dir = createTempDir('trust-rotation');
  const stack = new AsyncDisposableStack();
  let stop = new AbortController();
  const protos = createProtos(descriptorSet);
  let plane: Plane;
  let running: Promise<void>;
  let inbound = 0;
  let outbound = 0;
  let start: () => Promise<void>;

  function chancery(args: readonly string[]): Promise<string> {
    return new Promise((resolve, reject) => {
      execFile(process.execPath, [main, ...args], { cwd: dir.path }, (error, stdout, stderr) =>
        error === null ? resolve(stdout) : reject(new Error(stderr)),
      );
    });
  }

  async function envoy(node: string, service: string, args: readonly string[]): Promise<void> {
    const pin = plane.trust?.authority.roots().roots[0]?.keyId ?? expect.fail('no root');
    const token = await plane.trust?.joinTokens.create({ services: [service], gateways: [], pin });
    const { port } = await plane.listening;
    const [stats = 0, admin = 0] = await freePorts(2);
    const bootstrap = await chancery([
      ...['bootstrap', node, '--service', service, '--xds', `127.0.0.1:${port}`, '--join', token?.text ?? ''],
      ...['--credentials', join(dir.path, node), '--stats', `127.0.0.1:${stats}`, '--admin', `127.0.0.1:${admin}`],
      ...args,
    ]);
    const started = await startEnvoy(bootstrap);
    stack.defer(() => started.stop());
  }

  function secretsOf(node: string): { readonly cert: string; readonly key: string; readonly ca: string } {
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

  /** A caller of the mesh that keeps no connection. Resolves to what went wrong, or to the serial that was shown. */
  function handshake(): Promise<{ readonly failure?: string; readonly serial?: string }> {
    return new Promise((resolve) => {
      const socket = connect({
        ...{ host: '127.0.0.1', port: inbound, ...secretsOf('web-1'), minVersion: 'TLSv1.3' },
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

  beforeAll(async () => {
    const [apiPort = 0, apiOutbound = 0] = await freePorts(2);
    [inbound = 0, outbound = 0] = await freePorts(2);
    stack.use(await startBackend('api-1', apiPort));
    const clock = createSystemClock();
    const deps = { clock, random: Math.random, log: silentLogger, metrics: noMetrics };
    const registry = createMemoryRegistry(deps, { name: 'memory' });
    const objects = createMemoryObjects(deps, { name: 'objects', documents: {} });
    const [xdsPort = 0] = await freePorts(1);
    const config = configSchema.parse({ state: join(dir.path, 'state'), xds: { port: xdsPort }, trust: {} });
    start = async () => {
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
    await envoy('api-1', 'api', ['--outbound', `127.0.0.1:${apiOutbound}`]);
    await envoy('web-1', 'web', ['--outbound', `127.0.0.1:${outbound}`]);
    await eventually(async () => (await handshake()).failure === undefined);
  }, 60_000);
  afterAll(async () => {
    await stack.disposeAsync();
    stop.abort();
    await running;
    dir.remove();
  });

  it('twice fails no request and no handshake', { timeout: 240_000 }, async () => {
    const load = startLoad({ port: outbound, host: 'api', perSecond: 100, maxSeconds: 230 });
    const failures: string[] = [];
    const phases = new Set<string>();
    const phase = (): string | undefined => plane.trust?.rotation.state()?.record.phase;
    const rootsNow = (): readonly string[] => plane.trust?.authority.roots().roots.map(({ keyId }) => keyId) ?? [];

    /** Looks at everything until it holds. */
    async function until(holds: () => boolean): Promise<void> {
      const end = performance.now() + 100_000;
      while (!holds()) {
        if (performance.now() > end)
          throw new Error(`it stands still: ${JSON.stringify(plane.trust?.rotation.state())}`);
        phases.add(phase() ?? '');
        // After a start nobody has a certificate here until its proxy is back.
        const { failure } = secretsOf('web-1').cert === '' ? {} : await handshake();
        if (failure !== undefined) failures.push(`${phase()}: ${failure}`);
        await new Promise((resolve) => setTimeout(resolve, 250));
      }
    }

    let [old] = rootsNow();
    for (const turn of [1, 2]) {
      expect(await plane.trust?.rotation.begin()).toBe(true);
      expect(await plane.trust?.rotation.begin()).toBe(false);
      await until(() => phase() === 'confirm');
      expect(rootsNow()).toHaveLength(2);
      // What the timer of every node does hourly: it learns of the next root.
      for (const node of ['api-1', 'web-1']) await chancery(['renew', join(dir.path, node)]);
      await until(() => phase() === 'drain');
      if (turn === 1) {
        stop.abort();
        await running;
        await start();
        await until(() => plane.control.certificates().length === 2);
      }
      await until(() => phase() === 'steady');
      const [now, ...more] = rootsNow();
      expect(more).toEqual([]);
      expect(now).not.toBe(old);
      expect(plane.control.certificates().map(({ root }) => root)).toEqual([now, now]);
      const folder = join(dir.path, 'state', 'ca');
      expect(existsSync(join(folder, `root-${turn}`))).toBe(false);
      expect(existsSync(join(folder, `retired-${turn}`, 'certificate.pem'))).toBe(true);
      expect(existsSync(join(folder, `retired-${turn}`, 'key.pem'))).toBe(false);
      old = now;
    }
    const { sent, failures: lost } = await load.stop();
    expect(failures).toEqual([]);
    expect(lost).toEqual({});
    expect(sent).toBeGreaterThan(5_000);
    expect([...phases]).toEqual(expect.arrayContaining(['confirm', 'drain', 'steady']));
  });
});
