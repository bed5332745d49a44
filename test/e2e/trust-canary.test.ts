// T21: everything secret of a mesh with trust is looked for wherever it has no business: logs at debug level, every answer of the
// API, what the command line prints, metrics, dumps of real Envoys, and every other file of the state folder,
// after a scenario that used all of it. A control proves that the search would find one.
import { createPrivateKey } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createRoutes } from '../../src/admin/routes.ts';
import { typeUrls } from '../../src/resources/type-urls.ts';
import { type Backend, startBackend } from '../support/backends.ts';
import { describeWith, eventuallyPasses, freePorts, type RunningEnvoy } from '../support/real-parts.ts';
import { nextKey, startTrustRig, type TrustRig, through } from './trust-rig.ts';

/** Where each secret lives by right, below the state folder. */
const homes = /^(token|ca\/(.*\/)?key\.pem|ca\/seal\.key|xds\/key\.pem)$/;

/** The shapes in which the same bytes could leak. */
function shapes(secret: string | Buffer): string[] {
  const bytes = Buffer.from(secret);
  const encoded = [bytes.toString('base64url'), bytes.toString('base64').replace(/=+$/, ''), bytes.toString('hex')];
  // A base64 text within another one is shifted by up to two bytes.
  const shifted = [1, 2].map((skip) => bytes.subarray(skip).toString('base64').slice(0, -4));
  return typeof secret === 'string' ? [secret, ...encoded, ...shifted] : [...encoded, ...shifted];
}

/** What is secret of a PEM key: its scalar, and the line of the PEM that has it. */
function ofKey(pem: string): string[] {
  const { d = '' } = createPrivateKey(pem).export({ format: 'jwk' });
  expect(d.length).toBeGreaterThan(40);
  return [...shapes(Buffer.from(d, 'base64url')), pem.split('\n')[2] ?? ''].filter((shape) => shape.length > 20);
}

const pemKeys = (text: string): string[] =>
  text.match(/-----BEGIN PRIVATE KEY-----[^-]+-----END PRIVATE KEY-----\n/g) ?? [];

