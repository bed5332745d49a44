// `chancery serve` without a configuration file: Consul or etcd as the machine's own environment names them, objects from
// ./objects, a message where nothing is said; and an end by SIGTERM that costs no request and keeps the token.
import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { startBackend } from '../support/backends.ts';
import { ask, startLoad } from '../support/load.ts';
import { startProduct } from '../support/product.ts';
import {
  describeWith,
  eventually,
  eventuallyPasses,
  freePort,
  freePorts,
  startEnvoy,
  startProcess,
} from '../support/real-parts.ts';
import { projectRoot } from '../support/source-tree.ts';
import { createTempDir } from '../support/temp-dir.ts';
import { registryRigs } from './registry-rigs.ts';

const main = join(projectRoot, 'src/main.ts');

/** Only what is named, beside what every process has. */
function environment(more: Readonly<Record<string, string>>): NodeJS.ProcessEnv {
  const { PATH, HOME } = process.env;
  return { PATH, HOME, NO_COLOR: '1', ...more };
}

function chancery(cwd: string, env: NodeJS.ProcessEnv, ...args: readonly string[]) {
  return startProcess('chancery', [process.execPath, main, ...args], { cwd, env });
}

describe('serve without anything', () => {
  it('says what to write, and ends', async () => {
    using dir = createTempDir('nothing');
    const child = await chancery(dir.path, environment({}), 'serve');
    expect(await child.ended()).toBe(64);
    expect(child.logs()).toMatch(
      /^error \[CH1605\] .*CONSUL_HTTP_ADDR or ETCDCTL_ENDPOINTS, or write chancery\.yaml.*\n {2}registries:\n.*kind: consul[\s\S]*docs: errors#CH1605\n$/,
    );
    expect(child.logs()).not.toContain('    at ');
  }, 30_000);
});

const surroundings = {
  Consul: (config: Readonly<Record<string, unknown>>) => ({ CONSUL_HTTP_ADDR: String(config['address']) }),
  etcd: (config: Readonly<Record<string, unknown>>) => ({
    ETCDCTL_ENDPOINTS: (config['endpoints'] as string[]).join(',').replace('http://', ''),
  }),
};

for (const [name, variables] of Object.entries(surroundings)) {
  const rig = registryRigs.find((one) => one.name === name);
  if (rig === undefined) throw new Error(`no rig ${name}`);
  describeWith(['envoy', ...rig.needs], `serve from the environment: ${name}`, () => {
    it('reads the registry it names and ./objects', async () => {
      using dir = createTempDir('environment');
      await using registry = await rig.start();
      await using backend = await startBackend('one');
      const [xds = 0, http = 0, port = 0, stats = 0, admin = 0] = await freePorts(5);
      mkdirSync(join(dir.path, 'objects'));
      writeFileSync(
        join(dir.path, 'objects', 'edge.yaml'),
        `{apiVersion: chancery/v1, kind: Gateway, metadata: {name: edge}, spec: {listeners: [{port: ${port}}]}}\n`,
      );
      await registry.put({ service: 'one', id: 'one-1', port: backend.port });
      const env = environment({
        ...variables(registry.config),
        CHANCERY_XDS_PORT: String(xds),
        CHANCERY_HTTP_PORT: String(http),
        // Read by `bootstrap` too.
        CHANCERY_XDS_INSECURE: 'true',
      });
      await using server = await chancery(dir.path, env, 'serve');
      await eventually(
        async () => {
          if (server.exit() !== undefined) throw new Error(server.logs());
          return (await fetch(`http://127.0.0.1:${http}/readyz`).catch(() => undefined))?.status === 200;
        },
        { deadlineMs: 30_000 },
      );
      const printed = await chancery(
        dir.path,
        env,
        ...['bootstrap', 'edge-1', '--gateway', 'edge', '--xds', `127.0.0.1:${xds}`],
        ...['--stats', `127.0.0.1:${stats}`, '--admin', `127.0.0.1:${admin}`],
      );
      expect(await printed.ended()).toBe(0);
      await using envoy = await startEnvoy(printed.logs());
      await eventuallyPasses(async () => expect((await ask({ port, host: 'one' })).status).toBe(200));
      expect(envoy.pid).toBeGreaterThan(0);
      await server.stop();
      expect(server.exit()).toBe(0);
      expect(statSync(join(dir.path, '.chancery', 'token')).mode & 0o777).toBe(0o600);
    }, 60_000);
  });
}

describeWith(['envoy'], 'an end by SIGTERM', () => {
  it('costs no request under load, ends with 0, and the second start finds the same token', async () => {
    await using backend = await startBackend('one');
    await using product = await startProduct();
    const port = await freePort();
    product.write(
      'edge.yaml',
      [
        `kind: Gateway, metadata: {name: edge}, spec: {listeners: [{port: ${port}}]}`,
        `kind: Service, metadata: {name: one}, spec: {endpoints: [{address: 127.0.0.1, port: ${backend.port}}]}`,
      ]
        .map((rest) => `{apiVersion: chancery/v1, ${rest}}\n`)
        .join('---\n'),
    );
    const envoy = await product.envoy('edge-1', ['--gateway', 'edge']);
    await eventuallyPasses(async () => expect((await ask({ port, host: 'one' })).status).toBe(200));
    const token = readFileSync(join(product.state, 'token'), 'utf8');
    const load = startLoad({ port, host: 'one', perSecond: 200, maxSeconds: 60 });
    await eventually(() => (load.soFar().answered['one'] ?? 0) > 20);

    const first = product.process();
    first.signal('SIGTERM');
    expect(await first.ended()).toBe(0);
    expect(first.logs()).toContain('chancery stopped');
    expect(first.logs()).not.toMatch(/^\s+at .*\(/m);
    await eventuallyPasses(async () => expect(await envoy.stat('control_plane.connected_state')).toBe(0));
    const before = load.soFar().sent;
    await eventually(() => load.soFar().sent > before + 40);
    await product.start();
    await eventuallyPasses(
      async () => {
        const { proxies } = await product.status();
        expect(proxies.map(({ node, state }) => ({ node, state }))).toEqual([{ node: 'edge-1', state: 'synced' }]);
      },
      { deadlineMs: 40_000 },
    );
    expect(readFileSync(join(product.state, 'token'), 'utf8')).toBe(token);
    const { failures, sent, answered } = await load.stop();
    expect(failures).toEqual({});
    expect(answered).toEqual({ one: sent });
  }, 90_000);
});
