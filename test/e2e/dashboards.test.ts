// What Prometheus scrapes, what Grafana draws and what Loki is asked for. The scrape configuration and the alerts of deploy/ run in
// a real Prometheus on the running product, and every query of the dashboard is put to it. Grafana's JSON is held against a strict
// schema, LogQL against a small grammar and against real access log lines: neither Grafana nor Alloy runs here, and Loki runs in
// log-queries.test.ts only where it is at hand.
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';
import { ensurePrometheus } from '../../scripts/provision-prometheus.mjs';
import {
  eventually,
  freePort,
  missingPart,
  type RunningProcess,
  startProcess,
  whenPortIsFree,
} from '../support/real-parts.ts';
import { createTempDir, type TempDir } from '../support/temp-dir.ts';
import { type ScrapedMesh, startScrapedMesh } from './scraped-mesh.ts';

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const read = (path: string): string => readFileSync(join(root, path), 'utf8');

const datasource = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('prometheus'), uid: z.literal('prometheus') }),
  z.strictObject({ type: z.literal('loki'), uid: z.literal('loki') }),
]);
const grid = z.strictObject({ h: z.int().positive(), w: z.int().min(1).max(24), x: z.int().min(0), y: z.int().min(0) });
const target = z.strictObject({
  refId: z.string().regex(/^[A-Z]$/),
  datasource,
  expr: z.string().min(1),
  legendFormat: z.string().optional(),
  range: z.boolean().optional(),
  instant: z.boolean().optional(),
  queryType: z.literal('range').optional(),
});
const fieldConfig = z.strictObject({
  defaults: z.strictObject({
    unit: z.enum(['none', 'reqps', 'ops', 'ms', 's', 'bytes', 'percentunit']),
    color: z.strictObject({ mode: z.enum(['palette-classic', 'thresholds']) }),
    custom: z
      .strictObject({
        drawStyle: z.enum(['line', 'bars']),
        lineWidth: z.int(),
        fillOpacity: z.int(),
        showPoints: z.literal('never'),
        spanNulls: z.boolean().optional(),
        stacking: z.strictObject({ mode: z.literal('normal'), group: z.string() }).optional(),
      })
      .optional(),
    min: z.number().optional(),
    decimals: z.int().optional(),
    thresholds: z
      .strictObject({
        mode: z.literal('absolute'),
        steps: z.array(z.strictObject({ color: z.string(), value: z.number().nullable() })).min(1),
      })
      .optional(),
  }),
  overrides: z.array(z.never()),
});
const common = { id: z.int().positive(), title: z.string().min(1), gridPos: grid };
const drawn = { ...common, description: z.string().min(10), datasource, targets: z.array(target).min(1) };
const panel = z.discriminatedUnion('type', [
  z.strictObject({ ...common, type: z.literal('row'), collapsed: z.literal(false), panels: z.array(z.never()) }),
  z.strictObject({
    ...drawn,
    type: z.literal('timeseries'),
    fieldConfig,
    options: z.strictObject({
      legend: z.strictObject({
        displayMode: z.literal('list'),
        placement: z.literal('bottom'),
        showLegend: z.boolean(),
      }),
      tooltip: z.strictObject({ mode: z.literal('multi'), sort: z.literal('desc') }),
    }),
  }),
  z.strictObject({
    ...drawn,
    type: z.literal('stat'),
    fieldConfig,
    options: z.strictObject({
      reduceOptions: z.strictObject({ calcs: z.array(z.string()), fields: z.literal(''), values: z.boolean() }),
      colorMode: z.literal('value'),
      graphMode: z.literal('area'),
      justifyMode: z.literal('auto'),
      textMode: z.literal('auto'),
    }),
  }),
  z.strictObject({
    ...drawn,
    type: z.literal('logs'),
    options: z.record(z.string(), z.union([z.boolean(), z.string()])),
  }),
]);
const dashboard = z.strictObject({
  uid: z.string(),
  title: z.string(),
  description: z.string(),
  tags: z.array(z.string()),
  schemaVersion: z.literal(41),
  version: z.int(),
  editable: z.boolean(),
  graphTooltip: z.int(),
  refresh: z.string(),
  timezone: z.literal('browser'),
  time: z.strictObject({ from: z.string(), to: z.string() }),
  links: z.array(z.never()),
  annotations: z.strictObject({ list: z.array(z.never()) }),
  templating: z.strictObject({
    list: z.array(
      z.strictObject({
        name: z.string(),
        label: z.string(),
        type: z.literal('query'),
        datasource,
        query: z.strictObject({ query: z.string(), refId: z.string() }),
        definition: z.string(),
        refresh: z.int(),
        sort: z.int(),
        multi: z.boolean(),
        includeAll: z.boolean(),
        allValue: z.string(),
        current: z.strictObject({ text: z.array(z.string()), value: z.array(z.string()) }),
        regex: z.string(),
        hide: z.int(),
      }),
    ),
  }),
  panels: z.array(panel),
});

