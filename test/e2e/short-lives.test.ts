// A soak with certificates that live for seconds: leaves of 6 s under intermediates of 15 s, while requests go through two
// sidecars and a client of the mesh makes a new connection four times a second. Nothing fails, and everything was replaced.
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
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
const lives = { leafLifeMs: 6_000, intermediateLifeMs: 15_000, backdateMs: 1_000, shortLives: true };
const soakMs = 24_000;

interface SecretJson {
  readonly tlsCertificate?: { readonly certificateChain: Inline; readonly privateKey: Inline };
  readonly validationContext?: { readonly trustedCa: Inline };
}
interface Inline {
  readonly inlineBytes: string;
}

describeWith(['envoy'], 'certificates that live for seconds', () => {
  const dir = createTempDir('short-lives');
  const stack = new AsyncDisposableStack();
  const stop = new AbortController();
  const protos = createProtos(descriptorSet);
  let plane: Plane;
  let running: Promise<void>;
  let inbound = 0;
  let outbound = 0;

  async function envoy(node: string, service: string, args: readonly string[]): Promise<void> {
    const pin = plane.trust?.authority.roots().roots[0]?.keyId ?? expect.fail('no root');
    const token = await plane.trust?.joinTokens.create({ services: [service], gateways: [], pin });
    const { port } = await plane.listening;
    const [stats = 0, admin = 0] = await freePorts(2);
    const bootstrap = await new Promise<string>((resolve, reject) => {
      const all = ['bootstrap', node, '--service', service, '--xds', `127.0.0.1:${port}`, '--join', token?.text ?? ''];
      const places = [
        '--credentials',
        join(dir.path, node),
        '--stats',
        `127.0.0.1:${stats}`,
        '--admin',
        `127.0.0.1:${admin}`,
      ];
      execFile(process.execPath, [main, ...all, ...places, ...args], { cwd: dir.path }, (error, stdout, stderr) =>
        error === null ? resolve(stdout) : reject(new Error(stderr)),
      );
    });
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
    const config = configSchema.parse({ state: join(dir.path, 'state'), xds: { port: 0 }, trust: {} });
    plane = await createPlane(
      { ...deps, descriptorSet, held: { registries: [registry], stores: [objects] }, lives },
      config,
    );
    running = plane.run(stop.signal);
    await plane.listening;
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

  it('fails no request and no handshake', { timeout: 60_000 }, async () => {
    const load = startLoad({ port: outbound, host: 'api', perSecond: 100, maxSeconds: 60 });
    const failures: string[] = [];
    const shown = new Set<string>();
    const issued = new Set<string>();
    const intermediates = new Set<string>();
    const end = performance.now() + soakMs;
    while (performance.now() < end) {
      const { failure, serial } = await handshake();
      if (failure !== undefined) failures.push(failure);
      if (serial !== undefined) shown.add(serial);
      for (const one of plane.control.certificates()) issued.add(`${one.node} ${one.serial}`);
      intermediates.add(secretsOf('api-1').cert.split('-----BEGIN CERTIFICATE-----')[2] ?? '');
      await new Promise((resolve) => setTimeout(resolve, 250));
    }
    const { sent, failures: lost } = await load.stop();
    expect(failures).toEqual([]);
    expect(lost).toEqual({});
    expect(sent).toBeGreaterThan(1_000);
    // Everything was replaced, several times: 24 s are at least six renewals of 3.6 s at most.
    expect(shown.size).toBeGreaterThanOrEqual(5);
    expect(issued.size).toBeGreaterThanOrEqual(10);
    expect(intermediates.size).toBeGreaterThanOrEqual(2);
  });
});
