// The command line as a person uses it: one product, real processes, exit codes and what is printed.
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { type Product, startProduct } from '../support/product.ts';
import { describeWith, eventuallyPasses, freePort } from '../support/real-parts.ts';
import { createTempDir } from '../support/temp-dir.ts';

const object = (kind: string, name: string, spec: string): string =>
  `apiVersion: chancery/v1\nkind: ${kind}\nmetadata: {name: ${name}}\nspec: ${spec}\n`;
const route = (name: string, spec = `{hosts: [${name}.example], rules: [{respond: {status: 200}}]}`): string =>
  object('Route', name, spec);

let product: Product;
const dir = createTempDir('cli');
const good = join(dir.path, 'good');
const bad = join(dir.path, 'bad.yaml');

beforeAll(async () => {
  product = await startProduct();
  mkdirSync(good);
  writeFileSync(
    join(good, 'service.yaml'),
    object('Service', 'web', '{endpoints: [{address: 127.0.0.1, port: 8080}], subsets: [{name: v1, where: {v: "1"}}]}'),
  );
  writeFileSync(
    join(good, 'route.yaml'),
    route('shop', '{hosts: [shop.example], rules: [{to: [{service: web, subset: v1}]}]}'),
  );
  writeFileSync(
    bad,
    `${route('fine')}---\n${route('bad', '\n  hosts: [bad.example]\n  rulez: []\n  rules:\n  - respond: {status: 9}')}`,
  );
}, 60_000);
afterAll(async () => {
  await product?.[Symbol.asyncDispose]();
  dir.remove();
});

describe('offline', () => {
  it('lint: 0 on good objects, 65 with every place on bad ones', async () => {
    const [fine, wrong] = await Promise.all([product.cli('lint', good), product.cli('lint', bad)]);
    expect(fine).toEqual({ code: 0, stdout: '2 files, 0 errors, 0 warnings\n', stderr: '' });
    expect(wrong.code).toBe(65);
    expect(wrong.stderr).toMatch(
      /^error \[CH1004\] Route default\/bad: .*"rulez".*bad\.yaml:\d+:3\).*Did you mean "rules"/m,
    );
    expect(wrong.stderr).toMatch(/^error \[CH1005\] .*status.*bad\.yaml:\d+:\d+\)/m);
    expect(wrong.stdout).toBe('1 file, 2 errors, 0 warnings\n');
  });

  it('translate: what Envoy would get, as YAML and JSON, and 65 beside it when an object is bad', async () => {
    const [yaml, json, wrong] = await Promise.all([
      product.cli('translate', '-f', good, '--gateway', 'edge'),
      product.cli('translate', '-f', good, '--service', 'web', '-o', 'json'),
      product.cli('translate', '-f', bad),
    ]);
    expect([yaml.code, yaml.stderr]).toEqual([0, '']);
    expect(parseAllDocuments(yaml.stdout).every(({ errors }) => errors.length === 0)).toBe(true);
    expect(yaml.stdout).toMatch(/shop\.example/);
    const shown = JSON.parse(json.stdout) as Record<string, readonly { readonly name?: string }[]>;
    expect(Object.keys(shown)).toEqual(['CDS', 'LDS', 'RDS', 'EDS']);
    expect(shown['CDS']?.map(({ name }) => name)).toEqual(['web', 'web/v1']);
    expect(wrong.code).toBe(65);
    expect(wrong.stdout).toContain('fine.example');
  });

  it('schema: of one kind and of the configuration; a kind that is none is named', async () => {
    const [one, config, none] = await Promise.all([
      product.cli('schema', 'Route'),
      product.cli('schema', 'config'),
      product.cli('schema', 'Rout'),
    ]);
    expect(JSON.parse(one.stdout)).toMatchObject({ title: 'Chancery Route' });
    expect(JSON.parse(config.stdout)).toMatchObject({ type: 'object' });
    expect(none.code).toBe(64);
    expect(none.stderr).toMatch(/^error \[CH1003\] .*"Rout".*Did you mean "Route"\?/);
  });

  it('config show: every value with its origin, no secret', async () => {
    const file = join(dir.path, 'chancery.yaml');
    writeFileSync(file, 'registries: [{kind: consul, token: hush}]\nguard: {holdSeconds: 5}\n');
    const shown = await product.cli('config', 'show', '-c', file, '--log-level', 'warn');
    expect([shown.code, shown.stderr]).toEqual([0, '']);
    expect(shown.stdout).toMatch(/^guard\.holdSeconds +5 +.*chancery\.yaml:2/m);
    expect(shown.stdout).toMatch(/^log\.level +warn +--log-level/m);
    expect(shown.stdout).toMatch(/^http\.port +\d+ +CHANCERY_HTTP_PORT/m);
    expect(shown.stdout).toMatch(/^node +chancery +default/m);
    expect(shown.stdout).not.toContain('hush');
  });

  it('completion: a script that bash takes and that completes', async () => {
    const { code, stdout } = await product.cli('completion', 'bash');
    expect(code).toBe(0);
    const typed = `${stdout}\nCOMP_WORDS=(chancery sta); COMP_CWORD=1; _chancery; echo "\${COMPREPLY[*]}"`;
    const bash = spawnSync('bash', ['--norc', '-c', typed], { encoding: 'utf8' });
    expect([bash.status, bash.stderr, bash.stdout]).toEqual([0, '', 'status\n']);
  });

  it('a command that is none: 64, and the one that was meant', async () => {
    const { code, stdout, stderr } = await product.cli('aply', '-f', bad);
    expect([code, stdout]).toEqual([64, '']);
    expect(stderr).toMatch(/^error \[CH1601\] there is no command "aply".*Did you mean "apply"\?/);
  });
});