const board = dashboard.parse(JSON.parse(read('deploy/grafana/dashboards/chancery.json')));
const targets = board.panels.flatMap((one) =>
  one.type === 'row' ? [] : one.targets.map((query) => ({ panel: one.title, ...query })),
);
const promql = targets.filter((query) => query.datasource.type === 'prometheus');
const logql = targets.filter((query) => query.datasource.type === 'loki');
const [variable] = board.templating.list;
const errorsByService = promql.find(({ panel: title }) => title === 'Errors by service')?.expr ?? '';

/** What Grafana puts in for its variables, with `All` chosen. */
function filled(expr: string): string {
  return expr
    .replaceAll('$__rate_interval', '10s')
    .replaceAll('$__auto', '10s')
    .replaceAll('$service', variable?.allValue ?? '');
}

/** Labels that deploy/alloy/config.alloy sends. */
const logLabels = ['job', 'service', 'proxy', 'code_class'];

describe('the dashboard', () => {
  it('shows requests, errors and p95 of every service, and pushes, rejections and propagation', () => {
    const titles = board.panels.map(({ title }) => title);
    for (const title of [
      'Requests by service',
      'Errors by service',
      'p95 by service',
      'Pushes',
      'Rejections',
      'Propagation',
    ])
      expect(titles).toContain(title);
  });

  it('asks data sources that are provisioned', () => {
    const { datasources } = parse(read('deploy/grafana/provisioning/datasources/datasources.yaml')) as {
      datasources: { uid: string; type: string }[];
    };
    const known = datasources.map(({ uid, type }) => `${type}/${uid}`);
    for (const query of targets) expect(known).toContain(`${query.datasource.type}/${query.datasource.uid}`);
  });

  it('is found where Compose mounts it', () => {
    const { providers } = parse(read('deploy/grafana/provisioning/dashboards/dashboards.yaml')) as {
      providers: { options: { path: string } }[];
    };
    expect(read('docker-compose.yml')).toContain(`./deploy/grafana/dashboards:${providers[0]?.options.path}:ro`);
  });

  it('has panels that do not overlap, with ids of their own', () => {
    expect(new Set(board.panels.map(({ id }) => id)).size).toBe(board.panels.length);
    const cells = board.panels.flatMap(({ gridPos: { x, y, w, h } }) =>
      Array.from({ length: w * h }, (_, cell) => `${x + (cell % w)},${y + Math.floor(cell / w)}`),
    );
    expect(new Set(cells).size).toBe(cells.length);
    for (const { gridPos } of board.panels) expect(gridPos.x + gridPos.w).toBeLessThanOrEqual(24);
  });

  it('leaves no variable that nobody fills', () => {
    for (const query of targets) expect(filled(query.expr), query.panel).not.toContain('$');
  });

  it.each(logql.map((query) => [query.panel, query.expr] as const))(
    '%s asks Loki in LogQL, by labels that it has',
    (_, expr) => {
      const selector = /\{([^{}]+)\}/.exec(expr)?.[1] ?? '';
      const matchers = selector.split(/,\s*/);
      for (const matcher of matchers) {
        const [, label] = /^([a-z_]+)(?:=~|!~|!=|=)"[^"]*"$/.exec(matcher) ?? [];
        expect(logLabels, matcher).toContain(label);
      }
      // Loki refuses a selector that could match everything.
      expect(matchers.some((matcher) => /^[a-z_]+="[^"]+"$/.test(matcher))).toBe(true);
      const stage = String.raw`(?:\s*\| (?:json|logfmt)|\s*\|[=~] "[^"]*")*`;
      const log = String.raw`\{[^{}]+\}${stage}`;
      const metric = String.raw`sum by \((?:${logLabels.join('|')})\) \(count_over_time\(${log} \[10s\]\)\)`;
      expect(filled(expr)).toMatch(new RegExp(`^(?:${log}|${metric})$`));
    },
  );
});

const prometheus = await ensurePrometheus();
const missing = [
  ...(prometheus.path === undefined ? [`no Prometheus: ${prometheus.missing}`] : []),
  ...[missingPart('envoy') ?? []].flat(),
];