describeWith(['envoy'], 'T21: the secrets of a mesh', () => {
  const stack = new AsyncDisposableStack();
  const secrets = new Map<string, readonly string[]>();
  const printed: string[] = [];
  let rig: TrustRig;
  let envoys: RunningEnvoy[];

  const secret = (what: string, found: readonly string[]): void => {
    expect(found.length, what).toBeGreaterThan(0);
    secrets.set(what, found);
  };

  /** What stands in a text, by name: never the secret itself, so that a failure tells nothing. */
  const foundIn = (text: string): string[] =>
    [...secrets].flatMap(([what, found]) => (found.some((shape) => text.includes(shape)) ? [what] : []));

  async function cli(...args: string[]): Promise<string> {
    const { code, stdout, stderr } = await rig.product.cli(...args);
    expect(code, `${args.join(' ')}: ${stderr}`).toBe(0);
    printed.push(stderr);
    return stdout;
  }

  beforeAll(async () => {
    rig = stack.use(await startTrustRig({ config: { trust: {}, log: { level: 'debug', format: 'json' } } }));
    const [web = 0, api = 0, inbound = 0, edge = 0] = await freePorts(4);
    rig.product.write(
      'all.yaml',
      `{apiVersion: chancery/v1, kind: Gateway, metadata: {name: edge}, spec: {listeners: [{port: ${edge}}]}}
---
{apiVersion: chancery/v1, kind: Route, metadata: {name: shop}, spec: {hosts: [shop], rules: [{to: [{service: api}]}]}}
---
{apiVersion: chancery/v1, kind: Authorization, metadata: {name: api}, spec: {service: api, allow: [{from: [web, gateway/edge]}]}}
`,
    );
    const backend: Backend = stack.use(await startBackend('api-1'));
    await rig.registry.put({ service: 'api', id: 'api-1', port: backend.port, proxyPort: inbound });
    await rig.registry.put({ service: 'web', id: 'web-1', port: backend.port });
    const sidecar = (node: string, service: string, port: number): Promise<RunningEnvoy> =>
      rig.envoy(node, { services: [service] }, ['--service', service, '--outbound', `127.0.0.1:${port}`]);
    envoys = [
      await sidecar('api-1', 'api', api),
      await sidecar('web-1', 'web', web),
      await rig.envoy('edge-1', { gateways: ['edge'] }, ['--gateway', 'edge', '--certificate']),
    ];
    await eventuallyPasses(async () => expect((await through(edge, 'shop')).name).toBe('api-1'), {
      deadlineMs: 30_000,
    });
    await eventuallyPasses(async () => expect((await through(web, 'api')).name).toBe('api-1'), { deadlineMs: 30_000 });

    // Tokens of every kind: used, waiting, revoked, wrong.
    const waiting = (await cli('token', 'create', '--service', 'web')).trim();
    const taken = (await cli('token', 'create', '--service', 'web')).trim();
    await cli('token', 'revoke', taken);
    const access = (await cli('access', 'create', '--role', 'reader', '--name', 'grafana')).trim();
    const gone = (await cli('access', 'create', '--role', 'editor', '--name', 'ci')).trim();
    await cli('access', 'revoke', gone);
    secret('a join token', shapes(waiting.split('.')[2] ?? ''));
    secret('a revoked join token', shapes(taken.split('.')[2] ?? ''));
    secret('a token of the API', shapes(access.split('.')[2] ?? ''));
    secret('a revoked token of the API', shapes(gone.split('.')[2] ?? ''));
    const node = await rig.token({ services: ['web'] });
    secret('the signature of a node token', [node.split('.')[2] ?? '']);
    const client = stack.use(
      await rig.open({ token: node, node: { id: 'web-2', cluster: 'web' }, type: typeUrls.secret }),
    );
    client.send({ type_url: typeUrls.secret, resource_names_subscribe: ['mesh:identity'] });
    secret('the key of a proxy', pemKeys(await nextKey(client)).flatMap(ofKey));

    // What goes wrong: a refused object, a used and a guessed token, a revoked credential.
    const refused = await rig.product.api('POST', '/api/v1/objects', '{kind: Route, spec: 1}');
    printed.push(await refused.text());
    for (const token of [waiting, waiting, `${taken}x`])
      printed.push((await rig.post('/api/v1/trust/join', { token: `${token}` })).body.replace(/"token":"[^"]+"/, ''));
    printed.push((await rig.post('/api/v1/trust/renew', {}, { token: `${node}x` })).body);
    for (const wrong of [access, gone, `${access}x`, node])
      await fetch(`http://127.0.0.1:${rig.product.httpPort}/api/v1/objects`, {
        ...{ method: 'POST', body: 'x' },
        headers: { authorization: `Bearer ${wrong}` },
      });
    for (const name of ['api-1', 'web-1']) await cli('renew', join(rig.folder, name));
    await cli('certs', 'rotate-root', '--force');

    // What lies by right where it lies.
    const files = readdirSync(rig.folder, { recursive: true, encoding: 'utf8', withFileTypes: true });
    for (const file of files.filter((entry) => entry.isFile())) {
      const text = readFileSync(join(file.parentPath, file.name), 'utf8');
      const bearer = /Bearer ([\w-]+\.[\w-]+\.[\w-]+)/.exec(text)?.[1]?.split('.')[2];
      const at = relative(rig.folder, join(file.parentPath, file.name));
      if (bearer !== undefined) secret(`the credential in ${at}`, [bearer]);
      if (pemKeys(text).length > 0) secret(`the key in ${at}`, pemKeys(text).flatMap(ofKey));
    }
    secret('the first token', shapes(readFileSync(join(rig.product.state, 'token'), 'utf8').trim()));
    for (const path of stateFiles()) {
      const text = readFileSync(join(rig.product.state, path), 'utf8');
      if (homes.test(path) && pemKeys(text).length > 0) secret(`the key in ${path}`, pemKeys(text).flatMap(ofKey));
    }
  }, 120_000);
  afterAll(() => stack.disposeAsync());

  const stateFiles = (): string[] =>
    readdirSync(rig.product.state, { recursive: true, encoding: 'utf8', withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => relative(rig.product.state, join(entry.parentPath, entry.name)));

  it('are what they should be, and would be found', () => {
    const kinds = [...secrets.keys()].map((what) => what.replace(/ in .*/, ''));
    expect(new Set(kinds)).toEqual(
      new Set([
        ...[
          'a join token',
          'a revoked join token',
          'a token of the API',
          'a revoked token of the API',
          'the first token',
        ],
        ...['the signature of a node token', 'the key of a proxy', 'the credential', 'the key'],
      ]),
    );
    for (const [what, [shape = '']] of secrets) expect(foundIn(`before ${shape} behind`), what).toContain(what);
    const homely = stateFiles().filter(
      (path) => foundIn(readFileSync(join(rig.product.state, path), 'utf8')).length > 0,
    );
    expect(homely.length).toBeGreaterThan(2);
  });

  it('are in no log, at debug level', () => {
    const logs = rig.product.process().logs();
    expect(logs).toContain('"component":"audit"');
    expect(foundIn(logs)).toEqual([]);
    for (const envoy of envoys) expect(foundIn(envoy.logs())).toEqual([]);
  });

  it('are in no answer of the API', async () => {
    const deps = { control: {}, clock: {}, metrics: {}, logLevels: {} } as unknown as Parameters<
      typeof createRoutes
    >[0];
    const gets = createRoutes(deps).filter(({ method, handle }) => method === 'GET' && typeof handle === 'function');
    expect(gets.length).toBeGreaterThan(12);
    for (const { path } of gets)
      for (const node of path.includes(':node') ? ['api-1', 'web-1', 'edge-1'] : ['']) {
        const answer = await rig.product.api('GET', path.replace(':node', node));
        expect([path, answer.status]).toEqual([path, 200]);
        expect(foundIn(await answer.text()), path).toEqual([]);
      }
  });

  it('are in nothing that the command line prints', { timeout: 60_000 }, async () => {
    const asked = [
      ...[['status'], ['status', '-o', 'json'], ['status', 'web-1', '--resources'], ['certs', 'list', '-o', 'json']],
      ...[
        ['token', 'list', '-o', 'json'],
        ['access', 'list', '-o', 'json'],
        ['get', 'Route', '-o', 'yaml'],
        ['problems'],
      ],
      ['config', 'show', '-o', 'json'],
    ];
    for (const args of asked) {
      const { stdout, stderr } = await rig.product.cli(...args);
      printed.push(stdout, stderr);
    }
    // What tells how to join shows the token that was just made, to whoever made it.
    expect(foundIn(printed.join('\n').replace(/--join \S+/g, ''))).toEqual([]);
  });

  it('are in no other file of the state folder', () => {
    const found = stateFiles()
      .filter((path) => !homes.test(path))
      .flatMap((path) =>
        foundIn(readFileSync(join(rig.product.state, path), 'utf8')).map((what) => `${what} in ${path}`),
      );
    expect(found).toEqual([]);
  });

  it('are in no dump of an Envoy', async () => {
    for (const envoy of envoys)
      for (const path of ['/config_dump?include_eds', '/certs', '/clusters?format=json', '/server_info', '/stats'])
        expect(foundIn(await envoy.adminGet(path)), path).toEqual([]);
  });
});
