// `docker compose up --wait` for real: deploy/Dockerfile is built and the containers of docker-compose.yml run, in an engine of the
// test's own, on images made from this machine's Envoy, Consul, Node, Prometheus and, where it is at hand, Loki. Grafana and Alloy are
// left out: their programs cannot be had without a registry. Skipped by name where root, Compose v2 or Debian's engine is missing.
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, realpathSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { cacheRoot } from '../../scripts/parts.mjs';
import { ensurePrometheus } from '../../scripts/provision-prometheus.mjs';
import { partPath } from '../support/part-path.ts';
import { eventually, missingPart } from '../support/real-parts.ts';
import { createTempDir, type TempDir } from '../support/temp-dir.ts';
import { makeStandIns, type PrivateEngine, startPrivateEngine } from './private-engine.ts';

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const loki = [process.env['LOKI_BIN'], join(cacheRoot(), `loki/3.7.8-${process.platform}-${process.arch}/loki`)].find(
  (file) => file !== undefined && existsSync(file),
);
const started = [
  'edge',
  'web-proxy',
  'api-v1-proxy',
  'api-v2-proxy',
  'renew',
  'prometheus',
  ...(loki === undefined ? [] : ['loki']),
];
const compose = [
  process.env['COMPOSE_BIN'],
  join(cacheRoot(), `compose/2.40.3-${process.platform}-${process.arch}/docker-compose`),
].find((file) => file !== undefined && existsSync(file));
const prometheus = await ensurePrometheus();
const reasons = [
  process.platform === 'linux' && process.getuid?.() === 0 ? [] : ['an engine needs root on Linux'],
  compose === undefined ? ['no Compose v2: COMPOSE_BIN not set, none in the cache'] : [],
  prometheus.path === undefined ? [`no Prometheus: ${prometheus.missing}`] : [],
  missingPart('envoy') ?? [],
  missingPart('consul') ?? [],
  existsSync('/usr/bin/dpkg') ? [] : ["no dpkg to unpack Debian's docker.io"],
].flat();

/** No registry can be asked from inside: `npm ci` puts the dependencies in place that were baked in, as its options say. */
const npm = `#!/bin/bash
case "$*" in
  *cache*) ;;
  *--omit=dev*) tar xf /opt/production.tar ;;
  ci*) tar xf /opt/all.tar ;;
esac
`;