function live(): void {
  if (prometheus.path === undefined) throw new Error(prometheus.missing);
  const { path, promtool } = prometheus;
  let dir: TempDir;
  let occupied: Server;
  let mesh: ScrapedMesh;
  let server: RunningProcess;
  let url = '';
  let traffic = true;
  let driving: Promise<void> = Promise.resolve();

  interface Sample {
    readonly metric: Readonly<Record<string, string>>;
    readonly value: readonly [number, string];
  }
  async function ask<T>(what: string): Promise<T> {
    const response = await fetch(`${url}/api/v1/${what}`);
    const body = (await response.json()) as { status: string; error?: string; data: T };
    if (body.status !== 'success') throw new Error(`${what}: ${body.error}`);
    return body.data;
  }
  const query = async (expr: string): Promise<readonly Sample[]> =>
    (await ask<{ result: readonly Sample[] }>(`query?query=${encodeURIComponent(expr)}`)).result;

  async function drive(): Promise<void> {
    const paths = ['/', '/api', '/fail', '/', '/api'];
    for (let turn = 0; traffic; turn++) {
      if (turn % 40 === 0) mesh.change();
      await fetch(`http://${mesh.edge}${paths[turn % paths.length]}`).then((answer) => answer.arrayBuffer());
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  beforeAll(async () => {
    dir = createTempDir('prometheus');
    occupied = createServer();
    const taken = await freePort();
    await whenPortIsFree(() => once(occupied.listen({ port: taken, host: '127.0.0.1', exclusive: true }), 'listening'));
    mesh = await startScrapedMesh(taken);
    // Compose's own configuration: only the name of the control plane is another, and the clock runs faster.
    const text = read('deploy/prometheus/prometheus.yml')
      .replaceAll('chancery:18080', mesh.http)
      .replaceAll(/(_interval:) 5s/g, '$1 1s');
    writeFileSync(join(dir.path, 'prometheus.yml'), text);
    writeFileSync(join(dir.path, 'alerts.yml'), read('deploy/prometheus/alerts.yml'));
    const port = await freePort();
    url = `http://127.0.0.1:${port}`;
    server = await startProcess('prometheus', [
      path,
      ...[`--config.file=${join(dir.path, 'prometheus.yml')}`, `--storage.tsdb.path=${join(dir.path, 'data')}`],
      ...[`--web.listen-address=127.0.0.1:${port}`, '--log.level=warn'],
    ]);
    driving = drive();
    await eventually(async () => (await fetch(`${url}/-/ready`)).ok, { deadlineMs: 30_000 });
    // Rates need several scrapes of every target; after that a query answers at once or never.
    await eventually(async () => (await query(filled(errorsByService))).length > 0, {
      deadlineMs: 40_000,
      everyMs: 250,
    });
  }, 120_000);

  afterAll(async () => {
    traffic = false;
    await driving.catch(() => {});
    await server?.stop();
    await mesh?.stop();
    await new Promise<void>((resolve) => (occupied === undefined ? resolve() : occupied.close(() => resolve())));
    dir?.remove();
  });

  it('has a configuration that promtool accepts', () => {
    const output = execFileSync(promtool, ['check', 'config', join(root, 'deploy/prometheus/prometheus.yml')], {
      encoding: 'utf8',
    });
    expect(output).toContain('SUCCESS');
  });

  it('finds Chancery and both Envoys by http_sd, and reaches them', async () => {
    const up = await eventually(
      async () => {
        const samples = await query('up');
        return samples.length === 3 && samples.every(({ value }) => value[1] === '1') ? samples : undefined;
      },
      { deadlineMs: 20_000 },
    );
    const who = up.map(({ metric }) =>
      [metric['job'], metric['service'], metric['instance'], metric['role']].join(' '),
    );
    expect(who.sort()).toEqual([
      'chancery chancery chancery control-plane',
      'envoy edge edge-1 gateway',
      'envoy web web-1 sidecar',
    ]);
  });

  it('never sees an admin port', async () => {
    const groups = (await (await fetch(`http://${mesh.http}/sd/prometheus`)).json()) as { targets: string[] }[];
    const listed = groups.flatMap((group) => group.targets).sort();
    expect(listed).toEqual([mesh.http, ...mesh.stats].sort());
    for (const { admin } of mesh.envoys) expect(listed).not.toContain(admin);
  });

  it('offers the services by name', async () => {
    const [, metric = '', label] = /^label_values\((.+), (\w+)\)$/.exec(variable?.definition ?? '') ?? [];
    await eventually(
      async () => {
        const values = await ask<string[]>(`label/${label}/values?match[]=${encodeURIComponent(metric)}`);
        expect(values).toEqual(['api', 'web']);
        return true;
      },
      { deadlineMs: 30_000 },
    );
  });

  it.each(promql.map((one) => [`${one.panel} (${one.refId})`, one.expr] as const))('answers %s', async (_, expr) => {
    await eventually(
      async () => {
        const samples = await query(filled(expr));
        expect(samples.length).toBeGreaterThan(0);
        expect(samples.some(({ value }) => Number.isFinite(Number(value[1])))).toBe(true);
        return true;
      },
      { deadlineMs: 8_000, everyMs: 100 },
    );
  });

  it('counts what was really asked: both services, failures of web only', async () => {
    const by = async (expr: string) =>
      new Map((await query(expr)).map(({ metric, value }) => [metric['destination'], Number(value[1])]));
    const requests = promql.find(({ panel: title }) => title === 'Requests by service')?.expr ?? '';
    const [all, failed] = [await by(filled(requests)), await by(filled(errorsByService))];
    expect([...all.keys()].sort()).toEqual(['api', 'web']);
    expect(all.get('api')).toBeGreaterThan(0);
    expect(failed.get('web')).toBeGreaterThan(0);
    expect(failed.get('api') ?? 0).toBe(0);
  });

  it('evaluates every alert, and fires for the listener that Envoy refused', async () => {
    interface Rule {
      readonly name: string;
      readonly health: string;
      readonly lastError?: string;
      readonly state: string;
    }
    const rules = await eventually(
      async () => {
        const { groups } = await ask<{ groups: { rules: Rule[] }[] }>('rules');
        const all = groups.flatMap((group) => group.rules);
        return all.every(({ health }) => health !== 'unknown') ? all : undefined;
      },
      { deadlineMs: 20_000 },
    );
    expect(rules.filter(({ health }) => health !== 'ok').map(({ name, lastError }) => `${name}: ${lastError}`)).toEqual(
      [],
    );
    // Its `for` is a minute: pending is as far as a test waits.
    expect(rules.find(({ name }) => name === 'ConfigurationRejected')?.state).toMatch(/pending|firing/);
  });

  it('draws metrics that are there: no panel and no alert names another', async () => {
    const known = new Set(await ask<string[]>('label/__name__/values'));
    const { groups } = parse(read('deploy/prometheus/alerts.yml')) as { groups: { rules: { expr: string }[] }[] };
    const exprs = [...promql.map(({ expr }) => expr), ...groups.flatMap(({ rules }) => rules.map(({ expr }) => expr))];
    const named = exprs.flatMap((expr) => expr.match(/\b(?:chancery|envoy)_\w+/g) ?? []);
    expect([...new Set(named)].filter((name) => name !== 'envoy_response_code_class' && !known.has(name))).toEqual([]);
  });

  it('reads access logs into few labels, as Alloy does', async () => {
    const alloy = read('deploy/alloy/config.alloy');
    const expression = (source: string): RegExp => {
      const [, text = ''] = new RegExp(`expression = "(.*)"\\n\\s+source\\s+= "${source}"`).exec(alloy) ?? [];
      return new RegExp(text.replaceAll('\\\\', '\\').replaceAll('(?P<', '(?<'));
    };
    const [edge] = mesh.envoys;
    const lines =
      edge
        ?.logs()
        .split('\n')
        .filter((line) => line.startsWith('{')) ?? [];
    expect(lines.length).toBeGreaterThan(0);
    const labels = new Set(
      lines.map((line) => {
        const fields = JSON.parse(line) as Record<string, string | number>;
        for (const field of ['upstream_cluster', 'code', 'time']) expect(Object.keys(fields)).toContain(field);
        expect(String(fields['time'])).toMatch(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
        const service = expression('cluster').exec(String(fields['upstream_cluster']))?.groups?.['service'];
        return `${service} ${String(fields['code']).slice(0, 1)}xx`;
      }),
    );
    expect([...labels].sort()).toEqual(['api 2xx', 'web 2xx', 'web 5xx']);
    expect(expression('filename').exec('/logs/api-1.log')?.groups?.['proxy']).toBe('api-1');
  });
}

if (missing.length === 0) describe('the dashboard on the running product', live);
else
  describe.skip(`the dashboard on the running product [skipped: ${missing.join('; ')}]`, () =>
    it('is drawn', () => {}));