describe('with a server', () => {
  it('apply, get and delete: 0, 1, 64 and 65', async () => {
    const applied = await product.cli('apply', '-f', good);
    expect(applied).toEqual({ code: 0, stdout: expect.stringContaining('Route default/shop created'), stderr: '' });
    const [again, refused, got, missing, usage, wrongFile] = await Promise.all([
      product.cli('apply', '-f', good),
      product.cli('apply', '-f', bad),
      product.cli('get', 'route', 'shop', '-o', 'yaml'),
      product.cli('get', 'route', 'shopp'),
      product.cli('delete', 'route'),
      product.cli('apply', '-f', join(dir.path, 'none')),
    ]);
    expect([again.code, again.stdout]).toEqual([0, expect.stringContaining('Route default/shop unchanged')]);
    expect(refused.code).toBe(65);
    expect(refused.stderr).toMatch(/\[CH1004\].*"rulez"/);
    expect([got.code, got.stdout]).toEqual([
      0,
      expect.stringContaining(readFileSync(join(good, 'route.yaml'), 'utf8')),
    ]);
    expect([missing.code, missing.stderr]).toEqual([1, expect.stringContaining('[CH1616]')]);
    expect(usage.code).toBe(64);
    expect([wrongFile.code, wrongFile.stderr]).toEqual([64, expect.stringContaining('[CH1608]')]);
    const deleted = await product.cli('delete', 'route', 'shop');
    expect(deleted).toEqual({ code: 0, stdout: 'Route default/shop deleted\n', stderr: '' });
    expect((await product.cli('delete', 'route', 'shop')).code).toBe(1);
    // A bad object takes no good one with it, unless all or none was asked for.
    expect((await product.cli('get', 'route')).stdout).toMatch(/^Route .* fine /m);
    await product.cli('delete', 'route', 'fine');
    expect((await product.cli('apply', '-f', bad, '--atomic')).code).toBe(65);
    expect((await product.cli('get', 'route')).stdout).not.toContain('fine');
  });

  it('version: the client, and the server where there is one', async () => {
    const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
      version: string;
    };
    const [plain, alone] = await Promise.all([
      product.cli('version'),
      product.cli('version', '--server', `http://127.0.0.1:${await freePort()}`),
    ]);
    expect(plain).toEqual({ code: 0, stdout: `client ${version}\nserver ${version}\n`, stderr: '' });
    expect([alone.code, alone.stdout]).toEqual([0, expect.stringMatching(`^client ${version}\nserver none at http`)]);
  });

  it('a server that is not there: 2, and where it was looked for', async () => {
    const server = `http://127.0.0.1:${await freePort()}`;
    const all = await Promise.all([
      product.cli('status', '--server', server),
      product.cli('get', 'route', '--server', server),
      product.cli('apply', '-f', good, '--server', server),
      product.cli('delete', 'route', 'shop', '--server', server),
    ]);
    for (const { code, stdout, stderr } of all) {
      expect([code, stdout]).toEqual([2, '']);
      expect(stderr).toContain('[CH1606]');
      expect(stderr).toContain(server);
    }
  });
});

describeWith(['envoy'], 'status --wait', () => {
  it('1 while no proxy is there, 0 as soon as one is in sync', async () => {
    const port = await freePort();
    const early = await product.cli('status', '--wait', '1s');
    expect([early.code, early.stderr]).toEqual([1, expect.stringContaining('[CH1609]')]);
    product.write('edge.yaml', object('Gateway', 'edge', `{listeners: [{port: ${port}}]}`));
    const waiting = product.cli('status', '--wait', '30s');
    await product.envoy('edge-1', ['--gateway', 'edge']);
    const { code, stdout } = await waiting;
    expect([code, stdout]).toEqual([0, expect.stringMatching(/^edge-1 +edge +SYNCED/m)]);
    await eventuallyPasses(async () => expect((await product.cli('status', '-o', 'json')).code).toBe(0));
  }, 60_000);
});
