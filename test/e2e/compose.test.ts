// docker-compose.yml and what it mounts, as far as that can be said without an engine: its shape, that every name, address, port
// and path in it leads somewhere, that the script which makes bootstraps and credentials does so, that they load in a real Envoy and the service files in a real Consul.
// Compose itself reads the file where it can be found ($COMPOSE_BIN, the cache, `docker compose`).
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';
import { cacheRoot } from '../../scripts/parts.mjs';
import { resolveConfig } from '../../src/model/config-layers.ts';
import { createWorldBuilder } from '../../src/model/next-world.ts';
import { partPath } from '../support/part-path.ts';
import { type Product, startProduct } from '../support/product.ts';
import { describeWith, envoyValidate } from '../support/real-parts.ts';
import { createTempDir } from '../support/temp-dir.ts';

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const read = (path: string): string => readFileSync(join(root, path), 'utf8');

// The keys of the Compose specification that the file uses, and no other: a misspelt key is an error here, as it is in Compose.
const duration = z.string().regex(/^\d+(ms|s|m)$/);
const healthcheck = z.strictObject({
  test: z.array(z.string()).min(2),
  interval: duration,
  timeout: duration,
  retries: z.int().positive(),
  start_period: duration.optional(),
});
const condition = z.strictObject({ condition: z.enum(['service_healthy', 'service_completed_successfully']) });
const service = z.strictObject({
  image: z.string().regex(/^[a-z0-9./-]+:[A-Za-z0-9._-]+$/),
  build: z.strictObject({ context: z.string(), dockerfile: z.string() }).optional(),
  pull_policy: z.enum(['never']).optional(),
  command: z.array(z.string()).optional(),
  entrypoint: z.array(z.string()).optional(),
  environment: z.record(z.string(), z.string()).optional(),
  user: z.string().optional(),
  restart: z.enum(['unless-stopped']).optional(),
  read_only: z.boolean().optional(),
  tmpfs: z.array(z.string()).optional(),
  cap_drop: z.array(z.literal('ALL')).optional(),
  security_opt: z.array(z.string()).optional(),
  volumes: z.array(z.string().regex(/^[^:]+:\/[^:]+(:ro)?$/)).optional(),
  ports: z.array(z.string()).optional(),
  networks: z.union([z.array(z.string()), z.record(z.string(), z.strictObject({ ipv4_address: z.ipv4() }))]).optional(),
  network_mode: z.string().optional(),
  depends_on: z.record(z.string(), condition).optional(),
  healthcheck: healthcheck.optional(),
});
const compose = z.strictObject({
  name: z.string(),
  'x-envoy': z.unknown(),
  'x-service': z.unknown(),
  services: z.record(z.string(), service),
  networks: z.record(
    z.string(),
    z.strictObject({
      ipam: z.strictObject({ config: z.array(z.strictObject({ subnet: z.cidrv4(), ip_range: z.cidrv4() })) }),
    }),
  ),
  volumes: z.record(z.string(), z.null()),
});

const file = compose.parse(parse(read('docker-compose.yml'), { merge: true }));
const services = Object.entries(file.services);
const one = (name: string) => {
  const found = file.services[name];
  if (found === undefined) throw new Error(`no service ${name}`);
  return found;
};
const addressOf = (name: string): string => {
  const { networks } = one(name);
  const address = networks === undefined || Array.isArray(networks) ? undefined : networks['mesh']?.ipv4_address;
  if (address === undefined) throw new Error(`${name} has no fixed address`);
  return address;
};
const envoys = services.filter(([, { image }]) => image.startsWith('envoyproxy/envoy:'));
const node = (name: string): string => one(name).environment?.['NODE'] ?? '';

/** The script of the one-shot container, as its shell gets it. */
const script = (one('join').command?.[0] ?? '').replaceAll('$$', '$');
/** `NODE -> what it may be` of its lines. */
const joined = new Map(
  [...script.matchAll(/^join (\S+) (.+)$/gm)].map(([, name = '', role = '']) => [name, role] as const),
);

