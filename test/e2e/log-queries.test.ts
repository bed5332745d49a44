// The dashboard's LogQL in a real Loki with the configuration of deploy/loki, on access log lines as Envoy writes them and labels as
// deploy/alloy makes them. Loki takes half an hour to build, so it is only looked for ($LOKI_BIN, the cache), never fetched.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { cacheRoot } from '../../scripts/parts.mjs';
import { eventually, freePorts, type RunningProcess, startProcess } from '../support/real-parts.ts';
import { createTempDir, type TempDir } from '../support/temp-dir.ts';

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const read = (path: string): string => readFileSync(join(root, path), 'utf8');
const loki = [process.env['LOKI_BIN'], join(cacheRoot(), `loki/3.7.8-${process.platform}-${process.arch}/loki`)].find(
  (file) => file !== undefined && existsSync(file),
);

interface Board {
  readonly panels: readonly {
    readonly title: string;
    readonly targets?: readonly { readonly datasource: { readonly type: string }; readonly expr: string }[];
  }[];
}
const queries = (JSON.parse(read('deploy/grafana/dashboards/chancery.json')) as Board).panels.flatMap((panel) =>
  (panel.targets ?? [])
    .filter(({ datasource }) => datasource.type === 'loki')
    .map(({ expr }) => [panel.title, expr.replaceAll('$__auto', '60s')] as const),
);

function live(): void {
  let dir: TempDir;
  let server: RunningProcess;
  let url = '';

  beforeAll(async () => {
    dir = createTempDir('loki');
    const [http = 0, grpc = 0] = await freePorts(2);
    url = `http://127.0.0.1:${http}`;
    const ports = `http_listen_address: 127.0.0.1\n  http_listen_port: ${http}\n  grpc_listen_address: 127.0.0.1\n  grpc_listen_port: ${grpc}`;
    const text = read('deploy/loki/loki.yaml')
      .replace('http_listen_port: 3100', ports)
      .replaceAll(/(?<=[ :])\/loki(?=[/\s])/g, join(dir.path, 'data'));
    expect(text).not.toMatch(/ \/loki/);
    const file = join(dir.path, 'loki.yaml');
    writeFileSync(file, text);
    server = await startProcess('loki', [loki ?? '', `-config.file=${file}`]);
    await eventually(
      async () => {
        if (server.exit() !== undefined) throw new Error(server.logs());
        return (await fetch(`${url}/ready`)).ok;
      },
      { deadlineMs: 50_000, everyMs: 250 },
    );
    const now = Date.now();
    const streams = [200, 503].map((code, index) => ({
      stream: { job: 'access', service: 'api', proxy: 'edge', code_class: `${String(code).slice(0, 1)}xx` },
      values: [[`${now - index}000000`, JSON.stringify({ code, path: '/api', upstream_cluster: 'api/v1' })]],
    }));
    const pushed = await fetch(`${url}/loki/api/v1/push`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ streams }),
    });
    expect(pushed.status, await pushed.text()).toBe(204);
  }, 60_000);

  afterAll(async () => {
    await server?.stop();
    dir?.remove();
  });

  it.each(queries)('answers %s', async (_, expr) => {
    await eventually(
      async () => {
        const response = await fetch(
          `${url}/loki/api/v1/query_range?query=${encodeURIComponent(expr)}&since=5m&step=60`,
        );
        const text = await response.text();
        expect(response.status, text).toBe(200);
        expect((JSON.parse(text) as { data: { result: unknown[] } }).data.result.length).toBeGreaterThan(0);
        return true;
      },
      { deadlineMs: 8_000 },
    );
  });

  it('shows failed requests only among the failed', async () => {
    const [, expr = ''] = queries.find(([title]) => title === 'Failed requests') ?? [];
    const response = await fetch(`${url}/loki/api/v1/query_range?query=${encodeURIComponent(expr)}&since=5m`);
    const { data } = (await response.json()) as { data: { result: { stream: { code_class: string } }[] } };
    expect(data.result.map(({ stream }) => stream.code_class)).toEqual(['5xx']);
  });
}

if (loki !== undefined) describe('the log queries in a real Loki', live);
else describe.skip('the log queries in a real Loki [skipped: no Loki: LOKI_BIN not set, none in the cache]', live);