function live(): void {
  let engine: PrivateEngine;
  let dir: TempDir;
  let project = '';

  const composed = (...args: string[]): string =>
    execFileSync(compose ?? '', args, {
      cwd: project,
      env: engine.env,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
    });
  const edge = (path: string, ...options: string[]): { service: string; version: string; upstream?: object } =>
    JSON.parse(engine.inside('curl', '-s', '-m', '5', ...options, `http://localhost:10000${path}`));

  beforeAll(async () => {
    if (prometheus.path === undefined) throw new Error(prometheus.missing);
    dir = createTempDir('compose-up');
    project = join(dir.path, 'project');
    mkdirSync(project);
    for (const entry of ['bin', 'deploy', 'examples', 'proto', 'schema', 'scripts', 'src', 'docker-compose.yml'])
      cpSync(join(root, entry), join(project, entry), { recursive: true, filter: (path) => !path.includes('src/gen') });
    for (const entry of [
      'package.json',
      'package-lock.json',
      '.npmrc',
      'tsconfig.json',
      'tsconfig.build.json',
      'LICENSE',
    ])
      cpSync(join(root, entry), join(project, entry));
    const production = join(dir.path, 'production');
    mkdirSync(production);
    for (const entry of ['package.json', 'package-lock.json', '.npmrc'])
      cpSync(join(root, entry), join(production, entry));
    execFileSync('npm', ['ci', '--ignore-scripts', '--omit=dev', '--omit=optional', '--prefer-offline'], {
      cwd: production,
      stdio: 'ignore',
    });
    const tar = (name: string, from: string): string => {
      const file = join(dir.path, name);
      // A second working copy may have a link in this place.
      const place = dirname(realpathSync(join(from, 'node_modules')));
      execFileSync('tar', ['cf', file, '--exclude=.cache', '--exclude=node-linux-*', '-C', place, 'node_modules']);
      return file;
    };
    engine = await startPrivateEngine();
    makeStandIns(engine, {
      programs: {
        node: process.execPath,
        envoy: partPath('envoy'),
        consul: partPath('consul'),
        prometheus: prometheus.path,
        promtool: prometheus.promtool,
        ...(loki === undefined ? {} : { loki }),
      },
      scripts: { npm },
      files: { 'opt/all.tar': tar('all.tar', root), 'opt/production.tar': tar('production.tar', production) },
      images: [
        { tag: 'node:24.22.3-bookworm-slim' },
        { tag: 'envoyproxy/envoy:v1.40.0' },
        { tag: 'hashicorp/consul:1.22.7', lines: ['ENTRYPOINT ["consul"]'] },
        {
          tag: 'prom/prometheus:v3.5.0',
          lines: ['RUN mkdir /prometheus && chown 65534 /prometheus', 'USER nobody', 'ENTRYPOINT ["/bin/prometheus"]'],
        },
        {
          tag: 'grafana/loki:3.7.8',
          lines: ['RUN mkdir /loki && chown 10001 /loki', 'USER 10001', 'ENTRYPOINT ["/usr/bin/loki"]'],
        },
      ],
    });
    engine.docker('build', '-q', '-f', join(project, 'deploy/Dockerfile'), '-t', 'chancery:local', project);
    composed('up', '--wait', ...started);
  }, 900_000);

  afterAll(async () => {
    await engine?.stop();
    dir?.remove();
  }, 120_000);

  it('ends `up --wait` with everything healthy', () => {
    const lines = composed('ps', '-a', '--format', 'json').trim().split('\n');
    const states = lines.map((line) => JSON.parse(line) as { Service: string; Health: string; ExitCode: number });
    expect(states.length).toBe(loki === undefined ? 12 : 13);
    for (const { Service, Health, ExitCode } of states)
      expect([Service, Service === 'join' ? ExitCode : Health]).toEqual([Service, Service === 'join' ? 0 : 'healthy']);
  });

  it('answers through the edge, and through sidecars behind it', () => {
    expect(edge('/')).toMatchObject({ service: 'web', upstream: { service: 'api' } });
    expect(edge('/api?v=2')).toMatchObject({ service: 'api', version: 'v2' });
    expect(edge('/api', '-H', 'x-group: beta')).toMatchObject({ service: 'api', version: 'v2' });
  });

  it('shows every proxy in sync', () => {
    const status = JSON.parse(composed('exec', '-T', 'chancery', 'chancery', 'status', '-o', 'json')) as {
      proxies: { node: string; state: string }[];
    };
    expect(status.proxies.map(({ node, state }) => `${node} ${state}`).sort()).toEqual([
      ...['api-1 synced', 'api-2 synced', 'edge synced', 'web-1 synced'],
    ]);
  });

  it('is scraped by Prometheus: the control plane and four Envoys', async () => {
    await eventually(
      () => {
        const answer = engine.inside('curl', '-s', 'http://localhost:9090/api/v1/query?query=up');
        const { data } = JSON.parse(answer) as { data: { result: { value: [number, string] }[] } };
        expect(data.result.map(({ value }) => value[1])).toEqual(['1', '1', '1', '1', '1']);
        return true;
      },
      { deadlineMs: 60_000, everyMs: 1000 },
    );
  }, 70_000);

  it('runs Chancery without a user, on a read-only root', () => {
    expect(
      composed('exec', '-T', 'chancery', 'sh', '-c', 'echo $UID; (: > /app/x) 2> /dev/null || echo refused'),
    ).toMatch(/^(10001)?\nrefused\n$/);
  });

  it('puts JSON access logs where Alloy reads them', async () => {
    await eventually(
      () => {
        const line = composed('exec', '-T', 'edge', 'tail', '-n', '1', '/logs/edge.log').trim();
        expect(JSON.parse(line)).toMatchObject({ code: 200 });
        return true;
      },
      { deadlineMs: 30_000, everyMs: 1000 },
    );
  }, 40_000);

  it('serves on without the control plane, and is in sync again with it', () => {
    composed('kill', 'chancery');
    for (let request = 0; request < 20; request++) expect(edge('/api').service).toBe('api');
    composed('up', '-d', '--wait', 'chancery');
    composed('exec', '-T', 'chancery', 'chancery', 'status', '--wait', '30s');
  }, 90_000);
}

if (reasons.length === 0) describe('docker compose up --wait', live);
else describe.skip(`docker compose up --wait [skipped: ${reasons.join('; ')}]`, live);