describe('docker-compose.yml', () => {
  it('gives every container that stays a health check', () => {
    expect(services.filter(([, { healthcheck: check }]) => check === undefined).map(([name]) => name)).toEqual([
      'join',
    ]);
  });

  it('has its one-shot container adopted, or `up --wait` would take its end for a failure', () => {
    const adopters = services.filter(([, { depends_on: on }]) => on?.['join'] !== undefined);
    expect(adopters.map(([name]) => name)).toEqual(['renew', ...envoys.map(([name]) => name), 'alloy']);
    for (const [, { depends_on: on }] of adopters)
      expect(on?.['join']?.condition).toBe('service_completed_successfully');
  });

  it('waits only for containers that exist and can become healthy', () => {
    for (const [name, { depends_on: on }] of services)
      for (const [other, { condition: wanted }] of Object.entries(on ?? {}))
        expect(
          wanted === 'service_healthy' ? one(other).healthcheck : one(other),
          `${name} waits for ${other}`,
        ).toBeDefined();
  });

  it('starts everything by default', () => {
    expect(services.map(([name]) => name)).toEqual([
      ...['consul', 'chancery', 'join', 'renew', 'edge', 'web', 'web-proxy', 'api-v1', 'api-v1-proxy'],
      ...['api-v2', 'api-v2-proxy', 'prometheus', 'loki', 'alloy', 'grafana'],
    ]);
  });

  it('pins every image that it does not build', () => {
    for (const [name, { image }] of services)
      if (image !== 'chancery:local') expect(image, name).toMatch(/:v?\d+\.\d+\.\d+(-[a-z-]+)?$/);
  });

  it('publishes on the loopback of the host only, on ports that can be moved', () => {
    const ports = services.flatMap(([, { ports: published = [] }]) => published);
    expect(ports.length).toBeGreaterThan(0);
    for (const port of ports) expect(port).toMatch(/^127\.0\.0\.1:\$\{[A-Z]+_PORT:-(\d+)\}:\1$/);
  });

  it('mounts only what is there', () => {
    for (const [name, { volumes = [] }] of services)
      for (const volume of volumes) {
        const [from = ''] = volume.split(':');
        if (from.startsWith('./')) expect(existsSync(join(root, from)), `${name}: ${from}`).toBe(true);
        else expect(Object.keys(file.volumes), name).toContain(from);
      }
  });

  it('mounts no socket and needs no plugin of the host', () => {
    const text = read('docker-compose.yml');
    expect(text).not.toContain('docker.sock');
    expect(text).not.toMatch(/^\s*(logging|driver|privileged|devices|cap_add):/m);
  });

  it('gives every container an address of the subnet', () => {
    const subnet = file.networks['mesh']?.ipam.config[0]?.subnet ?? '';
    expect(subnet).toMatch(/\.0\/24$/);
    const fixed = services.flatMap(([name, { networks }]) =>
      networks === undefined || Array.isArray(networks) ? [] : [addressOf(name)],
    );
    expect(new Set(fixed).size).toBe(fixed.length);
    for (const address of fixed) expect(address.startsWith(subnet.replace(/0\/24$/, ''))).toBe(true);
    // Else a container without a fixed address takes one of these, and its owner cannot start.
    expect(file.networks['mesh']?.ipam.config[0]?.ip_range).toBe(subnet.replace('.0/24', '.128/25'));
    for (const address of fixed) expect(Number(address.split('.')[3])).toBeLessThan(128);
  });
});

/** Compose v2 as a command line; undefined when there is none. It is looked for, never fetched: it takes minutes to build. */
function composeBin(): readonly string[] | undefined {
  const cached = join(cacheRoot(), `compose/2.40.3-${process.platform}-${process.arch}/docker-compose`);
  const candidates = [process.env['COMPOSE_BIN'], existsSync(cached) ? cached : undefined].filter(
    (bin) => bin !== undefined,
  );
  for (const candidate of [...candidates.map((bin) => [bin]), ['docker', 'compose']]) {
    try {
      execFileSync(candidate[0] ?? '', [...candidate.slice(1), 'version'], { stdio: 'ignore' });
      return candidate;
    } catch {
      // Not this one; the test says when there is none at all.
    }
  }
  return undefined;
}

const bin = composeBin();
const readByCompose = (): void => {
  it('is read by it, key for key', () => {
    const [command = '', ...args] = bin ?? [];
    const text = execFileSync(
      command,
      [...args, '-f', join(root, 'docker-compose.yml'), 'config', '--format', 'json'],
      {
        encoding: 'utf8',
      },
    );
    const normal = JSON.parse(text) as { services: Record<string, unknown> };
    expect(Object.keys(normal.services).sort()).toEqual(services.map(([name]) => name).sort());
  });
};
if (bin !== undefined) describe('Compose itself', readByCompose);
else describe.skip('Compose itself [skipped: no Compose v2: COMPOSE_BIN, cache, docker compose]', readByCompose);

describe('the configuration that Compose mounts', () => {
  const text = read('deploy/compose/chancery.yaml');
  const resolve = (flags: Record<string, boolean>) =>
    resolveConfig({
      file: { path: 'deploy/compose/chancery.yaml', text },
      environment: {},
      flags,
      objectsDirectory: false,
    });

  it('has trust, and plaintext of the HTTP API alone, which the command passes', () => {
    expect(one('chancery').command).toContain('--http-insecure');
    expect(one('chancery').command).not.toContain('--insecure');
    const { config, problems } = resolve({ 'http-insecure': true });
    expect(problems).toEqual([]);
    expect(config?.xds).toMatchObject({ address: '0.0.0.0', port: 18000, insecure: false });
    expect(config?.trust).toMatchObject({ root: { kind: 'files' }, names: expect.arrayContaining(['chancery']) });
    expect(config?.http).toMatchObject({ address: '0.0.0.0', port: 18080, hosts: ['chancery'] });
    expect(resolve({}).config).toBeUndefined();
  });

  it('is where Prometheus asks, under a name that is allowed', () => {
    const { scrape_configs: jobs } = parse(read('deploy/prometheus/prometheus.yml')) as {
      scrape_configs: { http_sd_configs: { url: string }[] }[];
    };
    const urls = jobs.flatMap(({ http_sd_configs: sd }) => sd.map(({ url }) => url));
    expect(urls).toEqual(['http://chancery:18080/sd/prometheus']);
  });

  it('has objects without a mistake', () => {
    const folder = 'deploy/compose/objects';
    const documents = new Map(
      readdirSync(join(root, folder)).map((name) => [name, { path: name, text: read(`${folder}/${name}`) }]),
    );
    const world = createWorldBuilder().next({
      registries: [],
      objects: [{ source: 'objects', revision: '1', complete: true, documents }],
    });
    expect(world.problems.filter(({ severity }) => severity === 'error')).toEqual([]);
    expect(world.routes.length).toBeGreaterThan(0);
    for (const [name, { text: object }] of documents)
      expect(object.split('\n')[0], name).toBe('# yaml-language-server: $schema=../../../schema/chancery.schema.json');
  });

  it('knows each sidecar under the address, port and id that Compose gives it', () => {
    const files = readdirSync(join(root, 'deploy/consul'));
    expect(files.sort()).toEqual(envoys.flatMap(([name]) => (name === 'edge' ? [] : [`${node(name)}.hcl`])).sort());
    for (const [name] of envoys) {
      if (name === 'edge') continue;
      const owner = one(name).network_mode?.replace('service:', '') ?? '';
      const hcl = read(`deploy/consul/${node(name)}.hcl`);
      const addresses = [...hcl.matchAll(/address\s+= "(\d[\d.]+)"/g)].map(([, address]) => address);
      expect(addresses, name).toEqual([addressOf(owner), addressOf(owner), '127.0.0.1']);
      expect(hcl).toContain(`destination_service_id   = "${node(name)}"`);
      expect(hcl).toContain('"connect-proxy"');
      expect(one(owner).command).toContain(node(name));
    }
  });
});

describe('deploy/Dockerfile', () => {
  const text = read('deploy/Dockerfile');

  it('builds on a pinned, patched Node 24 and runs as nobody in particular', () => {
    expect(text).toMatch(/^ARG NODE_VERSION=24\.22\.\d+$/m);
    for (const [, image = ''] of text.matchAll(/^FROM (\S+)/gm))
      expect(image).toMatch(/^node:\$\{NODE_VERSION\}-bookworm-slim$/);
    expect(text).toMatch(/^USER 10001:10001$/m);
    expect(text).toMatch(/^HEALTHCHECK /m);
  });

  it('copies only what is there and may be seen', () => {
    const allowed = read('deploy/Dockerfile.dockerignore')
      .split('\n')
      .filter((line) => line.startsWith('!'))
      .map((line) => line.slice(1));
    const copied = [...text.matchAll(/^COPY (?!--from)(.+) \S+$/gm)].flatMap(([, from = '']) => from.split(' '));
    expect(copied.length).toBeGreaterThan(0);
    for (const path of copied) {
      expect(existsSync(join(root, path)), path).toBe(true);
      expect(allowed).toContain(path);
    }
  });

  it('uses the Node that the services of docker-compose.yml use', () => {
    const version = /NODE_VERSION=(\S+)/.exec(text)?.[1];
    expect(one('web').image).toBe(`node:${version}-bookworm-slim`);
  });
});

describe('the one-shot container', () => {
  it('asks on the loopback of the control plane, with the token of the API and no more of its state', () => {
    const { network_mode: network, volumes, environment } = one('join');
    expect(network).toBe('service:chancery');
    expect(volumes).toContain('api-token:/api-token:ro');
    for (const [name, { volumes: mounted = [] }] of services)
      if (name !== 'chancery') expect(mounted.join(), name).not.toMatch(/(^|,)state:/);
    const file = one('chancery').environment?.['CHANCERY_HTTP_TOKEN_FILE'] ?? '';
    expect(file).toMatch(/^\/api-token\//);
    expect(environment).toEqual({ CHANCERY_TOKEN_FILE: file });
  });

  it('makes a credential for every Envoy, which reads it and cannot write it, and all are renewed', () => {
    expect([...joined.keys()].sort()).toEqual(envoys.map(([name]) => node(name)).sort());
    for (const [name, { volumes, user }] of envoys) {
      expect(volumes, name).toContain('credentials:/credentials:ro');
      expect(user, name).toBe('10001:10001');
    }
    const folders = [...joined.keys()].map((name) => `/credentials/${name}`);
    expect(one('renew').command).toEqual(['renew', ...folders, '--watch']);
  });
});

describeWith(['envoy'], 'the script of the one-shot container', () => {
  let product: Product;
  const dir = createTempDir('compose-join');
  const at = (path: string): string => join(dir.path, path);
  beforeAll(async () => {
    product = await startProduct({ config: { trust: {} } });
    for (const folder of ['credentials', 'bootstrap', 'bin']) mkdirSync(at(folder), { mode: 0o700 });
    const command = `#!/bin/sh\nexec "${process.execPath}" "${join(root, 'bin/chancery.mjs')}" "$@"\n`;
    writeFileSync(at('bin/chancery'), command, { mode: 0o755 });
  }, 60_000);
  afterAll(async () => {
    await product?.[Symbol.asyncDispose]();
    dir.remove();
  });

  /** Runs it in folders of our own, against our product; what it wrote for people. */
  function run(): string {
    const here = script
      .replaceAll('/credentials', at('credentials'))
      .replaceAll('/bootstrap/', at('bootstrap/'))
      .replaceAll('chancery:18000', `127.0.0.1:${product.xdsPort}`);
    const { PATH = '', HOME } = process.env;
    const token = { CHANCERY_TOKEN_FILE: join(product.state, 'token'), CHANCERY_HTTP_PORT: String(product.httpPort) };
    const env = { PATH: `${at('bin')}:${PATH}`, HOME, NO_COLOR: '1', ...token };
    const { status, stderr, stdout } = spawnSync('/bin/sh', ['-ec', here], { env, cwd: dir.path, encoding: 'utf8' });
    expect(status, stderr).toBe(0);
    return stdout + stderr;
  }
  const secret = (name: string): string => readFileSync(at(`credentials/${name}/token.json`), 'utf8');

  it('gets credentials once, renews them after, and gets others where they are not taken', { timeout: 120_000 }, () => {
    expect(run()).not.toContain('error');
    const first = secret('edge');
    expect(statSync(at('credentials/edge/token.json')).mode & 0o777).toBe(0o600);
    expect(run().match(/renewed, until/g)).toHaveLength(joined.size);
    const second = secret('edge');
    expect(second).not.toBe(first);
    writeFileSync(at('credentials/edge/token.json'), second.replace(/Bearer [^"]+/, 'Bearer a.b.c'));
    expect(run().match(/renewed, until/g)).toHaveLength(joined.size - 1);
    expect(secret('edge')).not.toContain('Bearer a.b.c');
  });

  it.each([...joined.keys()])('%s loads in Envoy and is reached by Prometheus', async (name) => {
    const text = readFileSync(at(`bootstrap/${name}.yaml`), 'utf8');
    const { ok, output } = await envoyValidate(text);
    expect(ok, output).toBe(true);
    expect(text).not.toMatch(/Bearer|PRIVATE/);
    const { admin, staticResources } = parse(text) as {
      admin: { address: object };
      staticResources: { listeners: { name: string; address: object }[] };
    };
    expect(admin.address).toEqual({ socketAddress: { address: '127.0.0.1', portValue: 9901 } });
    expect(staticResources.listeners.map(({ address }) => address)).toEqual([
      { socketAddress: { address: '0.0.0.0', portValue: 9902 } },
    ]);
  });
});

describeWith(['consul'], 'the service files that Compose mounts', () => {
  it('are accepted by Consul', () => {
    const folder = join(root, 'deploy/consul');
    // `validate` wants a whole configuration; a development agent's lacks only the data folder.
    using dir = createTempDir('consul-validate');
    const rest = join(dir.path, 'rest.hcl');
    writeFileSync(rest, `data_dir = "${dir.path}"`);
    const output = execFileSync(partPath('consul'), ['validate', '-config-format', 'hcl', folder, rest], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    expect(output).toContain('Configuration is valid!');
  });
});
